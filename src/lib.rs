//! A [tower](https://docs.rs/tower) layer for outbound HTTP clients. It adds the `Authorization` header from credentials held in
//! memory. If the server refuses the token, it renews the token once for everyone who waits, and sends the request again. The
//! user of the application notices nothing.
//!
//! # From nothing to a working client
//! A client has three parts. A [`TokenEndpoint`] is where tokens come from. A [`Session`] owns the credentials. A
//! [`ReauthLayer`] puts the session's token on requests to the origins that you list.
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::{BodyExt, Full};
//! use hyper_rustls::HttpsConnectorBuilder;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use secrecy::SecretString;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_reauth::{ClientAuth, Origins, PasswordGrant, ReauthLayer, Session, TokenEndpoint};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let (consumer_secret, password) = (SecretString::from("s"), SecretString::from("p"));
//! let connector = HttpsConnectorBuilder::new().with_webpki_roots().https_only().enable_http1().build();
//! let https = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
//!
//! let endpoint = TokenEndpoint::new(https.clone(), "https://gw.example/oauth2/token")?
//!     .client_auth(ClientAuth::basic("consumer-key", consumer_secret))
//!     .revocation("https://gw.example/oauth2/revoke")?;
//! let session = Session::new(PasswordGrant::new(endpoint, "alice", password).scope("orders"));
//!
//! let api = ServiceBuilder::new()
//!     .layer(ReauthLayer::new(session.clone(), Origins::only("https://gw.example")?))
//!     .service(https);
//!
//! let request = Request::get("https://gw.example/orders").body(Full::default())?;
//! let response = api.clone().oneshot(request).await?;
//! println!("{}: {} bytes", response.status(), response.into_body().collect().await?.to_bytes().len());
//!
//! session.logout().await?;
//! # Ok(()) }
//! ```
//!
//! The finished client is a [`Reauth`] of the client inside. Name its type once, and keep it in axum's `State`, in a
//! `LazyLock`, or wherever you keep a client. Clones are cheap.
//!
//! ```
//! # use bytes::Bytes; use http_body_util::Full;
//! # use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! type Https = Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>;
//! type Api = tower_reauth::Reauth<Https>;
//! ```
//!
//! # What happens to a request
//! 1. Its origin is compared with [`Origins`]. A request to any other origin is sent bare: without a token.
//! 2. It gets the session's token. If there is none, the token is fetched first: a thousand calls at once make one token
//!    request.
//! 3. The layer keeps what it needs to send the request again: a copy of the head, and the body if it can be had again
//!    ([`Replay`]).
//! 4. A [`Classify`] decides whether the response is a *rejection*: a response that says that the token is not good. By default
//!    that is a 401, unless its challenge says that a new token would not help. [`Wso2Classifier`] also reads the fault codes
//!    of WSO2 API Manager, [`GrpcClassifier`] the status of gRPC.
//! 5. After a rejection the token is renewed once for everyone: with the refresh token, and if the server refuses that, with
//!    the session's own [`Grant`]. If others have renewed it already, no token request is made.
//! 6. The request is sent again, byte for byte. The caller gets that answer. If this is not possible, the caller gets the
//!    rejection, complete, with the reason in its extensions ([`RenewalFailed`]). If the new token is rejected as well, that is
//!    the last rejection.
//!
//! A rejection means that the request was not applied, so every method is sent again, POST included. If that may be untrue for
//! a request, put [`NoReplay`] into its extensions. [`WithoutAuth`] sends a request bare, [`ForceRenewal`] renews first.
//!
//! A request that cannot be sent again does not wait after a rejection: its caller gets the rejection at once, and the renewal
//! goes on for later calls. Before it is sent, it waits for a token as any other request does, and up to 2 s more if the token
//! is [due for renewal](Session#when-a-token-is-renewed).
//!
//! # Credentials
//! [`RefreshTokenGrant`], [`ClientCredentialsGrant`], [`JwtBearerGrant`], [`TokenExchangeGrant`] and [`PasswordGrant`] use a
//! [`TokenEndpoint`], at an address that you give or that the issuer's metadata names ([`discover`](TokenEndpoint::discover)).
//! [`grant_fn`] and [`grant_with`] turn a closure into a grant, and you can implement [`Grant`] yourself.
//! A server without OAuth, with a login of its own and a logout that is a `DELETE`, gets a grant with a [`Revoke`]: the example
//! `keystone` is one. [`BoxGrant`] holds any of them, so that different ones stand in one place. For a user who is not known yet,
//! start with [`Session::logged_out`] and call [`Session::login`] later.
//!
//! The client authenticates by a secret, a certificate, or a JWT ([`ClientAuth`]). Secrets, keys and assertions may come from a file
//! or a closure ([`SecretSource`]): they are read for each token request. [`manual::grants`] says what to choose, how a workload's
//! identity is used, and how one grant feeds another.
//!
//! The token is sent as `Authorization: Bearer ..`. [`ReauthLayer::scheme`] is for APIs that want another word or the token
//! alone, [`ReauthLayer::header`] for those that want another header, such as `X-Auth-Token`.
//!
//! # When to ask the user for a login
//! When the session's [`Status`] is [`Refused`](Status::Refused) or [`LoggedOut`](Status::LoggedOut):
//! [`Session::status`] and [`Session::subscribe`] tell. An error of the kind [`ErrorKind::Refused`] alone is not enough,
//! because the session may still make sure. Refused credentials are not sent again and again, so that no account is locked.
//! [*A long outage*](manual::troubleshooting#a-long-outage) of the authorization server ends no login that had worked, but for the
//! cases that are listed there.
//!
//! [`manual::troubleshooting`] starts from what you see: a 401, an error, a line in the log.
//!
//! # Many users
//! A backend-for-frontend holds the credentials of all its users. [`Sessions`] takes the place of the one [`Session`]: it finds
//! the session by a key in the request's extensions. It is limited in number and time. An idle user costs a few hundred bytes
//! besides the secrets.
//!
//! # Several APIs, one login
//! If all APIs take the same token, build a layer for each with clones of one session: they share its token and its renewals.
//!
//! If each API wants a token of its own, derive a session for each: [`Session::for_resource`] asks for a token for one API
//! ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)), [`Session::for_scope`] for one with another scope. All of them live on one
//! login and one refresh token, which only one token request at a time redeems. A token for one API is never sent to another, and a
//! logout ends all. For many users, [`Sessions::for_resource`] does the same for the session of each.
//!
//! ```
//! use tower_reauth::{Origins, ReauthLayer, RefreshTokenGrant, Session};
//!
//! # fn with(endpoint: tower_reauth::TokenEndpoint, refresh_token: secrecy::SecretString) -> Result<(), tower_reauth::Error> {
//! let session = Session::new(RefreshTokenGrant::new(endpoint, refresh_token));
//! let orders = ReauthLayer::new(session.for_resource("https://orders.example"), Origins::only("https://orders.example")?);
//! let bills = ReauthLayer::new(
//!     session.for_resource("https://bills.example").for_scope("read"),
//!     Origins::only("https://bills.example")?,
//! );
//! # Ok(()) }
//! ```
//!
//! The server must let several access tokens live beside each other. One that ends the older tokens with each refresh, as WSO2 does
//! by some of its settings, would have the APIs take the token from each other, until
//! [`renewals_per_minute`](SessionBuilder::renewals_per_minute) stops them.
//!
//! # Tokens that outlive the process
//! [`SessionBuilder::store`] keeps a session's tokens in a folder, in a database, or in a place of your own, and saves each new
//! token set before it is used. Several processes can share one login: one of them renews, and the others adopt what it brings.
//! [`manual::store`] says how, and what happens when a process is killed. [`Session::record`] is for programs that save by
//! themselves. The password is never kept.
//!
//! # Order of layers
//! From the outside in: redirects, this layer, decompression, the client.
//!
//! | layer | where it goes |
//! | --- | --- |
//! | redirects | outside: the new request is checked against [`Origins`] again, so no token follows to another host. Inside, a token in [another header](ReauthLayer::header) than `Authorization` goes along |
//! | decompression | inside, if the classifier reads bodies ([`Wso2Classifier`]) |
//! | retry | either side. Let it retry broken connections and 5xx, not 401: this layer has done that already. Inside, it retries each attempt. Outside, it also retries errors that come from the token endpoint; during a pause these come at once, so let it wait for [`retry_after`](Error::retry_after), or set [`wait_through_pauses`](SessionBuilder::wait_through_pauses) |
//! | time-out | outside, if it limits how long a user waits: it includes the wait for a renewal, at whose end the call is dropped and the renewal goes on. Inside, if it is against a server that hangs: it applies to each attempt, and the wait for a renewal does not count. A time-out inside the client that the [`TokenEndpoint`] uses, too, cuts off token requests: a rotated refresh token may be lost. Give that one a client without it |
//! | concurrency limit, buffer | either side: a call that waits for a token gives its place back |
//! | tracing, metrics | outside, they see one request for each call; inside, each attempt |
//! | proxy, TLS, HTTP/2 | the client's affair. The layer works with HTTP/1.1 and HTTP/2 alike. Token requests may go over the same HTTP/2 connection: a waiting call reads its rejection, so that it does not fill the [flow control window](manual::troubleshooting#a-call-hangs) |
//!
//! Calls to the token endpoint must not go through the session's own layer. A session that is asked to authorize its own
//! token request fails with [`ErrorKind::SelfAuthorization`].
//!
//! # Runtime
//! Renewals and revocations are tokio tasks on the runtime of the call that starts them, so they go on if the caller leaves.
//! [`SessionBuilder::runtime`] names another runtime.
//!
//! # A graceful end
//! A runtime that shuts down cuts off renewals and revocations. So when a server has ended its last request, wait for them with
//! [`Sessions::shutdown`], or with [`Session::shutdown`] for a single session. Users who have logged out count as well. To log
//! everybody out, call [`Sessions::logout_all`] before.
//!
//! ```
//! # use std::time::Duration;
//! # async fn serve(listener: tokio::net::TcpListener, app: axum::Router, sessions: tower_reauth::Sessions<u128>) -> std::io::Result<()> {
//! axum::serve(listener, app)
//!     .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
//!     .await?;
//! if !sessions.shutdown(Duration::from_secs(10)).await {
//!     eprintln!("a renewal or a revocation was cut off");
//! }
//! # Ok(()) }
//! ```
//!
//! Which deadline? As long as whatever ends the program lets it live: Kubernetes, for example, kills it 30 s after SIGTERM, the
//! server's own end included. Mostly it takes no longer than one answer of the authorization server. The longest renewal takes
//! 120 s ([`SessionBuilder::renewal_limit`]).
//!
//! # Bodies of other crates
//! The request's body type must be [`Replay`], and the layer does not change it. The features `axum`, `tonic` and `reqwest` add
//! the body types of these crates; [`manual::clients`] shows how to wrap their clients, [`manual::sdks`] those of kube, octocrab,
//! object_store and rmcp. With `reqwest` a request of its builder is sent by `send_through(&layer)`, and needs no tower service.
//! Convert any other body outside the layer:
//!
//! ```
//! # use std::{convert::Infallible, error::Error};
//! # use bytes::Bytes; use http::{Request, Response}; use http_body::Body; use http_body_util::{BodyExt, Full, combinators::BoxBody};
//! # use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
//! # use tower_reauth::{Origins, ReauthLayer, Session, TokenSet, grant_fn};
//! # fn f<ForeignBody: Body<Data = Bytes, Error: Error + Send + Sync> + Send + Sync + 'static>() -> Result<(), tower_reauth::Error> {
//! # let session = Session::new(grant_fn(|_| async { TokenSet::new("t") }));
//! # type Boxed = BoxBody<Bytes, Box<dyn Error + Send + Sync>>;
//! # let client = service_fn(async |_: Request<Boxed>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
//! let api = ServiceBuilder::new()
//!     .map_request(|request: Request<ForeignBody>| request.map(|body| body.map_err(Into::into).boxed()))
//!     .layer(ReauthLayer::new(session, Origins::only("https://gw.example")?))
//!     .service(client);
//! # fn is_service<R>(_: &impl Service<R>) {} is_service::<Request<ForeignBody>>(&api);
//! # Ok(()) }
//! ```
//!
//! # Testing
//! [`manual::testing`] shows how to test a program's 401 in twenty lines, with axum, tonic or reqwest. With the feature `testing`
//! there is an authorization server and an API to test against, in memory or on a loopback socket, which revoke tokens, refuse,
//! hang and go down when a test says so.
//!
//! The layer and the endpoint take any tower service: `tower::service_fn` can stand in for a server, and [`grant_fn`] for the token
//! endpoint, as in the example of [`ReauthLayer`]. Waits and lifetimes follow tokio's clock, which a test can stop with
//! `tokio::time::pause` and move with `tokio::time::advance`. The wall clock is read only to notice that the machine slept.
//!
//! # More
//! | chapter | what it is about |
//! | --- | --- |
//! | [`manual::troubleshooting`] | what to do when something goes wrong |
//! | [`manual::grants`] | which grant, which client authentication |
//! | [`manual::clients`], [`manual::sdks`] | tonic, reqwest, axum, other headers; kube, octocrab, object_store, rmcp |
//! | [`manual::migrating`] | from code that exists |
//! | [`manual::answers`], [`manual::translation`] | what an answer of the token endpoint means; servers that speak otherwise |
//! | [`manual::store`] | how tokens are kept |
//! | [`manual::load_balancer`] | several replicas of one program |
//! | [`manual::command_line`] | programs that live for a second |
//! | [`manual::defaults`], [`manual::events`], [`manual::metrics`] | every limit, every log line, every metric |
//! | [`manual::threats`] | security |
//!
//! Among the examples, `quickstart` plays a story of two devices against a gateway of its own, or against yours. `axum_bff` is a
//! backend-for-frontend, `cli` a command line whose tokens outlive it, and `sidecar` a proxy for programs in other languages.
//! `keystone` is a session login without OAuth. `tonic_client` and `reqwest_client` are short programs, `clients` has one each for
//! kube, octocrab, object_store and rmcp. `dashboard` plots the metrics of a storm.
//!
//! # What it does not do
//! It stores nothing on disk unless you give it a [store](SessionBuilder::store), opens no browser, verifies no token, and does
//! not authenticate inbound requests. It renews tokens; which token a user should have is your application's decision.

// docs.rs shows which feature an item needs. It builds with a nightly compiler, and sets `docsrs`.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Where reqwest has the browser's client, by reqwest's own conditions.
#[cfg(all(feature = "reqwest", target_arch = "wasm32", any(target_os = "unknown", target_os = "none")))]
compile_error!(
    "tower-reauth's feature `reqwest` does not work for this target: reqwest's client is no tower service here, and its bodies \
     cannot be sent again. Switch it on in a `[target.'cfg(not(target_family = \"wasm\"))'.dependencies]` section"
);

mod asked;
mod assertion;
pub mod challenge;
mod clock;
mod context;
mod credential;
mod dpop;
mod endpoint;
mod error;
mod events;
mod grant;
mod identity;
pub mod manual;
mod metrics;
mod middleware;
mod origin;
mod replay;
#[cfg(all(feature = "reqwest", not(all(target_arch = "wasm32", any(target_os = "unknown", target_os = "none")))))]
mod reqwest;
mod scheme;
mod secret;
mod session;
mod sessions;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod timer;
mod token;

#[cfg(feature = "jwt-no-provider")]
pub use self::assertion::{JwtAlgorithm, JwtKey, JwtKeySource};
#[cfg(feature = "dpop")]
pub use self::dpop::DpopKey;
#[cfg(all(feature = "reqwest", not(all(target_arch = "wasm32", any(target_os = "unknown", target_os = "none")))))]
pub use self::reqwest::{ReqwestFuture, ReqwestService, SendThrough};
#[cfg(feature = "file")]
pub use self::store::{FileStore, FileStoreBuilder};
#[cfg(feature = "seal")]
pub use self::store::{Seal, StoreSecret};
pub use self::{
    asked::Challenge,
    assertion::{Assertion, Signer},
    challenge::{
        bearer::BearerClassifier,
        classify::{Classify, Head, Seen, Verdict},
        grpc::GrpcClassifier,
        wso2::Wso2Classifier,
    },
    context::GrantContext,
    credential::Credential,
    endpoint::{ClientAuth, EndpointService, TokenEndpoint},
    error::{Error, ErrorKind},
    grant::{
        BoxGrant, ClientCredentialsGrant, Grant, GrantFn, JwtBearerGrant, PasswordGrant, RefreshTokenGrant, Retain,
        Revocable, Revoke, SubjectKey, TokenExchangeGrant, TokenType, grant_fn, grant_with,
    },
    identity::Generation,
    middleware::{
        ForceRenewal, NoReplay, OwnAuthorization, Reauth, ReauthLayer, RenewalFailed, ResponseBody, ResponseFuture,
        WithoutAuth,
    },
    origin::{Origin, Origins},
    replay::{KeptBody, Replay},
    scheme::Scheme,
    secret::SecretSource,
    session::{Logout, RenewAhead, Session, SessionBuilder, Status, Token},
    sessions::{Eviction, LogoutAll, SessionSource, Sessions, SessionsBuilder, WithoutKey},
    store::{
        Claim, Ear, Lease, Leased, Listening, News, Record, Saved, StoreFn, StoreKey, TokenStore, Version, store_fn,
    },
    token::TokenSet,
};

/// The README's code is compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
