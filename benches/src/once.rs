//! A body that can be sent only once.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use tower_reauth::Replay;

use crate::Payload;

/// The same bytes as [`Payload`], of which no replay is possible.
pub struct Once(Payload);

impl From<Payload> for Once {
    fn from(payload: Payload) -> Self {
        Self(payload)
    }
}

impl Replay for Once {
    type Kept = ();

    fn keep(&mut self, _limit: usize) -> Option<()> {
        None
    }

    fn again((): &mut ()) -> Option<Self> {
        None
    }

    fn size((): &()) -> usize {
        0
    }
}

impl Body for Once {
    type Data = <Payload as Body>::Data;
    type Error = <Payload as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
