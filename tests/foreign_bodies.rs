//! What the bodies of axum, tonic and reqwest promise: the first attempt is the original, and a replay is the same.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt::Debug,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::FutureExt;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tower_reauth::Replay;

/// Gives its frames one by one; `None` is a moment in which there is nothing.
#[derive(Clone, Default)]
struct Script {
    frames: VecDeque<Option<Piece>>,
    size: Option<u64>,
    polls: Arc<AtomicUsize>,
}

#[derive(Clone)]
enum Piece {
    Data(&'static str),
    Trailer(&'static str),
}

impl Script {
    fn new(frames: impl IntoIterator<Item = Option<Piece>>) -> Self {
        Self { frames: frames.into_iter().collect(), ..Self::default() }
    }

    fn sized(self, size: u64) -> Self {
        Self { size: Some(size), ..self }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        match self.frames.pop_front() {
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Some(Piece::Data(data))) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            Some(Some(Piece::Trailer(value))) => {
                let trailers = HeaderMap::from_iter([("x-checksum".parse().unwrap(), value.parse().unwrap())]);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

fn data(data: &'static str) -> Option<Piece> {
    Some(Piece::Data(data))
}

/// Reads a body that is never pending for long.
async fn read<B: Body<Data = Bytes, Error: Debug>>(body: B) -> (Bytes, Option<HeaderMap>) {
    let whole = body.collect().await.expect("a whole body");
    let trailers = whole.trailers().cloned();
    (whole.to_bytes(), trailers)
}

async fn keeps_its_promises<B>(make: impl Fn(Script) -> B)
where
    B: Replay + Body<Data = Bytes, Error: Debug> + Unpin + Send + 'static,
{
    // One frame that is ready, a stream, and nothing at all; trailers too.
    let trailer = || Some(Piece::Trailer("17"));
    for frames in
        [vec![data("one"), trailer()], vec![data("one"), None, data("two"), trailer()], vec![data("one")], vec![]]
    {
        let original = read(make(Script::new(frames.clone()))).await;
        let mut first = make(Script::new(frames));
        let mut kept = first.keep(64).expect("within the limit");
        assert_eq!(read(first).await, original);
        for _ in 0..2 {
            assert_eq!(read(B::again(&mut kept).expect("again and again")).await, original);
        }
    }

    // What says how long it is keeps saying so: it stays a request with a content-length.
    let mut first = make(Script::new([data("one")]).sized(3));
    let second = first.keep(64).and_then(|mut kept| B::again(&mut kept)).expect("within the limit");
    assert_eq!((first.size_hint().exact(), second.size_hint().exact()), (Some(3), Some(3)));

    // Over the limit by its own word: not even looked at.
    let script = Script::new([data("0123456789")]).sized(10);
    let polls = script.polls.clone();
    let mut first = make(script);
    assert!(first.keep(9).is_none());
    assert_eq!(polls.load(Ordering::Relaxed), 0);
    assert_eq!(read(first).await.0, "0123456789");

    // A stream that turns out to be over the limit: sent once.
    let mut first = make(Script::new([data("01234"), None, data("56789")]));
    let kept = first.keep(9);
    assert_eq!(read(first).await.0, "0123456789");
    assert!(B::again(&mut kept.expect("nobody knew")).is_none());

    // A body that a replay supersedes fails, also one that waits for its stream.
    // (The first of the two moments goes by while the body is kept.)
    let mut first = make(Script::new([data("one"), None, None, data("two")]));
    let kept = first.keep(64);
    assert_eq!(first.frame().await.and_then(|frame| frame.unwrap().into_data().ok()), Some("one".into()));
    assert!(first.frame().now_or_never().is_none());
    let second = B::again(&mut kept.expect("within the limit")).expect("the first can fail");
    assert!(first.frame().await.is_some_and(|frame| frame.is_err()));
    assert_eq!(read(second).await.0, "onetwo");
}

#[tokio::test]
async fn body_of_axum_keeps_its_promises() {
    keeps_its_promises(axum::body::Body::new).await;
}

#[tokio::test]
async fn body_of_tonic_keeps_its_promises() {
    keeps_its_promises(tonic::body::Body::new).await;
}

#[tokio::test]
async fn body_of_reqwest_keeps_its_promises() {
    keeps_its_promises(reqwest::Body::wrap).await;
}

#[test]
fn bytes_of_reqwest_are_kept_by_reference_and_stay_bytes() {
    for content in [Bytes::from(vec![1; 10_000]), Bytes::new()] {
        let mut first = reqwest::Body::from(content.clone());
        let mut kept = first.keep(0).expect("nothing is buffered");
        assert_eq!(<reqwest::Body as Replay>::size(&kept), content.len());
        for body in [first, reqwest::Body::again(&mut kept).expect("kept")] {
            let bytes = body.as_bytes().expect("no stream");
            assert_eq!(bytes, content);
            assert!(bytes.is_empty() || bytes.as_ptr() == content.as_ptr());
        }
    }
}
