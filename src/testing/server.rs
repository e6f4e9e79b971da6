//! A server on a loopback socket, which can go down and come up again.

use std::{
    fmt,
    future::{Future, poll_fn},
    io, mem,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Poll,
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Handle,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tower_service::Service;

/// As the system's own.
const BACKLOG: u32 = 1024;

/// A loopback socket that an [`Issuer`](super::Issuer) or a [`Resource`](super::Resource) is served on. It ends when this is
/// dropped, with all its connections.
///
/// It speaks HTTP/1.1 and HTTP/2 in the clear; the client chooses. Do not stop tokio's clock around sockets: a stopped clock
/// jumps to the next timer while data is on its way. For tests on a stopped clock use the servers as tower services.
#[must_use = "the server ends when this is dropped"]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Whether a server is up, and the ports it is served on. Clones are the same switch.
#[derive(Clone)]
pub(super) struct Power(Arc<Switch>);

struct Switch {
    /// How many times it was turned: even is up.
    turns: watch::Sender<usize>,
    ports: Mutex<Vec<Weak<Port>>>,
}

/// A port, which is opened and closed where the test says so, and not when a task comes to it.
struct Port {
    address: SocketAddr,
    runtime: Handle,
    socket: Mutex<Socket>,
}

enum Socket {
    Listening(TcpListener),
    /// It refuses connections and keeps its port.
    Bound(TcpSocket),
    /// Another program has taken the port when the server went down: it stays down.
    Lost,
}

impl Server {
    pub(super) async fn start<S>(service: S, power: Power) -> io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = io::Error, Future: Send>,
        S: Clone + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let socket = Mutex::new(Socket::Listening(listener));
        let port = Arc::new(Port { address, runtime: Handle::current(), socket });
        let turns = power.add(&port);
        let task = tokio::spawn(run(port, turns, service));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The address of this path, which begins with a slash; without a path the server's origin.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Power {
    pub(super) fn on() -> Self {
        Self(Arc::new(Switch { turns: watch::Sender::new(0), ports: Mutex::default() }))
    }

    #[expect(clippy::significant_drop_tightening, reason = "two who turn it at once must come one after the other")]
    pub(super) fn set(&self, on: bool) {
        let mut ports = lock(&self.0.ports);
        if is_up(*self.0.turns.borrow()) == on {
            return;
        }
        ports.retain(|port| port.strong_count() > 0);
        ports.iter().filter_map(Weak::upgrade).for_each(|port| port.set(on));
        self.0.turns.send_modify(|turns| *turns += 1);
    }

    /// Serves a request, unless the server is down or goes down meanwhile.
    pub(super) async fn serve<T>(&self, answer: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let mut turns = self.0.turns.subscribe();
        if !is_up(*turns.borrow()) {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the connection was refused"));
        }
        match select(pin!(answer), pin!(turns.changed())).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(broken()),
        }
    }

    fn add(&self, port: &Arc<Port>) -> watch::Receiver<usize> {
        let mut ports = lock(&self.0.ports);
        let turns = self.0.turns.subscribe();
        port.set(is_up(*turns.borrow()));
        ports.push(Arc::downgrade(port));
        turns
    }
}

impl Port {
    fn set(&self, on: bool) {
        let _entered = self.runtime.enter();
        let mut socket = lock(&self.socket);
        let next = match (mem::replace(&mut *socket, Socket::Lost), on) {
            (Socket::Listening(listener), false) => {
                drop(listener);
                bound(self.address).map(Socket::Bound)
            }
            (Socket::Bound(bound), true) => bound.listen(BACKLOG).map(Socket::Listening),
            (same, _) => Ok(same),
        };
        *socket = next.unwrap_or(Socket::Lost);
    }

    /// Accepts a connection. If the port is closed, this never ends: a turn of the switch tells whoever waits.
    async fn accept(&self) -> io::Result<TcpStream> {
        poll_fn(|cx| match &*lock(&self.socket) {
            Socket::Listening(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| stream),
            Socket::Bound(_) | Socket::Lost => Poll::Pending,
        })
        .await
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn is_up(turns: usize) -> bool {
    turns.is_multiple_of(2)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of a connection that broke, without a word about whether the server had the request.
pub(super) fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection broke")
}

async fn run<S>(port: Arc<Port>, mut turns: watch::Receiver<usize>, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = io::Error, Future: Send>,
    S: Clone + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut last = *turns.borrow();
    loop {
        match select(pin!(turns.changed()), pin!(port.accept())).await {
            Either::Left((Ok(()), _)) => {}
            // Nobody holds the switch.
            Either::Left((Err(_), _)) => return,
            Either::Right((Ok(stream), _)) => _ = connections.spawn(connection(stream, service.clone())),
            Either::Right((Err(_), _)) => {}
        }
        while connections.try_join_next().is_some() {}
        let now = *turns.borrow_and_update();
        // It went down, even if it is up again.
        if now > last + 1 || now > last && !is_up(now) {
            connections = JoinSet::new();
        }
        last = now;
    }
}

async fn connection<S>(stream: TcpStream, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = io::Error, Future: Send>,
    S: Clone + Send + 'static,
{
    let builder = auto::Builder::new(TokioExecutor::new());
    // A client that breaks off, and a script that says so, are no news.
    let _ = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await;
}
