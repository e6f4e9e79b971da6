//! A server on a loopback socket, which can go down and come up again.

use std::{
    fmt,
    future::{Future, pending},
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
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

/// Whether a server is up. Clones are the same switch.
#[derive(Clone)]
pub(super) struct Power(Arc<watch::Sender<bool>>);

impl Server {
    pub(super) async fn start<S>(service: S, power: Power) -> io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = io::Error, Future: Send>,
        S: Clone + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Another program has taken the port while the server was down: it stays down.
            if run(listener, address, service, power).await.is_err() {
                pending().await
            }
        });
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
        Self(Arc::new(watch::Sender::new(true)))
    }

    pub(super) fn set(&self, on: bool) {
        self.0.send_replace(on);
    }

    /// Serves a request, unless the server is down or goes down meanwhile.
    pub(super) async fn serve<T>(&self, answer: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        if !*self.0.borrow() {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the connection was refused"));
        }
        match select(pin!(answer), pin!(self.is(false))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(broken()),
        }
    }

    async fn is(&self, on: bool) {
        // The sender is held while we borrow it, so the wait ends only as it should.
        let _ = self.0.subscribe().wait_for(|now| *now == on).await;
    }
}

/// The error of a connection that broke, without a word about whether the server had the request.
pub(super) fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection broke")
}

async fn run<S>(mut listener: TcpListener, address: SocketAddr, service: S, power: Power) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = io::Error, Future: Send>,
    S: Clone + Send + 'static,
{
    loop {
        let mut connections = JoinSet::new();
        while let Either::Left((accepted, _)) = select(pin!(listener.accept()), pin!(power.is(false))).await {
            if let Ok((stream, _)) = accepted {
                connections.spawn(connection(stream, service.clone()));
            }
            while connections.try_join_next().is_some() {}
        }
        drop((listener, connections));
        // A socket that is bound and does not listen refuses connections and keeps its port.
        let socket = TcpSocket::new_v4()?;
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        power.is(true).await;
        listener = socket.listen(BACKLOG)?;
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
