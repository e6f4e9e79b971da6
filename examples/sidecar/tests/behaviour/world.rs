//! A gateway, files with secrets, and the sidecar in a process of its own.

use std::{
    env, fs,
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
};

use crate::support::{self, Options, Regime, Running};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tower-reauth-sidecar");
pub(crate) const CLIENT: &str = "orchard";
pub(crate) const SECRET: &str = "the-secret-of-the-orchard";

pub(crate) struct World {
    pub(crate) gateway: Running,
    pub(crate) folder: PathBuf,
}

/// What it prints goes to `printed`, line by line. It is killed when this is dropped.
pub(crate) struct Sidecar {
    pub(crate) url: String,
    pub(crate) admin: String,
    child: Child,
    printed: watch::Receiver<String>,
}

impl World {
    pub(crate) async fn new(name: &str) -> Self {
        let options = Options::new(Regime::Jwt).client(CLIENT, SECRET).user("alice", "wonderland");
        Self::with(name, options).await
    }

    pub(crate) async fn with(name: &str, options: Options) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("sidecar-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let world = Self { gateway: support::start(options).await.unwrap(), folder };
        world.file("client-secret", &format!("{SECRET}\n"));
        world
    }

    /// Writes a file, and says where it is.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Before the gateway's own API.
    pub(crate) async fn sidecar(&self) -> Sidecar {
        self.sidecar_before(&self.gateway.url(""), &[]).await
    }

    pub(crate) async fn sidecar_before(&self, upstream: &str, more: &[&str]) -> Sidecar {
        let token = self.gateway.url("/oauth2/token");
        let secret = self.file("client-secret", &format!("{SECRET}\n"));
        let usual = [
            "--upstream",
            upstream,
            "--token-endpoint",
            &token,
            "--client-id",
            CLIENT,
            "--client-secret-file",
            &secret,
        ];
        Sidecar::start(&[&usual[..], more].concat()).await
    }
}

impl Sidecar {
    /// It has a token when this returns, or has failed to get one.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        // Of a flag that comes twice, clap would say so.
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !arguments.contains(&"--log") {
            command.args(["--log", "debug"]);
        }
        command.args(arguments).args(["--admin", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (tell, printed) = watch::channel(String::new());
        collect(child.stdout.take().unwrap(), tell.clone());
        collect(child.stderr.take().unwrap(), tell);
        let mut sidecar = Self { url: String::new(), admin: String::new(), child, printed };
        sidecar.until("health and metrics on ").await;
        let printed = sidecar.printed();
        let after = |start| printed.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default().to_owned();
        (sidecar.url, sidecar.admin) = (after("listening on "), after("health and metrics on "));
        send(Request::get(format!("{}/readyz", sidecar.admin)).body(Full::default()).unwrap()).await;
        sidecar
    }

    /// Waits until it prints this.
    pub(crate) async fn until(&mut self, text: &str) {
        let seen = self.printed.wait_for(|printed| printed.contains(text)).await.map(drop);
        assert!(seen.is_ok(), "it ended without {text:?}: {}", self.printed());
    }

    pub(crate) fn printed(&self) -> String {
        self.printed.borrow().clone()
    }

    pub(crate) fn terminate(&self) {
        let pid = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Without a chance to do anything.
    pub(crate) async fn killed(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Its status, and all that it has printed.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().await.unwrap();
        // Until both ends are read to their end.
        while self.printed.changed().await.is_ok() {}
        (status, self.printed())
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Bytes> {
        send(Request::get(format!("{}{path}", self.url)).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        send(Request::post(format!("{}{path}", self.url)).body(Full::new(body.into())).unwrap()).await
    }

    pub(crate) async fn admin(&self, path: &str) -> Response<Bytes> {
        send(Request::get(format!("{}{path}", self.admin)).body(Full::default()).unwrap()).await
    }
}

fn collect(pipe: impl AsyncRead + Send + Unpin + 'static, tell: watch::Sender<String>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            tell.send_modify(|printed| {
                printed.push_str(&line);
                printed.push('\n');
            });
        }
    });
}

/// A program that knows nothing of tokens.
pub(crate) async fn send(request: Request<Full<Bytes>>) -> Response<Bytes> {
    let response = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

pub(crate) fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}
