//! A redis-server of our own, on a free port of the loopback interface, which keeps nothing on disk.

use std::{io, net::Ipv4Addr, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::sleep,
};

use crate::replica::new_key;

const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// It ends when this is dropped.
pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    password: String,
}

impl RedisServer {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        // Free a moment ago: it takes no listener.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        // Other users of this machine reach the port, too.
        let password = new_key()?;
        let settings = format!("bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\n");
        let mut process = spawn()?;
        // By its standard input: nobody sees the password in a list of processes.
        let mut input = process.stdin.take().expect("it is piped");
        input.write_all(settings.as_bytes()).await.context("redis-server does not start")?;
        drop(input);
        let mut server = Self { process, port, password };
        server.wait().await?;
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}", self.password, self.port)
    }

    async fn wait(&mut self) -> anyhow::Result<()> {
        for _ in 0..1000 {
            if let Some(status) = self.process.try_wait()? {
                bail!("redis-server ended at once: {status}");
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        bail!("redis-server does not listen after 10 s")
    }
}

fn spawn() -> anyhow::Result<Child> {
    for program in PROGRAMS {
        let mut command = Command::new(program);
        // Ctrl-C is for this program, which ends the server when the replicas are done.
        command.arg("-").process_group(0).kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::null());
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            spawned => return spawned.with_context(|| format!("{program} does not start")),
        }
    }
    bail!(
        "neither redis-server nor valkey-server is in the path: install one (Debian: apt-get install redis-server; macOS: \
         brew install redis), or name one that runs already: --redis redis://127.0.0.1:6379"
    )
}
