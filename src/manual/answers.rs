//! What an answer of the token endpoint means, and what the session does next.
//!
//! Real servers refuse in many words: a 400 without a body, `invalid_request`, an error object, a 200. So the status decides
//! first and the code second, and an answer that nobody knows still refuses. Codes are read in any letter case, from `error`
//! or, where that is an object, from its `code`, `status` or `message`.
//!
//! # What it says
//! The first row that fits counts.
//!
//! | verdict | answers |
//! | --- | --- |
//! | *tokens* | 2xx with an access token |
//! | *unsent* | no connection came about, or we held the request back ourselves |
//! | *wait* | 408, 425, 429; codes of throttling (`slow_down`, `ratelimited`, `QUOTA_EXCEEDED`); 503 with `Retry-After` |
//! | *client* | `invalid_client` and its relatives; a 401 without a code whose challenge is `Basic` |
//! | *broken* | the exchange broke or timed out; any other 5xx; `server_error`, `temporarily_unavailable`; a redirect; 407; a 2xx that is no OAuth answer; a page (a body that starts with `<`) with any 4xx but 401 |
//! | *not allowed* | `unsupported_grant_type`, `invalid_scope`, `invalid_target`, `unauthorized_client`, `use_dpop_nonce` |
//! | *refused* | any other 4xx, any 200 with an error |
//!
//! These codes of a refusal leave no doubt: `invalid_grant`, `invalid_token`, `bad_refresh_token`, `invalid_refresh_token`,
//! `refresh_token_reused`, `expired_token`, `token_expired`, `interaction_required`, `consent_required`, `login_required`,
//! `access_denied`.
//!
//! # What follows for a refresh token
//!
//! | verdict | with another credential behind it | alone |
//! | --- | --- | --- |
//! | *unsent* | kept; backoff | the same |
//! | *wait* | the pause of the endpoint | the same |
//! | *client* | kept; tried again after 60 s doubling to 15 min: the same client would be refused again | the same |
//! | *broken* | kept; backoff. After three in a row, a minute after the first, the other credential is tried | kept; backoff |
//! | *not allowed* | the other credential is sent in the same call | kept; tried again after 60 s doubling to 15 min |
//! | *refused* | the other credential is sent in the same call. The refresh token is dropped at once where the code leaves no doubt, else when that worked | tried again to make sure: once after 2 s where the code leaves no doubt; twice over 30 s with another code, a 400 or a 401; else twice over an hour. Then the session is `Refused` |
//!
//! # What follows for the grant's own credential
//!
//! | verdict | a password that never worked | a password that had worked | a client's secret | [`Credential::Custom`] |
//! | --- | --- | --- | --- | --- |
//! | *unsent* | no send; backoff, at least 1 s | the same | backoff | backoff |
//! | *wait* | the pause; after a 429 or a code of throttling at least 5 min | the same | the pause | the pause |
//! | *client*, *not allowed* | again after 60 s doubling to 15 min | the same | the same | the same |
//! | *broken* | sent again after 10 s, 2 min, 20 min, 2 h; after two pages `Refused` | again after 5 s doubling to 5 min; after ten of those every hour | backoff | backoff |
//! | *refused* | `Refused` at once | [confirmed](crate::PasswordGrant::confirmations) after 60 s, without a code once more after 5 min; then `Refused` | again after 60 s doubling to 15 min; `Refused` meanwhile, never for good | as a password that had worked |
//!
//! For a password, a 404, 405, 410 or 421 without a code is *broken*: perhaps the address is wrong. Without a success, whatever
//! the answers were, a password that never worked is sent at most 3 times in 15 minutes and 5 times in all; one that had worked,
//! and a custom credential, at most 10 times in 15 minutes.
//!
//! # When to ask the user
//! [`Status::Refused`](crate::Status::Refused) means that nothing the session holds is good: ask for a login.
//! [`ErrorKind::Refused`](crate::ErrorKind::Refused) may come earlier, while the session makes sure; then
//! [`retry_after`](crate::Error::retry_after) or the status tells. A long outage never logs anybody out: the status stays as
//! it was, and calls work again soon after the server does.
//!
//! # Servers that speak otherwise
//! Translate them below the endpoint: a tower layer rewrites their answers into the form of RFC 6749. Here a server says
//! `{"status":"fail","reason":"expired"}` with a 200, and means `invalid_grant`.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_reauth::{ErrorKind, Grant, GrantContext, PasswordGrant, TokenEndpoint};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
//! // Stands for a client of hyper-util.
//! let https = tower::service_fn(async |_: Request<Full<Bytes>>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::from(r#"{"status":"fail","reason":"expired"}"#)))
//! });
//! let translated = ServiceBuilder::new()
//!     .and_then(async |response: Response<Full<Bytes>>| {
//!         let (mut head, body) = response.into_parts();
//!         let Ok(collected) = body.collect().await;
//!         let mut body = collected.to_bytes();
//!         if body.starts_with(br#"{"status":"fail""#) {
//!             head.status = StatusCode::BAD_REQUEST;
//!             body = Bytes::from_static(br#"{"error":"invalid_grant"}"#);
//!         }
//!         Ok::<_, std::convert::Infallible>(Response::from_parts(head, Full::new(body)))
//!     })
//!     .service(https);
//! let endpoint = TokenEndpoint::new(translated, "https://odd.example/token")?;
//! let refused = PasswordGrant::new(endpoint, "alice", "password").fetch(GrantContext::default()).await;
//! assert_eq!(refused.unwrap_err().kind(), ErrorKind::Refused);
//! # Ok(()) }
//! ```
//!
//! [`Credential::Custom`]: crate::Credential::Custom
