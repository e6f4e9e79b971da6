//! The examples, running.

use std::path::PathBuf;

use anyhow::ensure;
use tokio::process::Command;

use crate::process::Process;

/// How users log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// At the embedded gateway's page.
    Code,
    /// At the application's own.
    Password,
}

/// The backend-for-frontend. It ends when it is dropped.
pub struct Server {
    /// The address for browsers.
    pub url: String,
    /// Where a user of its gateway changes the password, if that is embedded.
    pub password_url: String,
    /// How its users log in.
    pub login: Login,
    process: Process,
}

/// The dashboard. It ends when it is dropped.
pub struct Dashboard {
    /// The address of its page.
    pub url: String,
    _process: Process,
}

impl Server {
    /// Starts it on a free port, with its embedded gateway.
    ///
    /// # Errors
    /// When the example was not built, or does not start.
    pub async fn start(login: Login) -> anyhow::Result<Self> {
        Self::start_with(login, &[]).await
    }

    pub(crate) async fn start_with(login: Login, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Self::program()?;
        let mut server = Self::run(command.args(["--login", login.name()]).args(arguments), login).await?;
        server.password_url = server.process.line(address_in).await?;
        Ok(server)
    }

    /// Starts it before the gateway of another one, which it is told of as of any gateway.
    ///
    /// # Errors
    /// As [`start`](Server::start).
    pub async fn start_before_the_gateway_of(other: &Self) -> anyhow::Result<Self> {
        let mut command = Self::program()?;
        before(&mut command, other.gateway(), Login::Password);
        Self::run(&mut command, Login::Password).await
    }

    /// The address of its gateway, if that is embedded.
    pub(crate) fn gateway(&self) -> &str {
        self.password_url.trim_end_matches("/account/password")
    }

    /// Ends it without a word.
    pub(crate) async fn kill(self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// Tells it to end, as a service manager does.
    ///
    /// # Errors
    /// When it does not end, or not as it should.
    pub async fn stop(self) -> anyhow::Result<()> {
        let status = self.process.stop().await?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    /// The program, for whoever wants to start it otherwise.
    ///
    /// # Errors
    /// When the example was not built.
    pub fn program() -> anyhow::Result<Command> {
        example("axum_bff")
    }

    async fn run(command: &mut Command, login: Login) -> anyhow::Result<Self> {
        Self::run_at(command, 0, login).await
    }

    pub(crate) async fn run_at(command: &mut Command, port: u16, login: Login) -> anyhow::Result<Self> {
        let listen = format!("127.0.0.1:{port}");
        let mut process = Process::start(command.args(["--listen", &listen]).env("RUST_LOG", "error"))?;
        let url = process.line(|line| line.starts_with("http").then(|| line.to_owned())).await?;
        Ok(Self { url, password_url: String::new(), login, process })
    }
}

impl Dashboard {
    /// Starts it on a free port, for longer than any test.
    ///
    /// # Errors
    /// When the example was not built, or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let mut command = example("dashboard")?;
        let mut process = Process::start(command.args(["--seconds", "3600"]))?;
        let url = process.line(address_in).await?;
        Ok(Self { url, _process: process })
    }
}

impl Login {
    /// As the command line calls it.
    fn name(self) -> &'static str {
        if self == Self::Code { "code" } else { "password" }
    }
}

/// Tells a server of a gateway as of any gateway.
pub(crate) fn before(command: &mut Command, gateway: &str, login: Login) {
    command.env("REAUTH_CLIENT_SECRET", "the client's secret").args(["--login", login.name()]);
    command.args(["--gateway-kind", "wso2", "--client-id", "orchard", "--scope", "orders"]);
    for (flag, path) in [
        ("--api-url", ""),
        ("--token-url", "/oauth2/token"),
        ("--revoke-url", "/oauth2/revoke"),
        ("--user-info-url", "/oauth2/userinfo"),
    ] {
        command.arg(flag).arg(format!("{gateway}{path}"));
    }
}

fn example(name: &str) -> anyhow::Result<Command> {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/examples").join(name);
    ensure!(program.exists(), "{} is missing: cargo build --all-features --example {name}", program.display());
    Ok(Command::new(program))
}

fn address_in(line: &str) -> Option<String> {
    let address = line.split(' ').find(|word| word.starts_with("http"))?;
    Some(address.trim_end_matches('.').to_owned())
}
