//! gRPC over a tonic channel, against a tonic server: which refusals are healed, and which calls pass untouched.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

#[path = "../../examples/support/grpc/mod.rs"]
mod grpc;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use futures::{SinkExt, channel::mpsc, future::join_all};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::Instant};
use tonic::{
    Code, Status,
    codec::CompressionEncoding,
    transport::{Channel, Endpoint, server::TcpIncoming},
};
use tower::{ServiceBuilder, service_fn};
use tower_reauth::{Error, ErrorKind, GrpcClassifier, Origins, Reauth, ReauthLayer, Session};

use self::{
    grpc::{Order, OrdersClient, Query},
    server::{Refuse, Server},
    support::{Answer, Gate, Issuer, Kind, USERNAME},
};

type Client = OrdersClient<Reauth<Channel>>;

struct World {
    issuer: Issuer,
    session: Session,
    server: Server,
    origin: String,
    channel: Channel,
}

impl World {
    /// Over a socket of this machine.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let channel = Endpoint::new(origin.clone()).unwrap().connect_lazy();
        let world = Self::new(origin, channel);
        world.server.serve(TcpIncoming::from(listener));
        world
    }

    /// In memory, where tokio's paused clock is right.
    async fn start_in_memory() -> Self {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let mut near = Some(near);
        let connect = service_fn(move |_| {
            let near = near.take().ok_or(std::io::ErrorKind::ConnectionRefused);
            async move { near.map(TokioIo::new).map_err(std::io::Error::from) }
        });
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(connect);
        let world = Self::new("http://localhost".to_owned(), channel);
        world.server.serve(futures::stream::iter([Ok::<_, std::io::Error>(far)]));
        world
    }

    fn new(origin: String, channel: Channel) -> Self {
        let issuer = Issuer::new();
        let session = Session::new(Kind::Password.grant(&issuer, USERNAME));
        Self { server: Server::new(&issuer), session, issuer, origin, channel }
    }

    fn layer(&self, classifier: GrpcClassifier) -> ReauthLayer {
        ReauthLayer::new(self.session.clone(), Origins::bound_to(&self.origin).unwrap()).classify(classifier)
    }

    fn client(&self) -> Client {
        self.client_of(self.layer(GrpcClassifier::new()))
    }

    fn client_that_reads_trailers(&self) -> Client {
        self.client_of(self.layer(GrpcClassifier::new().with_trailers()))
    }

    fn client_of(&self, layer: ReauthLayer) -> Client {
        OrdersClient::new(ServiceBuilder::new().layer(layer).service(self.channel.clone()))
    }

    /// A world with a token that has just died.
    async fn with_dead_token(self, refuse: Refuse) -> Self {
        self.session.token().await.unwrap();
        self.issuer.revoke_all();
        self.server.refuse(refuse);
        self
    }

    /// One renewal, and so many calls, refused ones included.
    fn assert_healed(&self, calls: usize) {
        assert_eq!((self.issuer.token_requests(), self.server.calls()), (2, calls));
    }

    fn assert_not_healed(&self) {
        assert_eq!((self.issuer.token_requests(), self.server.calls()), (1, 1));
    }
}

async fn listed(client: &mut Client, prefix: &str) -> Result<Vec<String>, Status> {
    let mut orders = client.list(Query { prefix: prefix.to_owned() }).await?.into_inner();
    let mut all = Vec::new();
    while let Some(order) = orders.message().await? {
        all.push(order.what);
    }
    Ok(all)
}

#[tokio::test]
async fn unary_call_is_replayed() {
    for (refuse, trailers) in [(Refuse::InHead, false), (Refuse::InHead, true), (Refuse::InTrailers, true)] {
        let world = World::start().await.with_dead_token(refuse).await;
        let mut client = if trailers { world.client_that_reads_trailers() } else { world.client() };
        assert_eq!(client.place(Order::new("tea")).await.unwrap().into_inner().orders, 1);
        world.assert_healed(2);
        assert_eq!(world.server.taken(), ["tea"]);
    }
}

#[tokio::test]
async fn server_stream_is_replayed_before_its_first_message() {
    for (refuse, trailers) in [(Refuse::InHead, false), (Refuse::InHead, true), (Refuse::InTrailers, true)] {
        let world = World::start().await.with_dead_token(refuse).await;
        let mut client = if trailers { world.client_that_reads_trailers() } else { world.client() };
        assert_eq!(listed(&mut client, "tea").await.unwrap(), ["tea-1", "tea-2"]);
        world.assert_healed(2);
    }
}

#[tokio::test]
async fn status_in_trailers_passes_by_default() {
    let world = World::start().await.with_dead_token(Refuse::InTrailers).await;
    let status = listed(&mut world.client(), "tea").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "the token is not good"));
    world.assert_not_healed();
}

#[tokio::test]
async fn compressed_calls_are_replayed() {
    let world = World::start().await.with_dead_token(Refuse::InHead).await;
    let gzip = CompressionEncoding::Gzip;
    let mut client = world.client().send_compressed(gzip).accept_compressed(gzip);
    let what = "tea ".repeat(10_000);
    assert_eq!(client.place(Order::new(what.clone())).await.unwrap().into_inner().orders, 1);
    world.assert_healed(2);
    assert_eq!(world.server.taken(), std::slice::from_ref(&what));
    world.issuer.revoke_all();
    assert_eq!(listed(&mut client, &what).await.unwrap().len(), 2);
    assert_eq!((world.server.calls(), world.server.compressed_calls()), (4, 4));
}

#[tokio::test]
async fn client_stream_is_replayed_from_its_first_message() {
    let world = World::start().await.with_dead_token(Refuse::AfterReading(1)).await;
    let (mut orders, stream) = mpsc::channel(8);
    let mut client = world.client();
    let import = tokio::spawn(async move { client.import(stream).await });
    orders.send(Order::new("one")).await.unwrap();
    // The server has read it, and refused; the second message comes when the replay is under way.
    world.server.arrived(2).await;
    orders.send(Order::new("two")).await.unwrap();
    drop(orders);
    assert_eq!(import.await.unwrap().unwrap().into_inner().orders, 2);
    world.assert_healed(2);
    assert_eq!(world.server.taken(), ["one", "two"]);
}

#[tokio::test]
async fn client_stream_over_the_limit_is_refused_once_and_the_next_call_has_a_new_token() {
    let world = World::start().await.with_dead_token(Refuse::AfterReading(2)).await;
    let mut client = world.client_of(world.layer(GrpcClassifier::new()).replay_limit(16));
    let (mut orders, stream) = mpsc::channel(8);
    for _ in 0..2 {
        orders.send(Order::new("more than ten bytes")).await.unwrap();
    }
    let status = client.import(stream).await.unwrap_err();
    assert_eq!((status.code(), world.server.calls()), (Code::Unauthenticated, 1));
    // The renewal goes on behind it.
    assert!(world.session.shutdown(std::time::Duration::from_secs(10)).await);
    assert_eq!(client.import(futures::stream::iter([Order::new("tea")])).await.unwrap().into_inner().orders, 1);
    world.assert_healed(2);
}

#[tokio::test]
async fn bidirectional_call_is_replayed_and_talks_on() {
    let world = World::start().await.with_dead_token(Refuse::InHead).await;
    let (mut questions, stream) = mpsc::channel(8);
    questions.send(Order::new("one")).await.unwrap();
    let mut answers = world.client().discuss(stream).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap(), Some(Order::new("one?")));
    questions.send(Order::new("two")).await.unwrap();
    assert_eq!(answers.message().await.unwrap(), Some(Order::new("two?")));
    drop(questions);
    assert_eq!(answers.message().await.unwrap(), None);
    world.assert_healed(2);
}

/// How long a bidirectional call and a server stream wait for their heads, when no message comes before that.
async fn waits_for_heads(world: &World, mut client: Client) -> [Duration; 2] {
    let gate = Gate::closed();
    world.server.hold_messages(&gate);
    let (mut questions, stream) = mpsc::channel(8);
    let begun = Instant::now();
    let mut answers = client.discuss(stream).await.unwrap().into_inner();
    let bidirectional = begun.elapsed();
    questions.send(Order::new("one")).await.unwrap();
    assert_eq!(answers.message().await.unwrap(), Some(Order::new("one?")));

    let begun = Instant::now();
    let mut orders = client.list(Query::default()).await.unwrap().into_inner();
    let server_stream = begun.elapsed();
    gate.open();
    assert!(orders.message().await.unwrap().is_some());
    [bidirectional, server_stream]
}

#[tokio::test(start_paused = true)]
async fn by_default_no_head_waits_for_a_message() {
    let world = World::start_in_memory().await;
    assert_eq!(waits_for_heads(&world, world.client()).await, [Duration::ZERO; 2]);
}

#[tokio::test(start_paused = true)]
async fn with_trailers_a_head_waits_for_a_message_as_long_as_a_look_may_take() {
    let world = World::start_in_memory().await;
    for wait in waits_for_heads(&world, world.client_that_reads_trailers()).await {
        assert_eq!(wait.as_secs(), 1);
    }
}

#[tokio::test]
async fn refusal_after_a_message_passes() {
    for trailers in [false, true] {
        let world = World::start().await.with_dead_token(Refuse::AfterAMessage).await;
        let mut client = if trailers { world.client_that_reads_trailers() } else { world.client() };
        let mut orders = client.list(Query { prefix: "tea".to_owned() }).await.unwrap().into_inner();
        assert_eq!(orders.message().await.unwrap(), Some(Order::new("tea-1")));
        assert_eq!(orders.message().await.unwrap_err().code(), Code::Unauthenticated);
        world.assert_not_healed();
    }
}

#[tokio::test]
async fn other_statuses_pass() {
    let world = World::start().await;
    let all = (1..=16).map(Code::from_i32).filter(|code| *code != Code::Unauthenticated);
    for (number, code) in all.enumerate() {
        world.server.refuse(Refuse::With(code));
        let mut client = if number % 2 == 0 { world.client() } else { world.client_that_reads_trailers() };
        let status = client.place(Order::new("tea")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, "as told"));
        assert_eq!((world.issuer.token_requests(), world.server.calls()), (1, number + 1), "{code:?}");
    }
}

#[tokio::test]
async fn refusal_that_a_new_token_does_not_heal_reaches_the_caller_whole() {
    for trailers in [false, true] {
        let world = World::start().await;
        world.server.refuse(Refuse::With(Code::Unauthenticated));
        let mut client = if trailers { world.client_that_reads_trailers() } else { world.client() };
        let status = client.place(Order::new("tea")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "as told"));
        world.assert_healed(2);
    }
}

#[tokio::test]
async fn many_calls_with_one_dead_token_share_one_renewal() {
    let world = World::start().await.with_dead_token(Refuse::InHead).await;
    let client = world.client();
    let calls = (0..50).map(|number| {
        let mut client = client.clone();
        tokio::spawn(async move { client.place(Order::new(number.to_string())).await.map(drop) })
    });
    for outcome in join_all(calls).await {
        outcome.unwrap().unwrap();
    }
    assert_eq!((world.issuer.token_requests(), world.server.taken().len()), (2, 50));
}

#[tokio::test]
async fn only_a_bound_origin_sends_tokens_over_a_channel() {
    let world = World::start().await;
    let layer = ReauthLayer::new(world.session.clone(), Origins::only(&world.origin).unwrap());
    let status = world.client_of(layer.classify(GrpcClassifier::new())).place(Order::new("tea")).await.unwrap_err();
    assert_eq!((status.code(), world.issuer.token_requests()), (Code::Unauthenticated, 0));
    assert!(world.client().place(Order::new("tea")).await.is_ok());
}

#[tokio::test]
async fn callers_see_why_there_is_no_token() {
    let world = World::start().await;
    world.issuer.always(Answer::broken());
    let status = world.client().place(Order::new("tea")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(Error::find(&status).map(Error::kind), Some(ErrorKind::Transport));
    world.session.forget();
    let status = world.client().place(Order::new("tea")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(Error::find(&status).map(Error::kind), Some(ErrorKind::LoggedOut));
    assert_eq!(world.server.calls(), 0);
}
