//! The body of a response that came through the layer.

use std::{
    collections::VecDeque,
    fmt,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

const MOST_FRAMES: usize = 1024;

pin_project! {
    /// The inner service's response body, complete, whether the layer has read from it or not.
    ///
    /// Its frames are those of the inner service, with the same data type and the same errors. If the layer has not read from
    /// it, it costs nothing.
    #[project = ResponseBodyProjection]
    pub struct ResponseBody<R: Body> {
        #[pin]
        inside: Inside<R>,
    }
}

pin_project! {
    #[project = InsideProjection]
    enum Inside<R: Body> {
        Plain { #[pin] body: R },
        /// Nothing of one that was let go and had nothing in it.
        Looked { looked: Option<Pin<Box<Looked<R>>>> },
    }
}

pin_project! {
    /// A body of which some frames were read ahead; they are handed out first.
    ///
    /// The inner service's body goes as soon as it has ended: a place in a pool may live as long as it does.
    struct Looked<R: Body> {
        frames: VecDeque<Frame<R::Data>>,
        failure: Option<R::Error>,
        // What a classifier may look at: the first bytes of the frames, in one piece.
        seen: Vec<u8>,
        read: usize,
        #[pin]
        rest: Option<R>,
    }
}

/// What one more look brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A frame was read.
    More,
    /// There is nothing more: the body has ended or failed.
    End,
}

impl<R: Body> ResponseBody<R> {
    pub(super) fn plain(body: R) -> Self {
        Self { inside: Inside::Plain { body } }
    }

    /// The inner service's body, if nothing was read ahead of it.
    ///
    /// # Errors
    /// Gives the body back if the layer has read from it.
    pub fn try_into_inner(self) -> Result<R, Self> {
        match self.inside {
            Inside::Plain { body } => Ok(body),
            inside @ Inside::Looked { .. } => Err(Self { inside }),
        }
    }

    /// Gets ready to read ahead, where there is anything to read.
    pub(super) fn into_looked(self) -> Self {
        let looked = match self.inside {
            Inside::Plain { body } if body.is_end_stream() => return Self::plain(body),
            Inside::Plain { body } => {
                Box::pin(Looked { frames: VecDeque::new(), failure: None, seen: Vec::new(), read: 0, rest: Some(body) })
            }
            inside @ Inside::Looked { .. } => return Self { inside },
        };
        Self { inside: Inside::Looked { looked: Some(looked) } }
    }

    /// The same, and where there is nothing to read, the inner service's body goes at once.
    pub(super) fn let_go(self) -> Self {
        let inside = match self.into_looked().inside {
            Inside::Plain { .. } => Inside::Looked { looked: None },
            looked @ Inside::Looked { .. } => looked,
        };
        Self { inside }
    }

    /// Reads one frame ahead, and keeps it for the caller. Copies up to `show` bytes in all for [`seen`](Self::seen).
    pub(super) fn poll_look(&mut self, cx: &mut Context<'_>, show: usize) -> Poll<Look> {
        match &mut self.inside {
            Inside::Looked { looked: Some(looked) } => looked.as_mut().poll_look(cx, show),
            _ => Poll::Ready(Look::End),
        }
    }

    /// What a classifier may look at.
    pub(super) fn seen(&self) -> (&[u8], Option<&HeaderMap>) {
        match &self.inside {
            Inside::Looked { looked: Some(looked) } => {
                (&looked.seen, looked.frames.back().and_then(|frame| frame.trailers_ref()))
            }
            _ => (&[], None),
        }
    }

    /// The looking is over: only the frames themselves are still needed.
    pub(super) fn forget_seen(&mut self) {
        if let Inside::Looked { looked: Some(looked) } = &mut self.inside {
            *looked.as_mut().project().seen = Vec::new();
        }
    }

    /// Whether that many bytes were read ahead, or so many frames that reading on would cost more than it brings.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        match &self.inside {
            Inside::Looked { looked: Some(looked) } => looked.read >= bytes || looked.frames.len() >= MOST_FRAMES,
            _ => true,
        }
    }

    /// Whether the inner service's body is gone: all that was in it, if anything, is kept here.
    pub(super) fn is_whole(&self) -> bool {
        match &self.inside {
            Inside::Plain { .. } => false,
            Inside::Looked { looked } => looked.as_ref().is_none_or(|looked| looked.rest.is_none()),
        }
    }

    /// How many bytes are kept, with what their frames cost.
    pub(super) fn held(&self) -> usize {
        match &self.inside {
            Inside::Looked { looked: Some(looked) } => {
                looked.read.saturating_add(looked.frames.capacity() * size_of::<Frame<R::Data>>())
            }
            _ => 0,
        }
    }
}

impl<R: Body> ResponseBody<R> {
    /// How many bytes are known to come from the inner service. Unlike `size_hint` without a walk over all that is kept.
    pub(super) fn to_come(&self) -> usize {
        let rest = match &self.inside {
            Inside::Plain { body } => Some(body),
            Inside::Looked { looked } => looked.as_ref().and_then(|looked| looked.rest.as_ref()),
        };
        rest.map_or(0, |rest| rest.size_hint().lower().try_into().unwrap_or(usize::MAX))
    }
}

impl<R: Body> Looked<R> {
    fn poll_look(self: Pin<&mut Self>, cx: &mut Context<'_>, show: usize) -> Poll<Look> {
        let mut this = self.project();
        let Some(rest) = this.rest.as_mut().as_pin_mut() else { return Poll::Ready(Look::End) };
        Poll::Ready(match ready!(rest.poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    *this.read = this.read.saturating_add(data.remaining());
                    copy_start(data, show.saturating_sub(this.seen.len()), this.seen);
                }
                this.frames.push_back(frame);
                Look::More
            }
            Some(Err(error)) => {
                *this.failure = Some(error);
                this.rest.set(None);
                Look::End
            }
            None => {
                this.rest.set(None);
                Look::End
            }
        })
    }
}

impl<R: Body> Body for ResponseBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        match self.project().inside.project() {
            InsideProjection::Plain { body } => body.poll_frame(cx),
            InsideProjection::Looked { looked } => {
                let Some(looked) = looked else { return Poll::Ready(None) };
                let looked = looked.as_mut().project();
                if let Some(frame) = looked.frames.pop_front() {
                    return Poll::Ready(Some(Ok(frame)));
                }
                if let Some(error) = looked.failure.take() {
                    return Poll::Ready(Some(Err(error)));
                }
                looked.rest.as_pin_mut().map_or(Poll::Ready(None), |rest| rest.poll_frame(cx))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inside {
            Inside::Plain { body } => body.is_end_stream(),
            Inside::Looked { looked } => looked.as_ref().is_none_or(|looked| {
                let ended = looked.rest.as_ref().is_none_or(Body::is_end_stream);
                looked.frames.is_empty() && looked.failure.is_none() && ended
            }),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inside {
            Inside::Plain { body } => body.size_hint(),
            Inside::Looked { looked: None } => SizeHint::with_exact(0),
            Inside::Looked { looked: Some(looked) } => {
                let ahead: u64 =
                    looked.frames.iter().filter_map(Frame::data_ref).map(|data| data.remaining() as u64).sum();
                let rest = match (&looked.failure, &looked.rest) {
                    // Invariant 8: what failed is not whole, so its length is not known.
                    (Some(_), _) => SizeHint::new(),
                    (None, None) => SizeHint::with_exact(0),
                    (None, Some(rest)) => rest.size_hint(),
                };
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(ahead));
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ahead)) {
                    hint.set_upper(upper);
                }
                hint
            }
        }
    }
}

impl<R: Body + Default> Default for ResponseBody<R> {
    fn default() -> Self {
        Self::plain(R::default())
    }
}

impl<R: Body> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The frames hold what the server said, which is nobody's business here.
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

/// Copies the first bytes of a buffer without taking anything from it.
fn copy_start(data: &impl Buf, mut room: usize, to: &mut Vec<u8>) {
    // Sixteen pieces a frame are far more than any transport makes; a classifier decides by what it sees.
    let mut pieces = [IoSlice::new(&[]); 16];
    let filled = data.chunks_vectored(&mut pieces);
    for piece in &pieces[..filled] {
        let piece = &piece[..piece.len().min(room)];
        to.extend_from_slice(piece);
        room -= piece.len();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    type Step = Result<Frame<Bytes>, &'static str>;

    /// A body of unknown length that was read ahead to its end.
    async fn looked(steps: Vec<Step>) -> ResponseBody<impl Body<Data = Bytes, Error = &'static str> + Unpin> {
        let mut body = ResponseBody::plain(StreamBody::new(stream::iter(steps))).into_looked();
        while std::future::poll_fn(|cx| body.poll_look(cx, 3)).await == Look::More {}
        body
    }

    fn data(text: &'static str) -> Step {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn body_that_was_read_ahead_comes_whole_with_its_trailers() {
        let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]);
        let body = looked(vec![data("ab"), data("cd"), Ok(Frame::trailers(trailers.clone()))]).await;
        assert_eq!(body.seen(), (&b"abc"[..], Some(&trailers)));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
        let whole = body.collect().await.unwrap();
        assert_eq!(whole.trailers(), Some(&trailers));
        assert_eq!(whole.to_bytes(), "abcd");
    }

    #[tokio::test]
    async fn body_that_failed_while_it_was_read_ahead_is_never_taken_for_a_short_one() {
        let mut body = looked(vec![data("ab"), Err("broken")]).await;
        // A server that forwards it would announce that length, and the caller would take the start for the whole.
        assert_eq!(body.size_hint().exact(), None);
        assert_eq!(body.size_hint().lower(), 2);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert!(!body.is_end_stream());
        assert_eq!(body.size_hint().exact(), None);
        assert_eq!(body.frame().await.unwrap().unwrap_err(), "broken");
        assert!(body.frame().await.is_none());
        assert!(body.is_end_stream());
    }
}
