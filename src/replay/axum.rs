//! axum's body, with the feature `axum`.

use axum_core::{Error, body::Body};
use http_body_util::combinators::UnsyncBoxBody;

use super::boxed::replay_boxed;

replay_boxed! {
    /// axum's body, `axum::body::Body`, with the feature `axum`. It is kept as a box of `http-body-util` is; the body of a
    /// superseded attempt fails.
    // axum takes a box of this type as it is, and boxes anything else.
    impl for Body, with Error, by |body| Body::new(UnsyncBoxBody::new(body))
}
