//! axum's body, with the feature `axum`.

use axum_core::{Error, body::Body};
use bytes::Bytes;
use http_body::Body as HttpBody;
use http_body_util::combinators::UnsyncBoxBody;

use super::{
    KeptBody, Replay,
    boxed::{self, Boxed},
};

/// Kept as a box of `http-body-util` is; the body of a superseded attempt fails.
impl Replay for Body {
    type Kept = KeptBody<Self>;

    fn keep(self, limit: usize) -> (Self, Option<KeptBody<Self>>) {
        boxed::keep(self, limit)
    }

    fn again(kept: &mut KeptBody<Self>) -> Option<Self> {
        boxed::again(kept)
    }

    fn size(kept: &KeptBody<Self>) -> usize {
        kept.size()
    }
}

impl Boxed for Body {
    fn new<B: HttpBody<Data = Bytes, Error = Error> + Send + Sync + 'static>(body: B) -> Self {
        // axum takes a box of this type as it is, and boxes anything else.
        Self::new(UnsyncBoxBody::new(body))
    }
}
