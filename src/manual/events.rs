//! Every event that this crate sends to [`tracing`](https://docs.rs/tracing).
//!
//! The target is `tower_reauth`. No field holds a secret, a query, or the path of a request. An `error` names the address of the
//! token endpoint, and holds its causes in one line.
//! [`troubleshooting`](crate::manual::troubleshooting#warnings-in-the-log) says what to do about each warning.
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
//! | `logged out elsewhere` | info (another process ended the login, or began a new one) | `session`, `key` |
//! | `renewal failed` | warn; debug where the login ended meanwhile | `session`, `key`, `kind`, `status`, `error` |
//! | `token requests paused` | debug | `endpoint` (host and port), `status`, `retry_after_s` (0: not said) |
//! | `server clock differs` | warn (an assertion was refused; the next one is dated by the server's clock) | `endpoint`, `ahead_s` (seconds that it is ahead; negative: behind) |
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
