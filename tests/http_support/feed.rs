//! Request bodies that the test feeds, frame by frame.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, error::SendError, unbounded_channel};

use super::{Body, BoxError};

/// Where the frames of a [`Fed`] body come from. The body ends when this is dropped.
pub struct Feeder<E>(UnboundedSender<Result<Frame<Bytes>, E>>);

struct Fed<E>(UnboundedReceiver<Result<Frame<Bytes>, E>>);

/// An error type that nobody but its owner can build a value of.
#[derive(Debug)]
pub struct Sealed(());

/// A chunked body whose error type is the usual one.
pub fn fed() -> (Feeder<BoxError>, Body) {
    let (feeder, body) = unbounded_channel();
    (Feeder(feeder), BoxBody::new(Fed(body)))
}

/// A chunked body whose error the layer can't build.
pub fn fed_sealed() -> (Feeder<Sealed>, BoxBody<Bytes, Sealed>) {
    let (feeder, body) = unbounded_channel();
    (Feeder(feeder), BoxBody::new(Fed(body)))
}

impl<E> Feeder<E> {
    pub fn data(&self, content: impl Into<Bytes>) {
        // Nobody may be listening any more, which is for the test to find out elsewhere.
        let _: Result<(), SendError<_>> = self.0.send(Ok(Frame::data(content.into())));
    }

    pub fn trailers(&self, name: &'static str, value: &'static str) {
        let trailers = [(http::HeaderName::from_static(name), http::HeaderValue::from_static(value))];
        let _: Result<(), SendError<_>> = self.0.send(Ok(Frame::trailers(trailers.into_iter().collect())));
    }

    pub fn error(&self, error: E) {
        let _: Result<(), SendError<_>> = self.0.send(Err(error));
    }

    /// Until the body is gone.
    pub async fn let_go(&self) {
        self.0.closed().await;
    }
}

impl<E> http_body::Body for Fed<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        self.0.poll_recv(cx)
    }
}

impl std::fmt::Display for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sealed")
    }
}

impl std::error::Error for Sealed {}
