//! From code that exists to this crate: before and after.
//!
//! Each pair says what one gains, and what changes.
//!
//! # From the `oauth2` crate, by hand
//! Before, a lock, an expiry and a retry:
//!
//! ```text
//! let mut held = self.token.lock().await;
//! if held.expires_at <= Instant::now() {
//!     let fresh = self.oauth.exchange_refresh_token(&held.refresh).request_async(&self.http).await?;
//!     *held = Held::from(fresh);
//! }
//! let response = self.http.get(url).bearer_auth(&held.access).send().await?;
//! if response.status() == 401 { /* renew, and send it again */ }
//! ```
//!
//! After. The login stays with `oauth2` or `openidconnect`; the session goes on from its response (features `oauth2` and
//! `reqwest`):
//!
#![cfg_attr(all(feature = "oauth2", feature = "reqwest"), doc = "```no_run")]
#![cfg_attr(not(all(feature = "oauth2", feature = "reqwest")), doc = "```ignore")]
//! use tower_reauth::{
//!     ClientAuth, Error, Origins, ReauthLayer, Record, RefreshTokenGrant, ReqwestService, SendThrough, Session,
//!     TokenEndpoint,
//! };
//!
//! fn session(client: &reqwest::Client, response: &impl oauth2::TokenResponse) -> Result<Session, Error> {
//!     let tokens = ReqwestService::new(client.clone());
//!     let endpoint = TokenEndpoint::with_body::<reqwest::Body>(tokens, "https://login.example/token")?
//!         .client_auth(ClientAuth::basic("app", "secret"));
//!     let record = Record::from_oauth2(response)?;
//!     Ok(Session::builder(RefreshTokenGrant::stored(endpoint)).record(record)?.build())
//! }
//!
//! fn api(session: &Session) -> Result<ReauthLayer, Error> {
//!     Ok(ReauthLayer::new(session, Origins::only("https://orders.example")?))
//! }
//!
//! async fn orders(client: &reqwest::Client, api: &ReauthLayer) -> Result<reqwest::Response, Error> {
//!     client.get("https://orders.example/orders").send_through(api).await
//! }
//! ```
//!
//! - *Gained:* one renewal for all callers, also if one of them leaves in the middle of it; a replay of every body that can be
//!   replayed; tokens that stay at their origins; a logout that revokes.
//! - *Changed:* a token is renewed ahead of its end, in the background. A refusal is not repeated: the session's
//!   [`Status`](crate::Status) says when to show the login page. With a [store](crate::manual::store) the tokens outlive the process.
//!
//! # From a middleware for reqwest-middleware
//! Before:
//!
//! ```text
//! async fn handle(&self, mut req: Request, ext: &mut Extensions, next: Next<'_>) -> Result<Response> {
//!     let retry = req.try_clone();
//!     req.headers_mut().insert(AUTHORIZATION, self.tokens.current().await?);
//!     let response = next.clone().run(req, ext).await?;
//!     match retry {
//!         Some(mut retry) if response.status() == 401 => { /* renew, set the header, run again */ }
//!         _ => Ok(response),
//!     }
//! }
//! ```
//!
//! After (feature `reqwest-middleware`), if the chain has other middlewares:
//!
#![cfg_attr(feature = "reqwest-middleware", doc = "```")]
#![cfg_attr(not(feature = "reqwest-middleware"), doc = "```ignore")]
//! use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
//! use tower_reauth::ReauthLayer;
//!
//! fn client(client: reqwest::Client, layer: ReauthLayer) -> ClientWithMiddleware {
//!     ClientBuilder::new(client).with(layer).build()
//! }
//! ```
//!
//! If it has none, drop the chain: `send_through(&layer)` with the feature `reqwest` is enough.
//!
//! - *Gained:* as above. `try_clone` gives up on streams and multipart forms; these are replayed
//!   [up to a limit](crate::manual::clients#reqwest-with-the-feature-reqwest).
//! - *Changed:* a middleware after this one runs once for each attempt. A request that already has an `Authorization` header is
//!   left alone ([`own_authorization`](crate::ReauthLayer::own_authorization)). `timeout` of a request now limits all its attempts
//!   together.
//!
//! # From an interceptor of tonic
//! Before:
//!
//! ```text
//! let client = OrdersClient::with_interceptor(channel, move |mut request: Request<()>| {
//!     request.metadata_mut().insert("authorization", token.borrow().clone());
//!     Ok(request)
//! });
//! // And elsewhere a task that renews the token in time, and a retry on `Unauthenticated` around each call.
//! ```
//!
//! After (feature `tonic`):
//!
#![cfg_attr(feature = "tonic", doc = "```")]
#![cfg_attr(not(feature = "tonic"), doc = "```ignore")]
//! use tonic::transport::Channel;
//! use tower_layer::Layer;
//! use tower_reauth::{Error, GrpcClassifier, Origins, Reauth, ReauthLayer, Session};
//!
//! fn connected(channel: Channel, session: &Session) -> Result<Reauth<Channel>, Error> {
//!     let origin = Origins::bound_to("https://orders.example")?; // where the channel goes
//!     Ok(ReauthLayer::new(session, origin).classify(GrpcClassifier::new()).layer(channel))
//! }
//! // `OrdersClient::new(connected(channel, &session)?)`
//! ```
//!
//! - *Gained:* an interceptor sees no answers, and cannot wait. This layer heals `Unauthenticated` for unary calls, server streams and
//!   short client streams, and the first call waits for the first token.
//! - *Changed:* the type of the client: `OrdersClient<Reauth<Channel>>`. Interceptors for other headers stay, around or below it.
//!   A call that was not sent fails with a status that [a table](crate::manual::clients#tonic-with-the-feature-tonic) lists.
//!
//! # From kube's auth layer
//! Before:
//!
//! ```text
//! let service = ServiceBuilder::new()
//!     .layer(config.base_uri_layer())
//!     .option_layer(config.auth_layer()?)
//!     .service(https);
//! ```
//!
//! After. The crate `examples/clients` runs this code; [`sdks`](super::sdks#kube) says more about it:
//!
//! ```ignore
#![doc = include_str!("sdks/kube.rs")]
//! ```
//!
//! The session for a service account's token, which the kubelet writes anew before it ends:
//!
//! ```
//! use std::time::Duration;
//! use tower_reauth::{Error, ErrorKind, Session, TokenSet, grant_fn};
//!
//! fn service_account() -> Session {
//!     Session::new(grant_fn(async |_context| {
//!         let path = "/var/run/secrets/kubernetes.io/serviceaccount/token";
//!         let token = tokio::fs::read_to_string(path).await.map_err(|error| {
//!             Error::new(ErrorKind::Secret, "the service account's token cannot be read").with_source(error)
//!         })?;
//!         Ok(TokenSet::new(token.trim())?.with_lifetime(Duration::from_secs(60)))
//!     }))
//! }
//! ```
//!
//! - *Gained:* a token that the API server refuses before its time is renewed, and the request replayed. kube's layer renews by
//!   time alone.
//! - *Changed:* the layer does not read a kubeconfig: exec plugins and OIDC blocks become a [grant](crate::grant_fn) of yours. For client
//!   certificates nothing is needed, they belong to the connector.
//!
//! # From gcp_auth
//! Before:
//!
//! ```text
//! let provider = gcp_auth::provider().await?;
//! let token = provider.token(&["https://www.googleapis.com/auth/pubsub"]).await?;
//! let response = client.get(url).bearer_auth(token.as_str()).send().await?;
//! ```
//!
//! After, with a service account's key (features `jwt` and `reqwest`):
//!
#![cfg_attr(all(feature = "jwt", feature = "reqwest"), doc = "```no_run")]
#![cfg_attr(not(all(feature = "jwt", feature = "reqwest")), doc = "```ignore")]
//! use tower_reauth::{
//!     Assertion, Error, JwtAlgorithm, JwtBearerGrant, JwtKey, ReqwestService, Session, TokenEndpoint,
//! };
//!
//! /// `email`, `key` and `key_id` are `client_email`, `private_key` and `private_key_id` of the key file.
//! fn service_account(client: reqwest::Client, email: &str, key: String, key_id: &str) -> Result<Session, Error> {
//!     let google = "https://oauth2.googleapis.com/token";
//!     let endpoint = TokenEndpoint::with_body::<reqwest::Body>(ReqwestService::new(client), google)?;
//!     let key = JwtKey::from_pem(JwtAlgorithm::RS256, key)?.key_id(key_id);
//!     let scope = "https://www.googleapis.com/auth/pubsub";
//!     let assertion = Assertion::new(key).issuer(email).audience(google).claim("scope", scope);
//!     Ok(Session::new(JwtBearerGrant::signed(endpoint, assertion)))
//! }
//! ```
//!
//! On a machine of Google's, the metadata server gives the token:
//!
#![cfg_attr(feature = "reqwest", doc = "```no_run")]
#![cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
//! use std::time::Duration;
//! use serde::Deserialize;
//! use tower_reauth::{Error, ErrorKind, Session, TokenSet, grant_with};
//!
//! #[derive(Deserialize)]
//! struct Answer { access_token: String, expires_in: u64 }
//!
//! async fn ask(client: &reqwest::Client) -> Result<Answer, reqwest::Error> {
//!     let url = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token";
//!     let request = client.get(url).header("metadata-flavor", "Google");
//!     request.send().await?.error_for_status()?.json().await
//! }
//!
//! fn instance(client: reqwest::Client) -> Session {
//!     Session::new(grant_with(client, async |client, _context| {
//!         let answer = ask(&client).await.map_err(|error| {
//!             Error::new(ErrorKind::Transport, "the metadata server gave no token").with_source(error)
//!         })?;
//!         Ok(TokenSet::new(answer.access_token)?.with_lifetime(Duration::from_secs(answer.expires_in)))
//!     }))
//! }
//! ```
//!
//! - *Gained:* a token that dies before its time is renewed, and the request replayed. `gcp_auth` keeps a token for its lifetime and
//!   has no way to give it back.
//! - *Changed:* you say where credentials come from; `gcp_auth::provider()` tries several places. It can stay as a grant:
//!   `provider.token(..)` in a [`grant_with`](crate::grant_with). But after a rejection it gives the same token again, and
//!   the caller gets the rejection, with [`SameToken`](crate::ErrorKind::SameToken). The metadata server keeps its tokens, too.
