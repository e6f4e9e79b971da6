//! tonic's body, with the feature `tonic`.

use http_body_util::combinators::UnsyncBoxBody;
use tonic::{Status, body::Body};

use super::boxed::replay_boxed;

replay_boxed! {
    /// tonic's body, `tonic::body::Body`, with the feature `tonic`. It is kept as a box of `http-body-util` is: the message of a
    /// unary call or of a server stream whole, compressed or not; the messages of a client stream while they are sent. The body
    /// of a superseded attempt fails.
    // tonic takes a box of this type as it is, and boxes anything else.
    impl for Body, with Status, by |body| Body::new(UnsyncBoxBody::new(body))
}
