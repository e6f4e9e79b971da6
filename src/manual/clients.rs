//! Clients other than hyper's: tonic, reqwest, and those with axum's body. [`sdks`](super::sdks) is about kube, octocrab,
//! object_store and rmcp.
//!
//! The layer wraps any `Service<http::Request<B>>` whose body `B` is [`Replay`](crate::Replay). The features named here
//! implement it for the body types of other crates.
//!
//! # tonic, with the feature `tonic`
//! Wrap a channel as it is, and give the result to the generated client:
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
//! 1. A request has no host until it is in the channel. So use [`Origins::bound_to`](crate::Origins::bound_to) with the channel's
//!    origin. Do not set another one with `Endpoint::origin` or the generated client's `with_origin`.
//! 2. Unary calls and server streams are sent again, compressed ones too. Client streams are sent again up to the
//!    [`replay_limit`](crate::ReauthLayer::replay_limit).
//! 3. [`GrpcClassifier`](crate::GrpcClassifier) reads the status in the head of an answer. If your server sends it in trailers, use
//!    [`with_trailers`](crate::GrpcClassifier::with_trailers), but not with streaming calls. Once a message has come, everything
//!    passes.
//! 4. A call that was not sent fails with a `tonic::Status`. The table says with which code. [`Error::find`](crate::Error::find)
//!    gets this crate's error out of the status.
//! 5. A rejection that was not healed is the server's answer, and the generated client shows the server's own status:
//!    `Unauthenticated`, and nothing of this crate. The cause is in [`RenewalFailed`](crate::RenewalFailed), in the extensions
//!    of the response, which generated clients drop. To see it, put a `map_response` outside the layer. The log has it, too:
//!    `rejection passed on`, at DEBUG.
//!
//! | [`ErrorKind`](crate::ErrorKind) of a call that was not sent | code |
//! | --- | --- |
//! | `Unavailable`, `Transport`, `TimedOut`, `WaitedTooLong`, `UnexpectedStatus`, `NotJson`, `EmptyAnswer`, `MalformedAnswer`, `AnswerTooLarge`, `RenewalLost`, `Secret`, `Discovery`, `Store` | `Unavailable`: another attempt may work |
//! | `Refused`, also while the session makes sure, `LoggedOut`, and all others | `Unauthenticated` |
//! | `Service`, an error of the channel | the one that tonic gives it without this layer |
//!
//! So `Unauthenticated` alone does not mean that the user must log in: ask the session's [`Status`](crate::Status).
//!
//! tonic's own interceptors cannot do this: they do not see answers.
//!
//! # reqwest, with the feature `reqwest`
//! Write `send_through(&api)` in the place of `send()`. The client is the one of the builder, and the token endpoint takes it, too:
//!
#![cfg_attr(feature = "reqwest", doc = "```no_run")]
#![cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
//! use reqwest::{Client, redirect::Policy};
//! use serde_json::{Value, json};
//! use tower_reauth::{
//!     ClientAuth, ClientCredentialsGrant, Origins, ReauthLayer, ReqwestService, SendThrough, Session, TokenEndpoint,
//! };
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let client = Client::builder().redirect(Policy::none()).build()?;
//! let tokens = ReqwestService::new(client.clone());
//! let endpoint = TokenEndpoint::with_body::<reqwest::Body>(tokens, "https://gw.example/oauth2/token")?
//!     .client_auth(ClientAuth::basic("consumer-key", "consumer-secret"));
//! let session = Session::new(ClientCredentialsGrant::new(endpoint));
//! let api = ReauthLayer::new(session, Origins::only("https://gw.example")?);
//!
//! let order = client.post("https://gw.example/orders").json(&json!({ "pears": 2 }));
//! let placed: Value = order.send_through(&api).await?.error_for_status()?.json().await?;
//! # Ok(()) }
//! ```
//!
//! 1. The response is reqwest's: `error_for_status`, `json`, `text`, `bytes_stream` and `url` work as before. Its `extensions`
//!    have [`RenewalFailed`](crate::RenewalFailed) if a rejection was not healed.
//! 2. `send_through` fails with [`Error`](crate::Error). If the request was sent and the client failed, its kind is
//!    [`Service`](crate::ErrorKind::Service), and its source the `reqwest::Error`. A status is never an error: for that there is
//!    `error_for_status`.
//! 3. Other layers can stand around this one, for a request that must not be replayed, or for the key of a user:
//!    `send_through(&(outer, &api))`. The docs of `SendThrough` show it. In a test an innermost layer can stand for the server.
//! 4. `ReqwestService` makes a tower service of the client, for a stack that is built once and takes `http::Request`.
//!
//! | with `send_through` | |
//! | --- | --- |
//! | settings of the client, `version`, headers, query | as with `send()` |
//! | `bearer_auth`, `basic_auth`, a user name in the URL | an `Authorization` header of the request's own: it goes as it is, without a token and without a replay ([`own_authorization`](crate::ReauthLayer::own_authorization)) |
//! | `timeout` of the request | limits the whole call: all attempts, the waits between them, and the response's body |
//! | `ClientBuilder::timeout`, `read_timeout`, `connect_timeout` | limit each attempt |
//! | body of bytes, `json`, `form` | replayed, of any size |
//! | `multipart` of known length, up to 1 MiB | read before it is sent, files too, and replayed |
//! | any other `multipart`, a stream, a file | recorded while it is sent; replayed up to the [`replay_limit`](crate::ReauthLayer::replay_limit) |
//! | fragment of the URL | lost, also in `Response::url`; it is never sent |
//!
//! Why are forms read? reqwest makes a stream of every multipart form, and nothing tells one in memory from one of files. A form has
//! a known length unless one of its parts is a `Part::stream`.
//!
//! ## reqwest's redirects
//! Switch them off, as above. reqwest follows a redirect before the layer sees it:
//!
//! - A 307 or a 308 of the token endpoint would send the credentials on to another host.
//! - Towards another host reqwest removes `Authorization`, but not another [`header`](crate::ReauthLayer::header) with a token.
//! - If that host then answers with a 401, the layer renews a token that was good.
//!
//! For redirects of the API, put `tower_http::follow_redirect::FollowRedirectLayer` around this layer:
//! `send_through(&(FollowRedirectLayer::new(), &api))`. Each hop is checked against [`Origins`](crate::Origins) again.
//!
//! ## reqwest-middleware, with its feature
//! With the feature `reqwest-middleware` the layer is a middleware: the rest of the chain is the service that it wraps.
//!
#![cfg_attr(feature = "reqwest-middleware", doc = "```")]
#![cfg_attr(not(feature = "reqwest-middleware"), doc = "```ignore")]
//! use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
//! use tower_reauth::{Origins, ReauthLayer, Session};
//!
//! fn api(client: reqwest::Client, session: &Session) -> Result<ClientWithMiddleware, tower_reauth::Error> {
//!     let layer = ReauthLayer::new(session, Origins::only("https://gw.example")?);
//!     Ok(ClientBuilder::new(client).with(layer).build())
//! }
//! ```
//!
//! 1. What comes before it in the chain sees one request, what comes after it each attempt.
//! 2. A retry middleware can go on either side, see [the order of layers](crate#order-of-layers). Errors of the chain come as they
//!    are, so it still knows a failed connection. Let it retry no 401.
//! 3. `.with_extension(NoReplay)`, or a user's key, speaks to the layer.
//! 4. [`Error::find`](crate::Error::find) gets this crate's error out of the chain's.
//!
//! ## WebAssembly
//! On `wasm32-unknown-unknown` the crate compiles without features. The feature `reqwest` does not: there reqwest's client is no
//! tower service, and its bodies cannot be replayed. The compiler says so.
//!
//! # APIs with another header or scheme
//! [`ReauthLayer::header`](crate::ReauthLayer::header) names the header, [`ReauthLayer::scheme`](crate::ReauthLayer::scheme) the word
//! before the token, or none. Everything else stays: one login can serve APIs of different headers, each with a layer of its own.
//!
//! ```
//! use tower_reauth::{Origins, ReauthLayer, Scheme, Session};
//!
//! # fn layers(session: &Session) -> Result<(), tower_reauth::Error> {
//! // Authorization: Token <token>
//! let tickets = ReauthLayer::new(session, Origins::only("https://tickets.example")?).scheme(Scheme::word("Token")?);
//! // X-Auth-Token: <token>
//! let compute = ReauthLayer::new(session, Origins::only("https://compute.example")?)
//!     .header("X-Auth-Token")?
//!     .scheme(Scheme::bare());
//! # let _ = (tickets, compute);
//! # Ok(()) }
//! ```
//!
//! 1. Nothing below the layer may follow redirects. Followers strip `Authorization` when the host changes, and no other header: the
//!    token in `X-Auth-Token` would go along. Put tower-http's `FollowRedirectLayer` outside the layer, and switch reqwest's own
//!    redirects off. Outside, the layer's [`Origins`](crate::Origins) decide for each new request.
//! 2. Logs and proxies that hide `Authorization` know nothing of the other header. Its value is marked sensitive, so `Debug` of
//!    `http` does not show it. On the wire, and in what a proxy writes down, it is as any other header.
//! 3. Challenges of the layer's scheme are read as those of `Bearer`. A bare token answers to no scheme, so each 401 is a rejection,
//!    whatever it names. Where a 401 also means something else, choose
//!    [`strict` or `with_bodies`](crate::BearerClassifier::strict), or write a [`Classify`](crate::Classify).
//! 4. A token is one word of visible ASCII in any scheme. If the server hands out another one, the call fails with
//!    [`InvalidAccessToken`](crate::ErrorKind::InvalidAccessToken), and nothing is sent.
//!
//! # axum, with the feature `axum`
//! A backend-for-frontend, or a proxy, forwards requests with axum's body. Wrap a `Client<_, axum::body::Body>` of hyper-util
//! as it is; [`TokenEndpoint::with_body`](crate::TokenEndpoint::with_body) takes the same client:
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
//!     // The browser's own header is not for the API.
//!     Ok(layer.own_authorization(OwnAuthorization::Replace).layer(https))
//! }
//! ```
//!
//! The browser's `Host` header must not be forwarded: it contradicts the URI, so the request would be sent bare, with the
//! browser's own `Authorization` header if it has one. `Replace` removes that header only where the layer puts a token.
//!
//! # Any other body
//! Box it outside the layer, and let the client below take the box.
//!
//! 1. With `tower-http`, `.map_request_body(|body: Theirs| body.boxed_unsync())` says it in a line.
//! 2. Set no token, and no other authentication, in those clients: the layer leaves a request alone that brings an
//!    `Authorization` header.
//! 3. A proxy that hands on `hyper::body::Incoming` boxes it with
//!    `body.map_err(Box::<dyn Error + Send + Sync>::from).boxed_unsync()`. With an error of this type, a request that is
//!    rejected while its body still streams in is replayed at once. With `hyper::Error` the layer waits for the earlier body,
//!    a second at most. If that has not ended by then, the caller gets the rejection, with
//!    [`NotReplayable`](crate::ErrorKind::NotReplayable). What came in before the rejection is kept up to the
//!    [`replay_limit`](crate::ReauthLayer::replay_limit).
//! 4. For a body type of your own, implement [`Replay`](crate::Replay).
//!
//! # When it does not compile
//! 1. *"the method `oneshot` exists for struct `Reauth<..>`, but its trait bounds were not satisfied"*: most often the request's
//!    body type is not [`Replay`](crate::Replay). Write `api.call(request)`, or `tower::ServiceExt::oneshot(api, request)`, and the
//!    compiler names the type.
//! 2. *"`Clone` is not satisfied"* where the stack is built: a replay needs a clone of the inner service. Put
//!    `tower::buffer::Buffer` around a service that cannot be cloned.
//! 3. *"implementation of `From` (or `Service`) is not general enough"* where a future is spawned: a limit of the compiler with
//!    boxed errors in a client's type, with this layer or without. Spawn the `oneshot` future itself, or give the body
//!    a concrete error type; `Full<Bytes>` has one.
