//! Two real Redis servers, one of which follows the other, and the only way that the processes know to them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::watch,
    time::{sleep, timeout},
};

/// A `redis-server` that writes every command to disk before it answers.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    folder: PathBuf,
}

impl Server {
    pub(crate) async fn start(port: u16, folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let server = Self { process: spawn(port, &folder), port, folder };
        server.answers().await;
        server
    }

    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, command: &str) -> redis::RedisResult<T> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut words = command.split(' ');
        let mut asked = redis::cmd(words.next().unwrap_or_default());
        for word in words {
            asked.arg(word);
        }
        asked.query_async(&mut connection).await
    }

    async fn answers(&self) {
        let answers = async {
            while self.ask::<String>("PING").await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(30), answers).await.expect("redis-server answers");
    }

    /// As `systemctl stop` does it, or as a machine dies.
    pub(crate) async fn stop(&mut self, signal: Signal) {
        self.signal(signal);
        self.process.wait().await.unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id().expect("it runs")).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// With what it had written.
    pub(crate) async fn start_again(&mut self) {
        self.process = spawn(self.port, &self.folder);
        self.answers().await;
    }

    /// Follows this one from now on, and has all that it has.
    pub(crate) async fn follow(&self, leader: u16) {
        self.ask::<()>(&format!("REPLICAOF 127.0.0.1 {leader}")).await.unwrap();
        let follows = async {
            while !self.ask::<String>("INFO replication").await.unwrap().contains("master_link_status:up") {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(30), follows).await.expect("it follows");
    }

    /// Until the other one has all that was written before.
    pub(crate) async fn has_told(&self) {
        // Only a write of the connection's own is waited for.
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let _: () = redis::cmd("SET").arg("probe").arg(1).query_async(&mut connection).await.unwrap();
        let told: usize = redis::cmd("WAIT").arg(1).arg(400).query_async(&mut connection).await.unwrap();
        assert_eq!(told, 1, "the other server follows");
    }
}

fn spawn(port: u16, folder: &Path) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(folder)
        .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("redis-server, of Debian's package of that name: {error}"))
}

/// A port that nobody listens on.
pub(crate) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Passes connections on to one of the servers. Those that are open are cut when it changes over to the other.
pub(crate) struct Relay {
    pub(crate) port: u16,
    to: watch::Sender<u16>,
}

impl Relay {
    pub(crate) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = watch::Sender::new(to);
        let pointed = to.clone();
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let mut pointed = pointed.subscribe();
                tokio::spawn(async move {
                    let port = *pointed.borrow_and_update();
                    let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut from, &mut to) => {}
                        _ = pointed.changed() => {}
                    }
                });
            }
        });
        Self { port, to }
    }

    /// What is on its way is lost.
    pub(crate) fn change_over(&self, to: u16) {
        self.to.send_replace(to);
    }
}
