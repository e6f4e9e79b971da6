//! Request bodies that can be sent again, byte for byte (invariant 11).

#[cfg(feature = "axum")]
mod axum;
mod boxed;
mod frames;
mod head;
mod plain;
mod pool;
mod recording;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(test)]
mod script;
mod superseded;
mod tape;
#[cfg(feature = "tonic")]
mod tonic;

use std::task::{Context, Poll};

pub use self::boxed::KeptBody;
pub(crate) use self::head::KeptHead;

/// A request body that can be sent again.
///
/// Bodies in memory ([`Full`](http_body_util::Full), [`Empty`](http_body_util::Empty), `String`) are kept as a clone, boxed
/// bodies are recorded while they are sent, [`Either`](http_body_util::Either) is what it holds. There is no
/// implementation for every body that is `Clone`, because the clones of some share one stream.
///
/// The body types of axum, tonic and reqwest come with the features `axum`, `tonic` and `reqwest`. The body type of any other
/// library (kube, octocrab, hyper's `Incoming`) is boxed outside the layer:
/// [`manual::clients`](crate::manual::clients#any-other-body) shows how.
///
/// 1. The first body and each later one yield the same bytes and trailers, and have the same size hint.
/// 2. The body that is sent yields what the original would have, its error too, whether or not it is kept.
/// 3. What cannot be had again in full is `None`, and then the caller gets the rejection as it came.
/// 4. Once there is a later body, an earlier one that was not read to its end must not end as if it were whole: with
///    chunked HTTP/1.1 a cut-off request would be a valid one.
///
/// A type of one's own that holds its content:
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use tower_reauth::Replay;
///
/// struct Form(Full<Bytes>);
///
/// impl Replay for Form {
///     type Kept = <Full<Bytes> as Replay>::Kept;
///
///     fn keep(self, limit: usize) -> (Self, Option<Self::Kept>) {
///         let (body, kept) = self.0.keep(limit);
///         (Self(body), kept)
///     }
///
///     fn again(kept: &mut Self::Kept) -> Option<Self> {
///         Full::again(kept).map(Self)
///     }
///
///     fn size(kept: &Self::Kept) -> usize {
///         <Full<Bytes> as Replay>::size(kept)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be replayed by tower-reauth",
    label = "this request body type has no `Replay`",
    note = "for the bodies of axum, tonic and reqwest switch on the feature of tower-reauth with that name",
    note = "box any other body outside the layer, `hyper::body::Incoming` and those of kube and octocrab among them: `.map_request_body(|body: Incoming| body.boxed_unsync())`, by `tower_http::ServiceBuilderExt` and `http_body_util::BodyExt`",
    note = "`tower_reauth::manual::clients` shows it; for a body type of your own implement `tower_reauth::Replay`"
)]
pub trait Replay: Sized {
    /// What is kept of the body until its response is known.
    type Kept: Send + 'static;

    /// Splits the body into the one that is sent now and what a replay needs; nothing where a replay would have to
    /// buffer more than `limit` bytes. What is shared and not copied does not count.
    fn keep(self, limit: usize) -> (Self, Option<Self::Kept>);

    /// The body once more, from its first byte; `None` when it cannot be had (again). May be called several times.
    fn again(kept: &mut Self::Kept) -> Option<Self>;

    /// Ready once no earlier attempt stands in the way of [`again`](Replay::again).
    ///
    /// For bodies that are read from a stream while they are sent: a rejection may come before that is done, and the
    /// layer then waits for up to a second. What is kept whole need not implement it.
    fn poll_released(_kept: &mut Self::Kept, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// How many bytes are kept alive at this moment, shared ones too, for the layer's budget. A recording grows, up to
    /// its limit, for as long as its body is sent.
    fn size(kept: &Self::Kept) -> usize;
}
