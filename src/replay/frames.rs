//! Frames that can be had again, and the size of a body that is partly read.

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

/// A frame that can be had again.
#[derive(Clone)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

/// The size of what is left of a body, after the hint that it gave at first.
///
/// The hint of a replay is that of the original, so that both are framed in the same way on the wire (`Content-Length`
/// or chunked, RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rest {
    lower: u64,
    // `u64::MAX` where there is none: a body is never as long.
    upper: u64,
}

impl Piece {
    /// `None` for a kind of frame that is not known here.
    pub(super) fn new(frame: &Frame<Bytes>) -> Option<Self> {
        let data = frame.data_ref().map(|data| Self::Data(data.clone()));
        data.or_else(|| frame.trailers_ref().map(|trailers| Self::Trailers(Box::new(trailers.clone()))))
    }

    pub(super) fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(*trailers),
        }
    }

    /// In bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(trailers) => trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum(),
        }
    }
}

impl Rest {
    pub(super) fn new(hint: &SizeHint) -> Self {
        Self { lower: hint.lower(), upper: hint.upper().unwrap_or(u64::MAX) }
    }

    /// Takes off what was read with a frame.
    pub(super) fn shorten(&mut self, frame: &Frame<Bytes>) {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.lower = self.lower.saturating_sub(length);
        if self.upper != u64::MAX {
            self.upper = self.upper.saturating_sub(length);
        }
    }

    pub(super) fn hint(self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.lower);
        if self.upper != u64::MAX {
            hint.set_upper(self.upper);
        }
        hint
    }
}
