//! Several instances of the backend-for-frontend behind one address, with all that they need.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::{process::Command, time};

use crate::{Login, PATIENCE, Server, process::Process, server::before};

const INSTANCES: usize = 2;
/// `openssl rand -base64 32`, once.
const KEY: &str = "l1dHV0Zb3TEbm1nHVyRhSHVPVJgTjCHxhgN9Qe2zGQk=";
/// What writes down what the gateway gets from the instances. It stands in nginx too, between them.
const BOOK: &str = "log_format got '$request_method $uri $status $http_authorization';
    server { listen 127.0.0.1:@PORT@; access_log got.log got; location / { proxy_pass @GATEWAY@; } }
}";

/// Two instances behind nginx, in turn; Redis, in which they share their logins; a gateway, which stays. All of it ends when it is
/// dropped.
pub struct Fleet {
    /// The address for browsers.
    pub url: String,
    /// How users log in.
    pub login: Login,
    /// Where the embedded gateway is.
    pub gateway: String,
    instances: [Option<Server>; INSTANCES],
    ports: [u16; INSTANCES],
    before: String,
    redis: (u16, Process),
    folder: TempDir,
    _nginx: Process,
    _gateway: Server,
}

impl Fleet {
    /// Starts all of them.
    ///
    /// # Errors
    /// When redis-server or nginx is not installed, the example was not built, or something does not start.
    pub async fn start(login: Login) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let [front, book, redis, ports @ ..] = free_ports::<{ 3 + INSTANCES }>()?;
        let url = format!("http://localhost:{front}");
        let gateway = Server::start_with(login, &["--public-url", &url]).await?;
        let address = gateway.gateway().to_owned();
        let mut fleet = Self {
            redis: (redis, start_redis(redis, &folder).await?),
            _nginx: start_nginx(front, ports, book, &address, &folder).await?,
            url,
            login,
            gateway: address,
            instances: [None, None],
            ports,
            before: format!("http://127.0.0.1:{book}"),
            folder,
            _gateway: gateway,
        };
        for number in 0..INSTANCES {
            fleet.start_instance(number).await?;
        }
        Ok(fleet)
    }

    /// Starts an instance that does not run.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_instance(&mut self, number: usize) -> anyhow::Result<()> {
        let mut command = Server::program()?;
        before(&mut command, &self.before, self.login);
        if self.login == Login::Code {
            // Each login has a token of its own, since a code can't be redeemed again.
            command.arg("--device-scope").arg("--authorization-url").arg(format!("{}/oauth2/authorize", self.gateway));
        }
        command.args(["--public-url", &self.url, "--redis", &format!("redis://127.0.0.1:{}", self.redis.0)]);
        command.env("REAUTH_BFF_KEY", KEY);
        self.instances[number] = Some(Server::run_at(&mut command, self.ports[number], self.login).await?);
        Ok(())
    }

    /// Kills an instance (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        self.instances[number].take().context("the instance runs")?.kill().await
    }

    /// The address of one instance, without nginx.
    pub fn instance(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[number])
    }

    /// How many such requests each instance has answered: `POST /login`, or `/api/` for all methods.
    ///
    /// # Errors
    /// When nginx has written nothing.
    pub fn served(&self, what: &str) -> anyhow::Result<[usize; INSTANCES]> {
        let log = fs::read_to_string(self.folder.path().join("served.log"))?;
        Ok(self.ports.map(|port| {
            let by = format!("127.0.0.1:{port}");
            let answered = |line: &&str| {
                let (upstreams, request) = line.split_once(" | ").unwrap_or_default();
                // Where there are several, the last one has answered.
                request.contains(what) && upstreams.ends_with(&by)
            };
            log.lines().filter(answered).count()
        }))
    }

    /// How many requests that begin so the gateway has got from the instances.
    ///
    /// # Errors
    /// When nginx has written nothing.
    pub fn got(&self, what: &str) -> anyhow::Result<usize> {
        let log = fs::read_to_string(self.folder.path().join("got.log"))?;
        Ok(log.lines().filter(|line| line.starts_with(what)).count())
    }

    /// The access token that the gateway saw last.
    ///
    /// # Errors
    /// When it saw none.
    pub fn token(&self) -> anyhow::Result<String> {
        let log = fs::read_to_string(self.folder.path().join("got.log"))?;
        let token = log.lines().filter_map(|line| line.split_once(" Bearer ")).next_back().context("a call came")?.1;
        Ok(token.to_owned())
    }

    /// Stops Redis (SIGSTOP), which then answers nobody, or lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn stop_redis(&self, stopped: bool) -> anyhow::Result<()> {
        self.redis.1.signal(if stopped { "STOP" } else { "CONT" }).await
    }

    /// Asks Redis, by `redis-cli`; the answer's lines.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn redis(&self, command: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut client = Command::new("redis-cli");
        let answer = client.args(["-p", &self.redis.0.to_string()]).args(command).output().await?;
        ensure!(answer.status.success(), "redis-cli ends with {}", answer.status);
        Ok(String::from_utf8_lossy(&answer.stdout).lines().map(str::to_owned).collect())
    }

    /// All that lies in Redis, as it would lie on a disk.
    ///
    /// # Errors
    /// When it does not save.
    pub async fn dump(&self) -> anyhow::Result<Vec<u8>> {
        ensure!(self.redis(&["save"]).await? == ["OK"]);
        Ok(fs::read(self.folder.path().join("dump.rdb"))?)
    }
}

async fn start_redis(port: u16, folder: &TempDir) -> anyhow::Result<Process> {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--rdbcompression", "no", "--dir"]);
    let mut redis = Process::start(command.arg(folder.path()))?;
    redis.line(|line| line.contains("Ready to accept connections").then_some(())).await?;
    Ok(redis)
}

/// The example's own configuration, with other ports.
async fn start_nginx(
    front: u16,
    ports: [u16; INSTANCES],
    book: u16,
    gateway: &str,
    folder: &TempDir,
) -> anyhow::Result<Process> {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/axum_bff/nginx.conf");
    let mut text = fs::read_to_string(example)?;
    for (written, port) in ["3000", "3001", "3002"].into_iter().zip([front].into_iter().chain(ports)) {
        let written = format!("127.0.0.1:{written}");
        ensure!(text.contains(&written), "nginx.conf has no {written}");
        text = text.replace(&written, &format!("127.0.0.1:{port}"));
    }
    let (text, _) = text.rsplit_once('}').context("nginx.conf has a block")?;
    let book = BOOK.replace("@PORT@", &book.to_string()).replace("@GATEWAY@", gateway);
    let file = folder.path().join("nginx.conf");
    fs::write(&file, format!("{text}{book}"))?;
    let mut command = Command::new("nginx");
    // One process, that can be ended as one.
    command
        .args(["-e", "stderr", "-g", "master_process off; error_log stderr crit;", "-p"])
        .arg(folder.path())
        .arg("-c")
        .arg(&file);
    let nginx = Process::start(&mut command)?;
    let listens = async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, front)).is_err() {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(PATIENCE, listens).await.context("nginx does not listen")?;
    Ok(nginx)
}

/// All held at once, so that they differ.
fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let held = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.as_ref().map_err(|error| anyhow::anyhow!("no port is free: {error}"))?.local_addr()?.port();
    }
    Ok(ports)
}
