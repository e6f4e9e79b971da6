//! Every event that this crate sends to [`tracing`](https://docs.rs/tracing).
//!
//! The target is `tower_reauth`. No field holds a secret, a query, or the path of a request. An `error` names the address of the
//! token endpoint, and holds its causes in one line. Below the list stands what [each warning asks
//! for](#what-a-warning-asks-for), and what [the other lines](#what-the-other-lines-mean) mean.
//!
//! 1. Each event of level INFO or above names its session, so one line says whose renewal failed, and why. There are exceptions:
//!    `request sent bare` names the session only if the layer has no other, and `server clock differs` and
//!    `metadata not renewed` are about a server that many sessions share. `session` is a number. If the session is in
//!    [`Sessions`](crate::Sessions), `key` is a hash of its key. The hash function has a random key in each process: it tells
//!    users apart, and does not say who they are.
//! 2. At INFO and above there is one line for all callers: a renewal that fails for a thousand calls is one line. What a
//!    rejected call gets is logged at DEBUG. No line comes from a call whose first answer is good, from a request with
//!    [`WithoutAuth`](crate::WithoutAuth) or an `Authorization` header of its own, or from an error that a call returns.
//!
//! | event (message) | level | fields |
//! | --- | --- | --- |
//! | `renewal started` | debug | `session`, `key`, `reason` |
//! | `token acquired` | info | `session`, `key`, `reason`, `generation`, `lifetime_s` (0: unknown) |
//! | `token adopted` | info (another process had renewed it) | `session`, `key`, `generation` |
//! | `token store failed` | warn, once until it works again; otherwise debug | `session`, `key`, `error` |
//! | `token store works` | info, after a failure | `session`, `key` |
//! | `lease passed over` | warn (another process holds the [lease](crate::manual::store) and sends nothing) | `session`, `key`, `reason` |
//! | `renewal wanted elsewhere` | info (another process, which has [no credential of its own](crate::manual::store#when-only-some-processes-have-the-password), asked for this renewal) | `session`, `key` |
//! | `nobody renewed` | warn, once for each record; otherwise debug (other processes were asked to renew, and none did) | `session`, `key`, `reason` |
//! | `logged out elsewhere` | info (another process ended the login, or began a new one) | `session`, `key` |
//! | `renewal failed` | warn; debug where the login ended meanwhile | `session`, `key`, `kind`, `status`, `error` |
//! | `token requests paused` | debug | `endpoint` (host and port), `status`, `retry_after_s` (0: not said) |
//! | `server clock differs` | warn (an assertion or a DPoP proof was refused; the next one is dated by the server's clock) | `endpoint`, `ahead_s` (seconds that it is ahead; negative: behind) |
//! | `API clock differs` | warn, once for each difference (an API refused a DPoP proof, or rejected the token; the next proof is dated by its clock) | `session`, `key`, `origin`, `ahead_s` (seconds that it is ahead; negative: behind) |
//! | `DPoP nonce asked for` | debug | `session`, `key`, `origin` |
//! | `token bound to a key asked for` | debug (RFC 9449: the API takes no bearer token) | `session`, `key`, `error` |
//! | `metadata read` | debug ([discovered](crate::TokenEndpoint::discover) metadata was fetched) | `issuer`, `endpoint` (host and port) |
//! | `metadata not renewed` | warn, once until it is, for each kind of error; otherwise debug (what is at hand is used) | `issuer`, `error` |
//! | `refresh token refused` | info (dropped) | `session`, `key`, `status`, `code`, `error` |
//! | `refresh token passed over` | info (kept, and not sent while the grant is tried) | `session`, `key`, `status`, `code`, `error` |
//! | `credentials refused` | warn | `session`, `key`, `kind`, `status`, `code`, `error` |
//! | `token rejected` | debug | `session`, `key`, `generation`, `status`, `origin` |
//! | `request replayed` | debug | `session`, `key`, `generation`, `attempt` |
//! | `rejection passed on` | debug | `session`, `key`, `kind`, `error` |
//! | `request sent bare` | warn, once for each origin, reason and layer, for the first 16; otherwise debug, and always for `CONNECT` and for a request without a key | `session`, `key` (if the layer has only one session), `origin`, `listed` (where a token may go), `reason`; without a key only `reason` |
//! | `renewals damped` | warn, once for each token; otherwise debug | `session`, `key`, `error` (names the remedy) |
//! | `origin cools down` | warn, each time a [cool-down](crate::manual::troubleshooting#an-origin-cools-down) begins because a token was rejected | `session`, `key`, `origin`, `seconds`, `reason` |
//! | `stronger login asked for` | debug (RFC 9470: the API wants a stronger login of the user, which a renewal cannot bring) | `session`, `key`, `acr_values`, `max_age_s` |
//! | `wider scope asked for` | debug (RFC 6750: the API wants a token with more scope, which a renewal cannot bring) | `session`, `key`, `scope` |
//! | `logged in` | info | `session`, `key`, `credential` |
//! | `logged out` | info | `session`, `key` |
//! | `session evicted` | debug | `session`, `key`, `cause` |
//! | `tokens revoked` | info | `session`, `key` |
//! | `revocation failed` | warn | `session`, `key`, `error` |
//!
//! The events of a renewal are in a span `renewal` (debug) with the fields `session`, `key`, `reason` and `credential`. It has no
//! parent, since a renewal may outlive the call that started it. It *follows from* the span of that call.
//!
//! ```
//! # use tracing_subscriber::{filter::Targets, fmt, prelude::*};
//! // Shows what the layer does, and nothing else.
//! let _guard = tracing_subscriber::registry()
//!     .with(fmt::layer())
//!     .with(Targets::new().with_target("tower_reauth", tracing::Level::DEBUG))
//!     .set_default();
//! ```
//!
//! # What a warning asks for
//! | line | what it means | what to do |
//! | --- | --- | --- |
//! | `renewal failed` | no new token; the line has kind, status and cause | the row of its kind in [*every error kind*](crate::manual::troubleshooting#every-error-kind); nothing if it stops by itself |
//! | `credentials refused` | the server refused the password, the secret, or the last refresh token | if the status is `Refused`: a login, or a new client secret |
//! | `request sent bare` | the request had no token; the line has the reason | [A 401 comes through](crate::manual::troubleshooting#a-401-comes-through) |
//! | `renewals damped` | unexpired tokens are rejected too often, and a call got its rejection for that; once for each token | [A storm of token requests](crate::manual::troubleshooting#a-storm-of-token-requests) |
//! | `origin cools down` | an API rejected a token that was issued because of it | [An origin cools down](crate::manual::troubleshooting#an-origin-cools-down) |
//! | `revocation failed` | the server did not confirm a revocation | [Logout does not revoke](crate::manual::troubleshooting#logout-does-not-revoke) |
//! | `token store failed` | the store cannot be used, or holds a record of somebody else; once, until it works again | [The token store fails](crate::manual::troubleshooting#the-token-store-fails) |
//! | `metadata not renewed` | a server's metadata was due, and could not be had or is refused; the old one goes on being used | nothing if it is a failure of the network; if an endpoint has moved to another origin, and rightly so, allow it by [`endpoint_origins`](crate::TokenEndpoint::endpoint_origins) |
//! | `lease passed over` | another process holds the store's lease and sends nothing: it was stopped, or hangs | nothing; the record's version protects |
//! | `nobody renewed` | the refresh token is dead or was never there, and no process with a password answered within 5 s | a login, if the status is `Refused`; [sticky sessions or a longer-lived refresh token](crate::manual::store#when-only-some-processes-have-the-password) |
//! | `API clock differs` | an API's clock is another one, and it refused a DPoP proof, or rejected a token with one; the next proof for it is dated by its `Date` | set the clock that is wrong: the line says by how much they differ |
//! | `server clock differs` | a signed assertion or a DPoP proof was refused, and the server's clock is another one; the next one is dated by it | set the clock that is wrong: its line says by how much they differ |
//!
//! # What the other lines mean
//! None of these asks for anything by itself. They say what happened around a failure.
//!
//! | line | what it means | when it matters |
//! | --- | --- | --- |
//! | `logged in`, `logged out` | a login began, or was ended by `logout` or `forget` | without a `tokens revoked` after it: [logout does not revoke](crate::manual::troubleshooting#logout-does-not-revoke) |
//! | `renewal started` | a token is fetched; `reason` says why | often `rejected`: [a storm](crate::manual::troubleshooting#a-storm-of-token-requests), or tokens that die early |
//! | `token acquired` | there is a new token; `lifetime_s` is what the server said | 0, where the server says nothing: each end of a token costs a rejection |
//! | `token adopted` | another process had renewed it | never, where there is no store |
//! | `refresh token refused` | the server will not have it; it is dropped, and the grant's own credential is tried | [users are logged out](crate::manual::troubleshooting#users-are-logged-out), if there is none |
//! | `refresh token passed over` | it may still be good, and is kept; the grant's own credential is tried first | the server, or what stands before it, is in trouble |
//! | `token requests paused` | the server answered 429 or 503; nobody who uses this endpoint sends before the pause ends | calls fail with `Unavailable` meanwhile |
//! | `token rejected` | an API said that the token is not good | the next line says what came of it: a renewal, a replay, or the rejection passed on |
//! | `request replayed` | a rejected request was sent again | the caller never saw the rejection |
//! | `rejection passed on` | the caller got the rejection; `kind` says why | [a 401 comes through](crate::manual::troubleshooting#a-401-comes-through) |
//! | `stronger login asked for`, `wider scope asked for` | an API wants what no renewal brings | the caller got its answer; ask the user, or change the grant's scope |
//! | `DPoP nonce asked for` | an API wants a nonce in the proof, or a newer one; where that can help, the request is sent again with it | often: each costs a round trip, and the API lets few requests through with one nonce |
//! | `token bound to a key asked for` | an API offers DPoP alone to a bearer token | the caller got its answer; build the session with a DPoP key (feature `dpop`) |
//! | `session evicted` | it was not used for long, lived for too long, or there were too many | calls of that user fail with `LoggedOut` |
//! | `logged out elsewhere` | another process ended this login, or began another one under its key | [users are logged out](crate::manual::troubleshooting#users-are-logged-out) |
//! | `renewal wanted elsewhere` | a process without a credential of its own asked this one to renew | often: the server gives no refresh token, or ends it early |
//! | `tokens revoked` | the server confirmed a logout | |
//! | `token store works` | the store works again after a failure | what waited to be saved is saved now |
//! | `metadata read` | the issuer's metadata was fetched | its `endpoint` is where the credentials go |
