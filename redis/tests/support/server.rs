//! A real `redis-server` on a free port. It stops when this is dropped, also when the test panics.
//!
//! Other tests of this repository include this file by its path: it needs nothing but std and the programs `redis-server` and
//! `redis-cli`.

#![allow(dead_code, unreachable_pub)]

use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long a server may take to start.
const BOUND: Duration = Duration::from_secs(20);
/// Somebody else may take a port that was free.
const PORTS: usize = 5;

#[derive(Debug)]
pub struct Server {
    pub port: u16,
    folder: PathBuf,
    program: &'static str,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// One that forgets everything when it stops.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more options, such as `--appendonly yes`, which keeps what it holds for a [`restart`](Self::restart).
    pub fn start_with(options: &[&str]) -> Self {
        Self::start_program("redis-server", |port, folder| {
            let port = port.to_string();
            let fixed = ["--port", &port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--logfile", "log"];
            fixed.iter().chain(options).map(|option| (*option).to_owned()).collect()
        })
    }

    /// Another program of Redis, such as `redis-sentinel`, with these arguments for its port and its folder.
    pub fn start_program(program: &'static str, arguments: impl Fn(u16, &str) -> Vec<String>) -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        for _ in 0..PORTS {
            let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
            let folder = env::temp_dir().join(format!("tower-reauth-redis-{}-{number}", process::id()));
            fs::create_dir_all(&folder).expect("the folder for temporary files can be written");
            let port = free_port();
            let arguments = arguments(port, folder.to_str().expect("its name is text"));
            let mut server = Self { port, folder, program, arguments, child: None };
            if server.launch() {
                return server;
            }
        }
        panic!("{program} did not start on any port: see what it says with `{program} --port 0`");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// What `redis-cli` prints for this command.
    pub fn cli(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(command).output();
        let output = output.expect("`redis-cli` is there: install redis-tools");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again after [`kill`](Self::kill), on the same port and in the same folder.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.launch(), "{} did not start again", self.program);
    }

    /// SIGSTOP: it takes connections, and does not answer.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Cuts the connections of all clients.
    pub fn cut(&self) {
        for kind in ["normal", "pubsub"] {
            self.cli(&["CLIENT", "KILL", "TYPE", kind]);
        }
    }

    /// A replica of this one that has caught up.
    pub fn replica(&self) -> Self {
        let replica = Self::start_with(&["--replicaof", &format!("127.0.0.1 {}", self.port)]);
        wait("the replica has caught up", || replica.cli(&["INFO", "replication"]).contains("master_link_status:up"));
        replica
    }

    /// Makes a master of a replica.
    pub fn promote(&self) {
        assert_eq!(self.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("it runs");
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "could not send {signal} to {}", self.program);
    }

    /// `false`: it ended at once, as where the port is taken.
    fn launch(&mut self) -> bool {
        let mut command = Command::new(self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child =
            child.unwrap_or_else(|error| panic!("`{}` is needed, and cannot be started: {error}", self.program));
        self.child = Some(child);
        let end = Instant::now() + BOUND;
        while !self.answers() {
            assert!(Instant::now() < end, "{} on port {} has not answered within {BOUND:?}", self.program, self.port);
            let ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Any answer will do: a password may be asked for. Who speaks TLS answers by taking the connection.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        if self.arguments.iter().any(|argument| argument == "--tls-port") {
            return true;
        }
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut answer = [0; 9];
        stream.write_all(b"PING\r\n").is_ok()
            && stream.read(&mut answer).is_ok_and(|length| length > 0)
            && !answer.starts_with(b"-LOADING")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits until something is so, and says what was not.
pub fn wait(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + BOUND;
    while !is_so() {
        assert!(Instant::now() < end, "it did not come true within {BOUND:?} that {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}
