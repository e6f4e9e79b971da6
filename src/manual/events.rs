//! What this crate says to [`tracing`](https://docs.rs/tracing): the whole list.
//!
//! The target is `tower_reauth`. No field ever holds a secret or a query, nor the path of a request; an `error` names the
//! address of the token endpoint, and holds its causes in one line.
//!
//! 1. From INFO on every event names its session, so that one line is enough to know whose renewal failed, and why:
//!    `session` is a number, and `key`, where the session was put into [`Sessions`](crate::Sessions), a hash of its key. The
//!    hash function is keyed at random by each process: it tells one user from another, and not who they are.
//! 2. From INFO on there is one line for a crowd, not one for each caller: a renewal that fails for a thousand calls is told
//!    once. What each of them meets is told at DEBUG.
//!
//! | event (message) | level | fields |
//! | --- | --- | --- |
//! | `renewal started` | debug | `session`, `key`, `reason` |
//! | `token acquired` | info | `session`, `key`, `reason`, `generation`, `lifetime_s` (0: unknown) |
//! | `renewal failed` | warn; debug where the login ended meanwhile | `session`, `key`, `kind`, `status`, `error` |
//! | `token requests paused` | debug | `endpoint` (host and port), `status`, `retry_after_s` (0: not said) |
//! | `refresh token passed over` | info | `session`, `key`, `status`, `code`, `error` |
//! | `refresh token refused` | info | `session`, `key`, `status`, `code`, `error` |
//! | `refresh token passed over` | info (kept, and not sent while the grant is tried) | `session`, `key`, `status`, `code`, `error` |
//! | `credentials refused` | warn | `session`, `key`, `kind`, `status`, `code`, `error` |
//! | `token rejected` | debug | `session`, `key`, `generation`, `status`, `origin` |
//! | `request replayed` | debug | `session`, `key`, `generation`, `attempt` |
//! | `rejection passed on` | debug | `session`, `key`, `kind`, `error` |
//! | `request sent bare` | warn, once an origin and layer, for the first 16; else debug | `session` (where the layer has one), `origin`, `listed` (where a token may go), `reason` |
//! | `renewals damped` | warn, once a token; else debug | `session`, `key`, `error` (names the remedy) |
//! | `origin cools down` | warn | `session`, `key`, `origin`, `seconds`, `reason` |
//! | `stronger login asked for` | debug | (RFC 9470: the API wants another login, which no renewal brings) |
//! | `logged in` | info | `session`, `key`, `credential` |
//! | `logged out` | info | `session`, `key` |
//! | `session evicted` | debug | `session`, `key`, `cause` |
//! | `tokens revoked` | info | `session`, `key` |
//! | `revocation failed` | warn | `session`, `key`, `error` |
//!
//! The events of a renewal stand in a span `renewal` (debug) with the fields `session`, `key`, `reason` and `credential`. It is
//! a root, since a renewal may outlive the call that started it, and *follows from* the span of that call.
//!
//! ```
//! # use tracing_subscriber::{filter::Targets, fmt, prelude::*};
//! // Shows what the layer does, and nothing else.
//! let _guard = tracing_subscriber::registry()
//!     .with(fmt::layer())
//!     .with(Targets::new().with_target("tower_reauth", tracing::Level::DEBUG))
//!     .set_default();
//! ```
