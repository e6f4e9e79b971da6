//! Servers that speak otherwise: translate below the endpoint.
//!
//! A [`TokenEndpoint`](crate::TokenEndpoint) sends a form and reads [generously](crate::TokenEndpoint#answers). If a server takes or
//! says something else, put a small service between the endpoint and the client: it turns the request into what the server takes, and
//! the answer into the form of [RFC 6749 §5](https://www.rfc-editor.org/rfc/rfc6749#section-5). All that the crate does above that
//! stays: one renewal for all, no lock-out, pauses, revocation.
//!
//! # What to write
//! Decide by what shall follow. [`answers`](crate::manual::answers) has the whole table.
//!
//! | the server means | write | what follows |
//! | --- | --- | --- |
//! | here is a token | 200 and `{"access_token":…,"token_type":"Bearer","expires_in":<seconds>}`; `refresh_token`, `scope` and others if there are any | it is used |
//! | wrong password, dead refresh token | 400 and `{"error":"invalid_grant"}` | the next credential is tried, or the status becomes `Refused` |
//! | unknown client, wrong client secret | 401 and `{"error":"invalid_client"}` | an operator has to look; tried again after 60 s and more |
//! | too many requests, come back later | 503 or 429, with `Retry-After` | everybody pauses for so long |
//! | out of order | 500 | the session backs off, and keeps what it has |
//! | anything that you do not know | the answer as it came | the crate reads it as it can |
//!
//! # An example
//! This server takes JSON and answers everything with a 200. It states lifetimes in milliseconds.
//!
//! ```
//! use std::{collections::HashMap, time::Duration};
//!
//! use bytes::Bytes;
//! use http::{HeaderValue, Request, Response, StatusCode, header};
//! use http_body_util::{BodyExt, Full, Limited};
//! use serde_json::{Value, json};
//! use tower::{BoxError, Service, ServiceExt, service_fn};
//! use tower_reauth::{ErrorKind, PasswordGrant, Session, Status, TokenEndpoint};
//!
//! async fn translate<S>(server: S, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, BoxError>
//! where
//!     S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error: Into<BoxError>>,
//! {
//!     // The same client carries revocations, and the metadata of a discovered endpoint.
//!     if request.uri().path() != "/login" {
//!         return server.oneshot(request).await.map_err(Into::into);
//!     }
//!     let (mut head, form) = request.into_parts();
//!     let form = form.collect().await?.to_bytes();
//!     let form: HashMap<_, _> = form_urlencoded::parse(&form).into_owned().collect();
//!     let question = json!({ "user": form.get("username"), "pass": form.get("password") });
//!     head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
//!     let question = Request::from_parts(head, Full::from(question.to_string()));
//!
//!     let (mut head, body) = server.oneshot(question).await.map_err(Into::into)?.into_parts();
//!     let body = Limited::new(body, 64 * 1024).collect().await?.to_bytes();
//!     let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
//!     let told = match answer["result"].as_str() {
//!         Some("welcome") => {
//!             let seconds = answer["ttl"].as_u64().map(|milliseconds| milliseconds / 1000);
//!             json!({ "access_token": answer["ticket"], "token_type": "Bearer", "expires_in": seconds })
//!         }
//!         Some("go away") => {
//!             head.status = StatusCode::BAD_REQUEST;
//!             json!({ "error": "invalid_grant" })
//!         }
//!         Some("busy") => {
//!             head.status = StatusCode::SERVICE_UNAVAILABLE;
//!             head.headers.insert(header::RETRY_AFTER, HeaderValue::from(answer["seconds"].as_u64().unwrap_or(5)));
//!             json!({ "error": "temporarily_unavailable" })
//!         }
//!         // A page of a proxy, say.
//!         _ => return Ok(Response::from_parts(head, Full::new(body))),
//!     };
//!     head.headers.remove(header::CONTENT_LENGTH);
//!     head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
//!     Ok(Response::from_parts(head, Full::from(told.to_string())))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
//! // Stands for a client of hyper-util, and the server behind it.
//! let https = service_fn(async |request: Request<Full<Bytes>>| {
//!     let body = request.into_body().collect().await?.to_bytes();
//!     let answer = match serde_json::from_slice::<Value>(&body).unwrap_or_default()["pass"].as_str() {
//!         Some("correct-horse") => json!({ "result": "welcome", "ticket": "a-ticket", "ttl": 900_000 }),
//!         Some("at noon") => json!({ "result": "busy", "seconds": 7 }),
//!         _ => json!({ "result": "go away" }),
//!     };
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(answer.to_string())))
//! });
//! let translated = service_fn(move |request| translate(https.clone(), request));
//! let log_in = |password: &str| {
//!     let endpoint = TokenEndpoint::new(translated.clone(), "https://odd.example/login")?;
//!     Ok::<_, tower_reauth::Error>(Session::new(PasswordGrant::new(endpoint, "alice", password)))
//! };
//!
//! let token = log_in("correct-horse")?.token().await?;
//! assert_eq!(token.token_set().lifetime(), Some(Duration::from_secs(900)));
//!
//! let session = log_in("wrong")?;
//! assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Refused);
//! assert_eq!(session.status(), Status::Refused);
//!
//! let busy = log_in("at noon")?.token().await.unwrap_err();
//! assert_eq!((busy.kind(), busy.retry_after()), (ErrorKind::Unavailable, Some(Duration::from_secs(7))));
//! # Ok(()) }
//! ```
//!
//! # Rules
//! 1. Translate what you know, and pass on the rest as it came. An answer that is wrongly called `invalid_grant` ends logins.
//! 2. Keep the headers: `Date` tells the server's clock, `Retry-After` its pauses. Remove `Content-Length` where the body is another.
//! 3. Limit what you read. The endpoint's own [`response_limit`](crate::TokenEndpoint::response_limit) counts after the translation.
//! 4. Log no bodies. What you allocate, the crate does not wipe: the [`zeroize`](https://docs.rs/zeroize) crate does.
//! 5. Give the error of the client on as it is, or say what it means by
//!    [`not_sent_when`](crate::TokenEndpoint::not_sent_when): a password counts as sent otherwise.
//!
//! # Where a grant is the better place
//! If the exchange is no question with one answer: several steps, the token in a header, a logout that is a `DELETE`. Write a
//! [`Grant`](crate::Grant), with its [`revoke`](crate::Grant::revoke) for the logout. The example `keystone` is one, for OpenStack.
//! For answers of an *API*, not of the token endpoint, write a [`Classify`](crate::Classify).
