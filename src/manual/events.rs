//! What this crate says to [`tracing`](https://docs.rs/tracing): the whole list.
//!
//! The target is `tower_reauth`. No field ever holds a secret or a query, nor the path of a request; an `error` names the
//! address of the token endpoint.
//!
//! | event (message) | level | fields |
//! | --- | --- | --- |
//! | `renewal started` | debug | |
//! | `token acquired` | info | `generation`, `lifetime_s` (0: unknown) |
//! | `renewal failed` | warn | `kind`, `status`, `error` |
//! | `token requests paused` | debug | `endpoint` (host and port), `status`, `retry_after_s` (0: not said) |
//! | `refresh token refused` | info | `status`, `code` |
//! | `credentials refused` | warn | `kind`, `status`, `code` |
//! | `token rejected` | info | `session`, `generation`, `status`, `origin` |
//! | `request replayed` | debug | `session`, `generation`, `attempt` |
//! | `rejection passed on` | info | `session`, `kind`, `error` |
//! | `token withheld` | debug | `reason` |
//! | `renewals damped` | warn | `session`, `error` (names the remedy) |
//! | `origin cools down` | warn | `session`, `origin`, `seconds` |
//! | `stronger login asked for` | info | (RFC 9470: the API wants another login, which no renewal brings) |
//! | `logged in` | info | `session`, `credential` |
//! | `logged out` | info | `session` |
//! | `session evicted` | debug | `session`, `cause` |
//! | `tokens revoked` | info | `session` |
//! | `revocation failed` | warn | `session`, `error` |
//!
//! The events of a renewal stand in a span `renewal` with the fields `session`, `reason` and `credential`; it is a child of the
//! span of the call that started it.
//!
//! ```
//! # use tracing_subscriber::{EnvFilter, fmt, prelude::*};
//! // Shows what the layer does, and nothing else.
//! let _guard = tracing_subscriber::registry()
//!     .with(fmt::layer())
//!     .with(EnvFilter::new("tower_reauth=debug"))
//!     .set_default();
//! ```
