//! Behind a load balancer: several replicas of one program, each with sessions of its own.
//!
//! # What replicas share
//! Nothing, unless you give them a [store](crate::manual::store). A session lives in one process, and so does all that it has
//! learned.
//!
//! | what | without a store | with a store that all replicas use |
//! | --- | --- | --- |
//! | access token | each replica has its own | one for all: what one replica fetched, the others adopt |
//! | token requests | each replica makes its own: N replicas, N renewals for each lifetime | one replica renews, the others wait for it |
//! | refresh token | one that works once belongs in one replica alone | whoever renews has the lease, and writes down that it spends it |
//! | users' sessions ([`Sessions`](crate::Sessions)) | a replica knows the users who logged in there | any replica finds a user by the key |
//! | attempts of a password, and its refusal | each replica counts its own | counted together |
//! | logout | the others go on until the server rejects their token | seen within 30 s of calls; [at once](crate::manual::store#how-fast-others-know) where the store carries news |
//! | pause after a 429 or 503 of the token endpoint | each replica learns of it by an answer of its own | the same |
//! | [cool-down](crate::manual::troubleshooting#an-origin-cools-down) of an API, [damping](crate::SessionBuilder::renewals_per_minute) | each replica finds out for itself | the same |
//! | [`TokenEndpoint::concurrency`](crate::TokenEndpoint::concurrency), [`SessionsBuilder::capacity`](crate::SessionsBuilder::capacity) | hold for each replica: the server may see N times as much | the same |
//!
//! # Do I need a store?
//! It depends on what the authorization server does when the same credentials ask again.
//!
//! | credentials | the server | then |
//! | --- | --- | --- |
//! | a client's own, a signed or projected JWT | gives a token beside the older ones | no store: each replica has a token of its own. This is the usual case |
//! | the same | gives the same token again while it is valid | no store |
//! | the same | ends the older token (one active token) | a store, or a scope of its own for each replica; see below |
//! | a user's password | as above; each replica sends it | a store, so that the limits on attempts hold for all together |
//! | a refresh token that changes with each use | may end the whole login when an old one comes again | a store. Never start two replicas with one refresh token and without a store |
//! | a refresh token that does not change | gives tokens beside each other | no store; without one, a user's session is in one replica |
//!
//! With one active token and without a store, the replicas take the token from each other: each renewal makes the others'
//! next call a rejection. Every call is still healed, until a session reaches its 10 renewals a minute:
//! [*A storm of token requests*](crate::manual::troubleshooting#a-storm-of-token-requests). WSO2 gives a token of its own to each
//! scope that starts with `device_`: [`device_scope`](crate::PasswordGrant::device_scope) with the replica's name.
//!
//! A [`FileStore`](crate::manual::store) is for the processes of one machine. It does not work on a network file system. For
//! replicas on several machines there is the crate `tower-reauth-redis`: [*fleet*](crate::manual::fleet) shows how to set it up. For
//! another database implement [`TokenStore`](crate::TokenStore), and check it with `testing::check_store` (feature `testing`). If it knows no leases, the replicas' clocks must agree within a fraction of the
//! [`renewal_limit`](crate::SessionBuilder::renewal_limit).
//!
//! # Sticky sessions
//! A balancer that sends a user always to the same replica makes a store unnecessary as long as that replica lives. When it goes,
//! by a deployment or a crash, its users are at another replica, which does not know them: they have to log in again. Evictions and
//! `max_lifetime` do the same to them, one by one. If that is acceptable, keep it simple: no store.
//!
//! With a store no stickiness is needed. It still helps: a request finds its session in memory, and a logout is seen at once.
//!
//! The example `axum_bff` is such a program, with `--redis`. What it minds:
//!
//! - The browser's next request may come to another replica. So the login must stand in the store before the answer leaves:
//!   [`get_or_login`](crate::Sessions::get_or_login) waits for that, [`insert`](crate::Sessions::insert) does not.
//! - The cookie sessions are shared as well. A logout ends them at once, and so it counts at a replica that has not heard of it yet.
//! - Whoever reads the cookie store must not be able to use a session: a record's name is a keyed hash of the cookie's value, and what
//!   is in the record is encrypted.
//! - A password stays in the memory of the replica where the user logged in. When that one is gone, the others go on with the refresh
//!   token. When that is dead, too, the user logs in again.
//!
//! ```
//! use std::time::Duration;
//! use tower_reauth::{Error, RefreshTokenGrant, Session, Sessions, TokenEndpoint, TokenStore};
//!
//! /// The key of a login: from the cookie, the same in all replicas.
//! type LoginKey = String;
//!
//! fn sessions(store: impl TokenStore, endpoint: TokenEndpoint) -> Sessions<LoginKey> {
//!     Sessions::builder()
//!         .idle_timeout(Duration::from_secs(30 * 60))
//!         .store(store, |login: &LoginKey| login.as_str().into(), move |_| {
//!             Session::builder(RefreshTokenGrant::stored(endpoint.clone()))
//!         })
//!         .build()
//! }
//!
//! /// Whether to send the browser to the login page. `get` would know this replica alone.
//! async fn must_log_in(sessions: &Sessions<LoginKey>, login: &LoginKey) -> Result<bool, Error> {
//!     Ok(sessions.look_up(login).await?.is_none())
//! }
//! ```
//!
//! # Health checks
//! *Alive* is a process that answers. Ask no session there: a restart heals no authorization server.
//!
//! *Ready* is a replica that can do its work. A session helps at the start: fetch the first token before the replica gets requests, and
//! a wrong secret stops the deployment instead of the service. Afterwards be careful. All replicas ask the same authorization
//! server. If a check fails whenever that server does, the balancer takes all replicas out at once, with those that have
//! good tokens. So ask for the [`Status`](crate::Status) alone: it stays [`Active`](crate::Status::Active) while a token may still work,
//! and only [`Refused`](crate::Status::Refused) needs somebody to act.
//!
//! ```
//! use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
//! use axum::{Router, extract::State, http::StatusCode, routing::get};
//! use tower_reauth::{Session, Status};
//!
//! #[derive(Clone)]
//! struct Health {
//!     session: Session,
//!     ending: Arc<AtomicBool>,
//! }
//!
//! fn health(session: Session, ending: Arc<AtomicBool>) -> Router {
//!     Router::new()
//!         .route("/healthz", get(async || "alive"))
//!         .route("/readyz", get(ready))
//!         .with_state(Health { session, ending })
//! }
//!
//! async fn ready(State(health): State<Health>) -> StatusCode {
//!     let ready = match health.session.status() {
//!         _ if health.ending.load(Ordering::Relaxed) => false,
//!         // The first time: fetches the token, or joins whoever does.
//!         Status::Idle => health.session.token().await.is_ok(),
//!         status => status == Status::Active,
//!     };
//!     if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
//! }
//! ```
//!
//! # When many replicas start at once
//! Each makes one token request, when its first call or check comes. Renewals ahead of time do not stay in step: each session
//! picks its moment between 70 and 80 % of the lifetime. After an outage of the authorization server each session
//! tries again after a pause with full jitter. For a server that is easily overrun lower
//! [`concurrency`](crate::TokenEndpoint::concurrency), remembering that it counts for each replica.
//!
//! # What to tell the balancer
//! - *Retry-After.* When there is no token for a while, [`Error::retry_after`](crate::Error::retry_after) says for how long. Answer 503
//!   with that as `Retry-After`, so that balancers and clients wait, too.
//! - *A 401 of an API is not yours.* If your program passes an API's rejection on as a 401, your own clients take it for a
//!   judgement on *their* token. Answer 502 or 503, unless the two are the same.
//! - *Retries.* Let the balancer retry what never reached a replica. This layer has sent a rejected request again already; a
//!   balancer that retries 401, 502 or 503 at another replica multiplies token requests when they help least.
//! - *Time-outs.* A call may wait 30 s for a token ([`waiting_time`](crate::SessionBuilder::waiting_time)). A balancer that gives up
//!   sooner sees a time-out where it could have had a clear answer: set the waiting time below its own.
//!
//! # An API behind a balancer
//! Its replicas learn of a new token at different times, if tokens are not signed but looked up. Then the replay may meet a replica that
//! does not know the token yet: [`RejectedAgain`](crate::ErrorKind::RejectedAgain), and the origin
//! [cools down](crate::manual::troubleshooting#an-origin-cools-down) for a second, doubling. The next call mostly goes through.
//! [`max_replays`](crate::ReauthLayer::max_replays) does not help: each of its replays comes after one more renewal, and so
//! with a token that is newer still.
//!
//! # A graceful end
//! 1. Fail the readiness check, so that the balancer sends nobody any more. In Kubernetes this happens while SIGTERM is delivered, not
//!    before: go on accepting for the seconds that the change needs to reach every balancer.
//! 2. Stop accepting, and finish what is under way.
//! 3. Wait for renewals and revocations: [`Session::shutdown`](crate::Session::shutdown),
//!    [`Sessions::shutdown`](crate::Sessions::shutdown). A refresh token that is on the wire is spent, and what comes for it must still
//!    be saved. [*A graceful end*](crate#a-graceful-end) has the code, and advice on the deadline.
//! 4. Do **not** log out. [`logout`](crate::Session::logout) revokes at the server and marks the store: all replicas lose the login.
//!    Dropping the sessions is enough. A client that has a token of its own in each replica may revoke it, if short-lived tokens are not
//!    enough for you.
//!
//! The example `sidecar` does all of this for a program that is not written in Rust.
