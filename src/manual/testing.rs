//! How to test your program's 401, its logout and its outages, with the feature `testing`.
//!
//! ```sh
//! cargo add --dev tower-reauth --features testing
//! ```
//!
//! # Your program's 401 in twenty lines
//! 1. Start an [`Issuer`](crate::testing::Issuer), and an API that takes its tokens. Give your program their addresses: plain `http`
//!    is allowed on loopback.
//! 2. If any answer will do, the API is a [`Resource`](crate::testing::Resource). If your program reads what comes, it is a server of
//!    your own behind [`Issuer::guard`](crate::testing::Issuer::guard).
//! 3. Call, revoke the token, call again. The user must notice nothing, and there must be one token request more.
//!
//! Each of the following is a whole program with its test. Only the lines after `// The test.` are for the test.
//!
//! ## reqwest

// The chapter is there without the feature, and what it is about is not.
#![cfg_attr(not(feature = "testing"), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(all(feature = "reqwest", feature = "testing"), doc = "```")]
#![cfg_attr(not(all(feature = "reqwest", feature = "testing")), doc = "```ignore")]
//! use reqwest::{Client, redirect::Policy};
//! use tower_reauth::{ClientCredentialsGrant, Origins, ReauthLayer, ReqwestService, SendThrough, Session, TokenEndpoint};
//! use tower_reauth::testing::{Issuer, Resource};
//!
//! type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
//!
//! struct Program {
//!     client: Client,
//!     api: ReauthLayer,
//!     url: String,
//! }
//!
//! impl Program {
//!     fn new(token_url: &str, api_url: &str) -> Result<Self> {
//!         let client = Client::builder().redirect(Policy::none()).build()?;
//!         let endpoint = TokenEndpoint::with_body::<reqwest::Body>(ReqwestService::new(client.clone()), token_url)?;
//!         let session = Session::new(ClientCredentialsGrant::new(endpoint));
//!         Ok(Self { client, api: ReauthLayer::new(session, Origins::only(api_url)?), url: api_url.to_owned() })
//!     }
//!
//!     async fn orders(&self) -> Result<String> {
//!         let request = self.client.get(format!("{}/orders", self.url));
//!         Ok(request.send_through(&self.api).await?.error_for_status()?.text().await?)
//!     }
//! }
//!
//! // The test.
//! #[tokio::main] // #[tokio::test]
//! async fn main() -> Result<()> {
//!     let issuer = Issuer::new();
//!     let resource = Resource::new(&issuer);
//!     let (tokens, api) = (issuer.serve().await?, resource.serve().await?);
//!     let program = Program::new(&tokens.url("/token"), &api.url(""))?;
//!
//!     assert_eq!(program.orders().await?, "accepted");
//!     issuer.revoke_all();
//!     assert_eq!(program.orders().await?, "accepted");
//!     assert_eq!((issuer.token_requests(), resource.count()), (2, 3));
//!     Ok(())
//! }
//! ```
//!
//! ## axum
//! The program is a server that asks another one. The other one says what the real one says, so that the page can be compared:
//!
#![cfg_attr(all(feature = "axum", feature = "testing"), doc = "```")]
#![cfg_attr(not(all(feature = "axum", feature = "testing")), doc = "```ignore")]
//! use axum::{Router, body::{Body, to_bytes}, extract::State, http::{Request, StatusCode, Uri}, routing::get};
//! use hyper_util::{client::legacy::{Client, connect::HttpConnector}, rt::TokioExecutor};
//! use tokio::net::TcpListener;
//! use tower::{Layer, ServiceExt};
//! use tower_reauth::{ClientCredentialsGrant, Origins, Reauth, ReauthLayer, Session, TokenEndpoint, testing::Issuer};
//!
//! type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
//! type Api = Reauth<Client<HttpConnector, Body>>;
//!
//! fn program(token_url: &str, api_url: &str) -> Result<Router> {
//!     let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
//!     let endpoint = TokenEndpoint::with_body::<Body>(client.clone(), token_url)?;
//!     let session = Session::new(ClientCredentialsGrant::new(endpoint));
//!     let api = ReauthLayer::new(session, Origins::only(api_url)?).layer(client);
//!     Ok(Router::new().route("/page", get(page)).with_state((api, format!("{api_url}/orders").parse()?)))
//! }
//!
//! async fn page(State((api, orders)): State<(Api, Uri)>) -> std::result::Result<String, StatusCode> {
//!     let request = Request::get(orders).body(Body::empty()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
//!     let answer = api.oneshot(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
//!     let body = to_bytes(Body::new(answer.into_body()), 1024).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
//!     Ok(format!("You have {}.", String::from_utf8_lossy(&body)))
//! }
//!
//! // The test.
//! #[tokio::main] // #[tokio::test]
//! async fn main() -> Result<()> {
//!     let issuer = Issuer::new();
//!     let tokens = issuer.serve().await?;
//!     let upstream = Router::new().route("/orders", get(async || "three orders")).layer(issuer.guard());
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let program = program(&tokens.url("/token"), &format!("http://{}", listener.local_addr()?))?;
//!     tokio::spawn(async { axum::serve(listener, upstream).await });
//!
//!     for _ in 0..2 {
//!         let answer = program.clone().oneshot(Request::get("/page").body(Body::empty())?).await?;
//!         assert_eq!(to_bytes(answer.into_body(), 1024).await?, "You have three orders.");
//!         issuer.revoke_all();
//!     }
//!     assert_eq!(issuer.token_requests(), 2);
//!     Ok(())
//! }
//! ```
//!
//! ## tonic
//! The guard stands before a tonic server. A call with a dead token gets `UNAUTHENTICATED`, and does not reach the service:
//!
#![cfg_attr(all(feature = "tonic", feature = "testing"), doc = "```")]
#![cfg_attr(not(all(feature = "tonic", feature = "testing")), doc = "```ignore")]
//! # // What `tonic-prost-build` generates, as little of it as this needs.
//! # mod orders {
//! #     use std::{convert::Infallible, pin::Pin, task::{Context, Poll}};
//! #     use tonic::{Request, Response, Status, body::Body, client, server, transport::Channel};
//! #     use tonic_prost::ProstCodec;
//! #     #[derive(Clone, PartialEq, prost::Message)]
//! #     pub struct Order { #[prost(string, tag = "1")] pub what: String }
//! #     #[derive(Clone, PartialEq, prost::Message)]
//! #     pub struct Receipt { #[prost(uint64, tag = "1")] pub orders: u64 }
//! #     pub struct OrdersClient<T>(client::Grpc<T>);
//! #     impl OrdersClient<tower_reauth::Reauth<Channel>> {
//! #         pub fn new(channel: tower_reauth::Reauth<Channel>) -> Self { Self(client::Grpc::new(channel)) }
//! #         pub async fn place(&mut self, order: Order) -> Result<Response<Receipt>, Status> {
//! #             self.0.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
//! #             let path = http::uri::PathAndQuery::from_static("/orders.v1.Orders/Place");
//! #             self.0.unary(Request::new(order), path, ProstCodec::<Order, Receipt>::default()).await
//! #         }
//! #     }
//! #     pub struct Fake;
//! #     #[derive(Clone)]
//! #     pub struct OrdersServer;
//! #     impl OrdersServer { pub fn new(_: Fake) -> Self { Self } }
//! #     impl server::NamedService for OrdersServer { const NAME: &'static str = "orders.v1.Orders"; }
//! #     impl tower::Service<http::Request<Body>> for OrdersServer {
//! #         type Response = http::Response<Body>;
//! #         type Error = Infallible;
//! #         type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;
//! #         fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> { Poll::Ready(Ok(())) }
//! #         fn call(&mut self, request: http::Request<Body>) -> Self::Future {
//! #             let place = tower::service_fn(async |_: Request<Order>| Ok::<_, Status>(Response::new(Receipt { orders: 1 })));
//! #             Box::pin(async move { Ok(server::Grpc::new(ProstCodec::<Receipt, Order>::default()).unary(place, request).await) })
//! #         }
//! #     }
//! # }
//! # use orders::{Fake, Order, OrdersClient, OrdersServer};
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tokio::net::TcpListener;
//! use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};
//! use tower::Layer;
//! use tower_reauth::{
//!     ClientCredentialsGrant, GrpcClassifier, Origins, Reauth, ReauthLayer, Session, TokenEndpoint, testing::Issuer,
//! };
//!
//! type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
//!
//! fn program(token_url: &str, api_url: &str) -> Result<OrdersClient<Reauth<Channel>>> {
//!     let endpoint = TokenEndpoint::new(Client::builder(TokioExecutor::new()).build_http(), token_url)?;
//!     let session = Session::new(ClientCredentialsGrant::new(endpoint));
//!     let layer = ReauthLayer::new(session, Origins::bound_to(api_url)?).classify(GrpcClassifier::new());
//!     Ok(OrdersClient::new(layer.layer(Endpoint::new(api_url.to_owned())?.connect_lazy())))
//! }
//!
//! // The test.
//! #[tokio::main] // #[tokio::test]
//! async fn main() -> Result<()> {
//!     let issuer = Issuer::new();
//!     let tokens = issuer.serve().await?;
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut orders = program(&tokens.url("/token"), &format!("http://{}", listener.local_addr()?))?;
//!     let server = Server::builder().layer(issuer.guard()).add_service(OrdersServer::new(Fake));
//!     tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
//!
//!     for _ in 0..2 {
//!         let receipt = orders.place(Order { what: "pears".into() }).await?;
//!         assert_eq!(receipt.into_inner().orders, 1);
//!         issuer.revoke_all();
//!     }
//!     assert_eq!(issuer.token_requests(), 2);
//!     Ok(())
//! }
//! ```
//!
//! # Other bad days
//! | what happens | how to play it |
//! | --- | --- |
//! | a token is revoked, or its time is over | `issuer.revoke_all()`, `issuer.revoke(token)`, `issuer.expire_all()` |
//! | the refresh token is dead | `issuer.revoke_refresh_tokens()` |
//! | the login is over: the user must log in again | `issuer.always(Answer::error(400, "invalid_grant"))` |
//! | another device takes the token away, or does not | [`issuer.regime(..)`](crate::testing::Regime) |
//! | a refresh token that was stolen comes back | `Regime::Rotating`, then `issuer.dead_refresh_tokens()` |
//! | the authorization server has trouble | `issuer.next(Answer::status(503, "").header("retry-after", "30"))` |
//! | it is slow, or hangs | `Answer::tokens().after(time)`, `Answer::never()` |
//! | it has rotated the refresh token, and its answer is lost | `Answer::lost_tokens()` |
//! | it is down, and comes back | `issuer.go_down()`, `issuer.come_up()` |
//! | the API rejects even good tokens | `resource.reject_at("/orders")` |
//! | the API is slow, hangs, breaks off, fails | `resource.delay(..)`, `hold(..)`, `break_at(..)`, `answer("/orders", 503)` |
//! | something happens in the middle of a call or a renewal | a [`Gate`](crate::testing::Gate) |
//!
//! If a test fails, print [`issuer.journal()`](crate::testing::Issuer::journal): it has what happened, in order.
//!
//! # Time
//! Lifetimes, pauses and delays go by tokio's clock. A test on a stopped clock (`#[tokio::test(start_paused = true)]`) takes no time,
//! and an hour passes with `tokio::time::advance`. Leave sockets out then: the stopped clock jumps to the next timer while data is on its
//! way. [`Issuer::endpoint`](crate::testing::Issuer::endpoint) is a token endpoint without one, and both servers, and any server of
//! your own behind the guard, are tower services that the layer can wrap:
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! use std::time::Duration;
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt};
//! use tower_reauth::{Origins, PasswordGrant, ReauthLayer, Session, testing::{Answer, Issuer, Resource}};
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)] // #[tokio::test(start_paused = true)]
//! async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     let issuer = Issuer::new();
//!     issuer.always(Answer::tokens().expires_in(3600));
//!     let session = Session::new(PasswordGrant::new(issuer.endpoint(), "alice", "password"));
//!     let layer = ReauthLayer::new(session, Origins::only("https://api.example")?);
//!     let api = layer.layer(Resource::new(&issuer));
//!
//!     for _ in 0..24 {
//!         let request = Request::get("https://api.example/orders").body(Full::<Bytes>::default())?;
//!         assert_eq!(api.clone().oneshot(request).await?.status(), 200);
//!         tokio::time::advance(Duration::from_secs(3600)).await;
//!     }
//!     assert_eq!((issuer.token_requests_of("password"), issuer.token_requests_of("refresh_token")), (1, 23));
//!     Ok(())
//! }
//! ```
//!
//! # What these servers do not do
//! They check no password, no client and no signature, open no login page, and speak no TLS. For grants, discovery or redirects that
//! need more, any tower service can stand for the server: [`service_fn`](https://docs.rs/tower/latest/tower/fn.service_fn.html) is one.
