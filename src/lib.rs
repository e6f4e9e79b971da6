//! A [tower](https://docs.rs/tower) layer for outbound HTTP clients. It adds the `Authorization` header from credentials held in
//! memory, and when the far side refuses the token it renews it once for everyone who is waiting and sends the request
//! again. The user of the application notices nothing.
//!
//! # From nothing to a working client
//! A client needs three things: a [`TokenEndpoint`] to get tokens from, a [`Session`] that owns the credentials, and a
//! [`ReauthLayer`] that puts the session's token on the requests to the origins it is told.
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
//! The finished client is a [`Reauth`] of the client inside. Give it a name once, and keep it in axum's `State`, in a
//! `LazyLock`, or wherever a client is kept; clones are cheap.
//!
//! ```
//! # use bytes::Bytes; use http_body_util::Full;
//! # use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! type Https = Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>;
//! type Api = tower_reauth::Reauth<Https>;
//! ```
//!
//! # What happens to a request
//! 1. Its origin is checked against [`Origins`]. A token goes nowhere else: any other request goes through bare.
//! 2. It gets the session's token. If there is none, the first token is fetched; a thousand calls at once make one token
//!    request.
//! 3. What a replay needs is kept: a flat copy of the head, and the body where it can be had again ([`Replay`]).
//! 4. The response is judged by a [`Classify`]. By default a 401 is a rejection unless its challenge says that a new token
//!    would not help; [`Wso2Classifier`] also reads the fault codes of WSO2 API Manager, [`GrpcClassifier`] the status of gRPC.
//! 5. After a rejection the token is renewed once for everyone: with the refresh token, and if the server refuses that one
//!    for good, with the session's own [`Grant`]. If others had renewed it already, nothing is asked of the server.
//! 6. The request is sent again, byte for byte. The caller gets that answer, or the original rejection, whole, with the
//!    reason in its extensions ([`RenewalFailed`]).
//!
//! A rejection says that the request was not applied, so every method is replayed, POST included. Where that can be untrue,
//! put [`NoReplay`] into the request's extensions. [`WithoutAuth`] sends a request bare, [`ForceRenewal`] renews first.
//!
//! # Credentials
//! [`PasswordGrant`], [`ClientCredentialsGrant`] and [`RefreshTokenGrant`] speak to a [`TokenEndpoint`]; [`grant_fn`] and
//! [`grant_with`] make a grant of a closure, and [`Grant`] can be implemented for anything else. [`BoxGrant`] holds any of
//! them. A user who is not known yet is a [`Session::logged_out`], and comes in by [`Session::login`].
//!
//! Credentials that the server refuses are not sent again and again, so that nobody is locked out: the session becomes
//! [`Status::Refused`], which [`Session::subscribe`] tells, and the user is to be asked.
//!
//! # Many users
//! A backend-for-frontend holds the credentials of all its users: [`Sessions`] takes the place of the one [`Session`], and finds
//! whose a request is by a key in its extensions. It is bounded in number and time, and an idle user costs a few hundred
//! bytes beside the secrets.
//!
//! # Order of layers
//! From the outside in: redirects, this layer, decompression, the client. A time-out outside the layer counts the renewal
//! in; one inside counts each attempt. A concurrency limit works on either side: a call that waits for a token gives back its
//! place.
//!
//! The token endpoint must be reached without the session's own layer. A session that is asked to authorize its own
//! token request says so ([`ErrorKind::SelfAuthorization`]).
//!
//! # Bodies of other crates
//! The request's body type stays what the inner service takes, and must be [`Replay`]. The features `axum`, `tonic` and
//! `reqwest` make it so for the bodies of these crates; [`manual::clients`] shows how their clients are wrapped. Where a
//! body is of another type, convert it outside the layer:
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
//! # More
//! [`manual::defaults`] lists every limit, [`manual::events`] every event, [`manual::metrics`] what can be counted;
//! [`manual::threats`] says what is defended and what is not, [`manual::clients`] tells of tonic, reqwest and axum. The
//! `quickstart` example plays the story of two devices against a gateway of its own, or against yours; `tonic_client` and
//! `reqwest_client` are short programs with a server of their own, and `dashboard` plots the metrics of a storm.
//!
//! # What it does not do
//! It stores nothing on disk, opens no browser, verifies no token, and is no server-side authentication. It renews tokens;
//! which of them your user should have is your application's business.

// docs.rs shows which feature an item needs. It builds with a nightly compiler, and sets `docsrs`.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod challenge;
mod clock;
mod context;
mod credential;
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
mod session;
mod sessions;
mod timer;
mod token;

pub use self::{
    challenge::{BearerClassifier, Challenge, Classify, GrpcClassifier, Head, Seen, Verdict, Wso2Classifier},
    context::GrantContext,
    credential::Credential,
    endpoint::{ClientAuth, EndpointService, TokenEndpoint},
    error::{Error, ErrorKind},
    grant::{
        BoxGrant, ClientCredentialsGrant, Grant, GrantFn, PasswordGrant, RefreshTokenGrant, Retain, grant_fn,
        grant_with,
    },
    identity::Generation,
    middleware::{
        ForceRenewal, NoReplay, OwnAuthorization, Reauth, ReauthLayer, RenewalFailed, ResponseBody, ResponseFuture,
        WithoutAuth,
    },
    origin::{Origin, Origins},
    replay::{KeptBody, Replay},
    session::{Logout, RenewAhead, Session, SessionBuilder, Status, Token},
    sessions::{Eviction, LogoutAll, SessionSource, Sessions, SessionsBuilder, WithoutKey},
    token::TokenSet,
};

/// The README's code is compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
