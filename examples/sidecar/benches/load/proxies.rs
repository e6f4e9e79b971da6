//! nginx and the sidecar, each in a process of its own, which ends with this one.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::upstream::{FIXED, Upstream};

pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Its token is killed.
    pub(crate) dies: bool,
    process: Child,
    folder: PathBuf,
}

impl Proxy {
    pub(crate) fn nginx(upstream: &Upstream) -> Self {
        let folder = folder("nginx");
        // Free a moment ago: nginx takes no listener.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = folder.join("nginx.conf");
        fs::write(&config, configuration(address, upstream.address)).unwrap();
        let path = format!("{}:/usr/sbin", env::var("PATH").unwrap_or_default());
        let mut command = Command::new("nginx");
        command.env("PATH", path).arg("-p").arg(&folder).arg("-c").arg(&config).args(["-e", "stderr"]);
        let process = command.stdin(Stdio::null()).spawn().expect("nginx is installed");
        let mut proxy = Self { name: "nginx", address, dies: false, process, folder };
        while TcpStream::connect(address).is_err() {
            assert!(proxy.process.try_wait().unwrap().is_none(), "nginx does not start");
            thread::sleep(Duration::from_millis(10));
        }
        proxy
    }

    pub(crate) fn sidecar(upstream: &Upstream, dies: bool) -> Self {
        let (name, path) = if dies { ("sidecar", "killed") } else { ("sidecar at rest", "kept") };
        let folder = folder(path);
        let secret = folder.join("secret");
        fs::write(&secret, "secret").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tower-reauth-sidecar"));
        command
            .args(["--listen", "127.0.0.1:0", "--log", "warn", "--client-id", "load", "--client-secret-file"])
            .arg(secret);
        command.arg("--upstream").arg(format!("http://{}", upstream.address));
        command.arg("--token-endpoint").arg(format!("http://{}/{path}/token", upstream.address));
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { name, address, dies, process, folder }
    }

    /// Of all threads of the process and of its children; each thread's own time is in nanoseconds.
    pub(crate) fn cpu_time(&self) -> Duration {
        let process = self.process.id();
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
        let all = children.split_whitespace().map(str::to_owned).chain([process.to_string()]);
        let threads =
            all.flat_map(|process| fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten());
        let nanoseconds = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx passes it on to its workers; the kill does not, and is for the sidecar's child-free process.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("sidecar-load-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// As many connections to the upstream are kept as there may be, and none is closed for its age.
fn configuration(listen: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "daemon off;
worker_processes auto;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    upstream api {{
        server {upstream};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {listen};
        location / {{
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_set_header Authorization '{FIXED}';
        }}
    }}
}}
"
    )
}
