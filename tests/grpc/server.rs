//! A tonic server that takes the issuer's tokens, and refuses the others in the way that it is told.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, stream::BoxStream};
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::watch;
use tonic::{Code, Request, Status, Streaming, body::Body, codec::CompressionEncoding, metadata::MetadataMap};
use tower::util::MapResponseLayer;

use crate::{
    grpc::{Order, Orders, OrdersServer, Query, Receipt},
    support::{Gate, Issuer},
};

/// Clones are the same server.
#[derive(Clone)]
pub(crate) struct Server {
    shared: Arc<Shared>,
}

/// How a call with a bad token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refuse {
    /// At once: the status is in the head.
    InHead,
    /// After the head, before any message.
    InTrailers,
    /// A server stream, after its first message; other calls at once.
    AfterAMessage,
    /// A client stream, after so many of its messages were read; other calls at once.
    AfterReading(usize),
    /// At once, with another status, and whatever the token.
    With(Code),
}

struct Shared {
    issuer: Issuer,
    refuse: Mutex<Refuse>,
    gate: Mutex<Option<Gate>>,
    calls: watch::Sender<usize>,
    taken: Mutex<Vec<String>>,
    compressed: AtomicUsize,
}

/// Put on a refusal that is to travel in trailers.
const IN_TRAILERS: &str = "x-in-trailers";

impl Server {
    pub(crate) fn new(issuer: &Issuer) -> Self {
        let shared = Shared {
            issuer: issuer.clone(),
            refuse: Mutex::new(Refuse::InHead),
            gate: Mutex::default(),
            calls: watch::Sender::new(0),
            taken: Mutex::default(),
            compressed: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn refuse(&self, how: Refuse) {
        *lock(&self.shared.refuse) = how;
    }

    /// Holds the messages of server streams at the gate; their heads go out at once.
    pub(crate) fn hold_messages(&self, gate: &Gate) {
        *lock(&self.shared.gate) = Some(gate.clone());
    }

    /// How many calls came, refused ones included.
    pub(crate) fn calls(&self) -> usize {
        *self.shared.calls.borrow()
    }

    /// Waits until so many calls have come, in all.
    pub(crate) async fn arrived(&self, calls: usize) {
        self.shared.calls.subscribe().wait_for(|seen| *seen >= calls).await.expect("the sender is held");
    }

    /// How many calls came with compressed messages.
    pub(crate) fn compressed_calls(&self) -> usize {
        self.shared.compressed.load(Ordering::Relaxed)
    }

    /// The orders of all calls that were accepted.
    pub(crate) fn taken(&self) -> Vec<String> {
        lock(&self.shared.taken).clone()
    }

    /// Serves the connections until the runtime ends.
    pub(crate) fn serve<C, E>(&self, connections: impl futures::Stream<Item = Result<C, E>> + Send + 'static)
    where
        C: tonic::transport::server::Connected + tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let service = OrdersServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let router = tonic::transport::Server::builder().layer(MapResponseLayer::new(move_status)).add_service(service);
        tokio::spawn(router.serve_with_incoming(connections));
    }

    fn arrives(&self, metadata: &MetadataMap) -> Result<(), Status> {
        if metadata.get("grpc-encoding").is_some_and(|encoding| encoding == "gzip") {
            self.shared.compressed.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.calls.send_modify(|calls| *calls += 1);
        let token = metadata.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let refuse = *lock(&self.shared.refuse);
        let status = Status::unauthenticated("the token is not good");
        match refuse {
            Refuse::With(code) => Err(Status::new(code, "as told")),
            _ if token.is_some_and(|token| self.shared.issuer.is_alive(token)) => Ok(()),
            Refuse::InTrailers => Err(with_mark(status)),
            _ => Err(status),
        }
    }

    fn take(&self, order: Order) -> Receipt {
        let mut taken = lock(&self.shared.taken);
        taken.push(order.what);
        Receipt { orders: taken.len() as u64 }
    }
}

#[tonic::async_trait]
impl Orders for Server {
    type ListStream = BoxStream<'static, Result<Order, Status>>;
    type DiscussStream = BoxStream<'static, Result<Order, Status>>;

    async fn place(&self, request: Request<Order>) -> Result<tonic::Response<Receipt>, Status> {
        self.arrives(request.metadata())?;
        Ok(tonic::Response::new(self.take(request.into_inner())))
    }

    async fn list(&self, request: Request<Query>) -> Result<tonic::Response<Self::ListStream>, Status> {
        let refusal = self.arrives(request.metadata());
        let prefix = request.into_inner().prefix;
        if *lock(&self.shared.refuse) == Refuse::AfterAMessage {
            let first = Ok(Order::new(format!("{prefix}-1")));
            return Ok(tonic::Response::new(futures::stream::iter([first]).chain(end(refusal)).boxed()));
        }
        refusal?;
        let gate = lock(&self.shared.gate).clone();
        let messages = futures::stream::once(async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
            futures::stream::iter([Ok(Order::new(format!("{prefix}-1"))), Ok(Order::new(format!("{prefix}-2")))])
        });
        Ok(tonic::Response::new(messages.flatten().boxed()))
    }

    async fn import(&self, request: Request<Streaming<Order>>) -> Result<tonic::Response<Receipt>, Status> {
        let refusal = self.arrives(request.metadata());
        let refuse = *lock(&self.shared.refuse);
        let mut orders = request.into_inner();
        if let (Err(status), Refuse::AfterReading(count)) = (&refusal, refuse) {
            for _ in 0..count {
                orders.message().await?;
            }
            return Err(status.clone());
        }
        refusal?;
        let mut receipt = Receipt::default();
        while let Some(order) = orders.message().await? {
            receipt = self.take(order);
        }
        Ok(tonic::Response::new(receipt))
    }

    async fn discuss(
        &self,
        request: Request<Streaming<Order>>,
    ) -> Result<tonic::Response<Self::DiscussStream>, Status> {
        self.arrives(request.metadata())?;
        let answers = request.into_inner().map(|order| Ok(Order::new(format!("{}?", order?.what))));
        Ok(tonic::Response::new(answers.boxed()))
    }
}

fn end(refusal: Result<(), Status>) -> impl futures::Stream<Item = Result<Order, Status>> {
    futures::stream::iter(refusal.err().map(Err))
}

fn with_mark(mut status: Status) -> Status {
    status.metadata_mut().insert(IN_TRAILERS, "yes".parse().expect("a valid value"));
    status
}

/// Moves a marked status from the head to trailers, as a server does that opens its answer before it judges.
fn move_status(mut response: Response<Body>) -> Response<Body> {
    if response.headers_mut().remove(IN_TRAILERS).is_none() {
        return response;
    }
    let mut trailers = HeaderMap::new();
    for name in ["grpc-status", "grpc-message"] {
        let value = response.headers_mut().remove(name).expect("a refusal has both");
        trailers.insert(name, value);
    }
    let frames = futures::stream::iter([Ok::<_, Status>(Frame::trailers(trailers))]);
    response.map(|_| Body::new(StreamBody::new(frames)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics under the lock")
}
