//! reqwest's body, with the feature `reqwest`.

use std::{
    error::Error as StdError,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Either, combinators::BoxBody};
use reqwest::Body;

use super::Replay;

/// What a body is: bytes, or a stream. In this form the errors of a stream are such that the body of a superseded
/// attempt can fail; reqwest makes errors of its own of them.
type Content = Either<Bytes, BoxBody<Bytes, Box<dyn StdError + Send + Sync>>>;

/// reqwest's body, `reqwest::Body`, with the feature `reqwest`. Bytes of any size are kept by reference. Streams, multipart forms
/// and files are recorded up to the limit while they are sent. The body of an abandoned attempt fails.
impl Replay for Body {
    type Kept = <Content as Replay>::Kept;

    fn keep(&mut self, limit: usize) -> Option<Self::Kept> {
        let mut content = content(mem::take(self));
        let kept = content.keep(limit);
        *self = body(content);
        kept
    }

    fn again(kept: &mut Self::Kept) -> Option<Self> {
        Content::again(kept).map(body)
    }

    fn size(kept: &Self::Kept) -> usize {
        Content::size(kept)
    }
}

fn content(mut body: Body) -> Content {
    if body.as_bytes().is_none() {
        return Either::Right(body.map_err(Into::into).boxed());
    }
    // Only a poll hands out the bytes without a copy.
    match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => Either::Left(frame.into_data().unwrap_or_default()),
        _ => Either::Left(Bytes::new()),
    }
}

fn body(content: Content) -> Body {
    match content {
        Either::Left(bytes) => bytes.into(),
        Either::Right(stream) => Body::wrap(stream),
    }
}
