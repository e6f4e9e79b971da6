//! Clients other than hyper's: tonic, reqwest, and those with axum's body.
//!
//! The layer wraps any `Service<http::Request<B>>` whose body `B` is [`Replay`](crate::Replay). The features of this
//! chapter make that true of body types of other crates.
//!
//! # tonic, with the feature `tonic`
//! A channel is wrapped as it is, and the generated client goes around the layer:
//!
#![cfg_attr(feature = "tonic", doc = "```no_run")]
#![cfg_attr(not(feature = "tonic"), doc = "```ignore")]
//! use tonic::transport::{Channel, Endpoint};
//! use tower::ServiceBuilder;
//! use tower_reauth::{GrpcClassifier, Origins, Reauth, ReauthLayer, Session};
//!
//! fn connect(session: &Session) -> Result<Reauth<Channel>, Box<dyn std::error::Error>> {
//!     let origin = "https://orders.example";
//!     let layer = ReauthLayer::new(session.clone(), Origins::bound_to(origin)?).classify(GrpcClassifier::new());
//!     Ok(ServiceBuilder::new().layer(layer).service(Endpoint::from_static(origin).connect_lazy()))
//! }
//! // With a generated client: `OrdersClient::new(connect(&session)?)`.
//! ```
//!
//! 1. A request names no host before it is in the channel, so the origins are
//!    [`bound_to`](crate::Origins::bound_to) the channel's. That is your promise: don't set another origin by
//!    `Endpoint::origin` or the generated client's `with_origin`.
//! 2. Unary calls and server streams are replayed, compressed ones too; client streams as far as they are within the
//!    [`replay_limit`](crate::ReauthLayer::replay_limit).
//! 3. [`GrpcClassifier`](crate::GrpcClassifier) reads the status in the head of an answer. Where a server sends it in trailers,
//!    [`with_trailers`](crate::GrpcClassifier::with_trailers) reads it there, for clients that make no streaming calls.
//!    Once a message has come, everything passes.
//! 4. Where there is no token, the caller gets a `tonic::Status`: `Unavailable` where another attempt may work,
//!    `Unauthenticated` otherwise. [`Error::find`](crate::Error::find) finds the cause in it.
//!
//! tonic's own interceptors can't do this: they see no answers.
//!
//! # reqwest
//! `reqwest::Client` is a tower service of request and response types of its own. A conversion on both sides makes it
//! one of `http`'s, fit for the layer and for the token endpoint (`tower` with the features `filter` and `util`; the
//! crate `tower-reqwest` does the same):
//!
#![cfg_attr(feature = "reqwest", doc = "```no_run")]
#![cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_reauth::{ClientAuth, ClientCredentialsGrant, Origins, ReauthLayer, Session, TokenEndpoint};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let client = ServiceBuilder::new()
//!     .map_response(Response::<reqwest::Body>::from)
//!     .filter(|request: Request<reqwest::Body>| reqwest::Request::try_from(request))
//!     .service(reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?);
//!
//! let endpoint = TokenEndpoint::with_body::<reqwest::Body>(client.clone(), "https://gw.example/oauth2/token")?
//!     .client_auth(ClientAuth::basic("consumer-key", "consumer-secret"));
//! let session = Session::new(ClientCredentialsGrant::new(endpoint));
//! let api = ServiceBuilder::new()
//!     .layer(ReauthLayer::new(session, Origins::only("https://gw.example")?))
//!     .service(client);
//! let request = Request::post("https://gw.example/orders").body(reqwest::Body::from("2 pears"))?;
//! let response = api.oneshot(request).await?;
//! # Ok(()) }
//! ```
//!
//! 1. Switch its redirects off: it would send the token request's secrets along, and it follows before the layer can
//!    judge where to.
//! 2. The feature `reqwest` makes `reqwest::Body` replayable: bytes by reference, streams up to the
//!    [`replay_limit`](crate::ReauthLayer::replay_limit). Requests with `Bytes` or `String` bodies need no feature.
//! 3. Its `RequestBuilder` goes to the client directly, past the layer; build requests with `http::Request`.
//!
//! # axum, with the feature `axum`
//! A backend for a frontend, or a proxy, hands on requests with axum's body. With the feature a
//! `Client<_, axum::body::Body>` of hyper-util is wrapped as it is, and
//! [`TokenEndpoint::with_body`](crate::TokenEndpoint::with_body) takes the same client:
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::body::Body;
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use tower_layer::Layer;
//! use tower_reauth::{Error, Origins, OwnAuthorization, Reauth, ReauthLayer, Session};
//!
//! type Https = Client<hyper_rustls::HttpsConnector<HttpConnector>, Body>;
//!
//! fn upstream(session: Session, https: Https) -> Result<Reauth<Https>, Error> {
//!     let layer = ReauthLayer::new(session, Origins::only("https://orders.example")?);
//!     // What the browser sent means nothing further on.
//!     Ok(layer.own_authorization(OwnAuthorization::Replace).layer(https))
//! }
//! ```
//!
//! # Any other body
//! Box it outside the layer, and let the client below take the box. This is how `kube::Client` is built over the layer; `Body`
//! is `kube::client::Body`:
//!
//! ```
//! # use std::{error::Error as StdError, pin::Pin, task::{Context, Poll}};
//! # mod kube {
//! #     #[derive(Debug)]
//! #     pub struct Error;
//! #     impl std::fmt::Display for Error { fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
//! #     impl std::error::Error for Error {}
//! # }
//! # struct Body(Box<dyn Iterator<Item = Bytes> + Send>);
//! # impl http_body::Body for Body {
//! #     type Data = Bytes;
//! #     type Error = kube::Error;
//! #     fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, kube::Error>>> {
//! #         Poll::Ready(self.0.next().map(|data| Ok(http_body::Frame::data(data))))
//! #     }
//! # }
//! # struct Client;
//! # impl Client {
//! #     fn new<S, B>(_: S, _: &str) -> Self
//! #     where
//! #         S: tower::Service<Request<Body>, Response = http::Response<B>> + Send + 'static,
//! #         S::Future: Send + 'static,
//! #         S::Error: Into<Box<dyn StdError + Send + Sync>>,
//! #         B: http_body::Body<Data = Bytes> + Send + 'static,
//! #         B::Error: Into<Box<dyn StdError + Send + Sync>>,
//! #     { Self }
//! # }
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
//! use hyper_util::client::legacy::{self, connect::HttpConnector};
//! use tower::ServiceBuilder;
//! use tower_reauth::{Error, Origins, ReauthLayer, Session};
//!
//! type Https = legacy::Client<hyper_rustls::HttpsConnector<HttpConnector>, UnsyncBoxBody<Bytes, kube::Error>>;
//!
//! fn cluster(session: &Session, https: Https) -> Result<Client, Error> {
//!     let service = ServiceBuilder::new()
//!         .map_request(|request: Request<Body>| request.map(|body| body.boxed_unsync()))
//!         .layer(ReauthLayer::new(session, Origins::only("https://cluster.example:6443")?))
//!         .service(https);
//!     Ok(Client::new(service, "default"))
//! }
//! ```
//!
//! 1. octocrab's `OctoBody` is boxed in the same way, with `octocrab::Error` in place of `kube::Error`. With `tower-http`,
//!    `.map_request_body(|body: OctoBody| body.boxed_unsync())` says it shorter.
//! 2. Set no token, and no other authentication, in those clients: the layer leaves a request alone that brings an
//!    `Authorization` header.
//! 3. A proxy that hands on `hyper::body::Incoming` boxes it like this:
//!    `body.map_err(Box::<dyn Error + Send + Sync>::from).boxed_unsync()`. With an error of this type, a request that is
//!    rejected while its body still streams in is replayed at once; with `hyper::Error` it first waits for the earlier body, a
//!    second at most. What came in before the rejection is kept up to the
//!    [`replay_limit`](crate::ReauthLayer::replay_limit).
//! 4. For a body type of your own, implement [`Replay`](crate::Replay).
//!
//! # When it does not compile
//! 1. *"the method `oneshot` exists for struct `Reauth<..>`, but its trait bounds were not satisfied"*: most often the request's
//!    body type has no [`Replay`](crate::Replay). `api.call(request)` in place of `api.oneshot(request)` makes the compiler name it;
//!    so does `tower::ServiceExt::oneshot(api, request)`.
//! 2. *"`Clone` is not satisfied"* where the stack is built: a replay needs a clone of the inner service. Put
//!    `tower::buffer::Buffer` around one that can't be cloned.
//! 3. *"implementation of `From` (or `Service`) is not general enough"* where a future is spawned: a limit of the compiler that
//!    boxed errors in a client's type run into, with this layer and without. Spawn the `oneshot` future itself, or
//!    give the body a concrete error type; `Full<Bytes>` has one.
