//! The example, running.

use std::{env, path::PathBuf};

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

/// The backend-for-frontend, with its embedded gateway. It ends when it is dropped.
pub struct Server {
    /// The address for browsers.
    pub url: String,
    /// Where a user of the gateway changes the password.
    pub password_url: String,
    /// How its users log in.
    pub login: Login,
    _process: Process,
}

impl Server {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When the example was not built, or does not start.
    pub async fn start(login: Login) -> anyhow::Result<Self> {
        let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/examples/axum_bff");
        let program = env::var_os("BFF_PROGRAM").map_or(built, PathBuf::from);
        ensure!(program.exists(), "{} is missing: cargo build --features axum --example axum_bff", program.display());
        let kind = match login {
            Login::Code => "code",
            Login::Password => "password",
        };
        let mut process = Process::start(
            Command::new(program).args(["--listen", "127.0.0.1:0", "--login", kind]).env("RUST_LOG", "error"),
        )?;
        let url = process.line(|line| line.starts_with("http").then(|| line.to_owned())).await?;
        let password_url = process.line(address_in).await?;
        Ok(Self { url, password_url, login, _process: process })
    }
}

fn address_in(line: &str) -> Option<String> {
    let address = line.split(' ').find(|word| word.starts_with("http"))?;
    Some(address.trim_end_matches('.').to_owned())
}
