//! A server in a process of its own, so that what it does is not taken for the client's work.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    net::Ipv4Addr,
    process::{self, Child, Command, Stdio},
    thread,
};

use tokio::net::TcpListener;

/// Says that this process is the server.
const SERVER: &str = "TOWER_REAUTH_SERVER";

/// This program, started a second time. It ends with this value, or with the process that holds it.
pub struct Server {
    child: Child,
    output: BufReader<process::ChildStdout>,
}

impl Server {
    /// Whether this process is to be the server.
    pub fn is_this() -> bool {
        env::var_os(SERVER).is_some()
    }

    /// # Panics
    /// When the program cannot be started again.
    pub fn start() -> Self {
        let program = env::current_exe().expect("this program has a name");
        let mut child = Command::new(program)
            .env(SERVER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let output = child.stdout.take().expect("it is piped");
        Self { child, output: BufReader::new(output) }
    }

    /// The next origin that the server announces.
    ///
    /// # Panics
    /// When it has ended.
    pub fn origin(&mut self) -> String {
        let mut origin = String::new();
        self.output.read_line(&mut origin).expect("the server says where it is");
        origin.trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where this fails, the server has ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// For the server: listens, and tells the client where.
///
/// # Panics
/// When no port is free.
pub async fn listen() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    println!("http://{}", listener.local_addr().expect("the listener is bound"));
    listener
}

/// For the server: ends this process with the client's, however that ends.
pub fn end_with_client() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
}
