//! Request bodies that can be sent again, byte for byte (invariant 11).

#[cfg(feature = "axum")]
mod axum;
mod boxed;
mod frames;
mod head;
mod plain;
mod pool;
mod recording;
#[cfg(all(feature = "reqwest", not(all(target_arch = "wasm32", any(target_os = "unknown", target_os = "none")))))]
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
/// Bodies in memory ([`Full`](http_body_util::Full), [`Empty`](http_body_util::Empty), `Bytes`, `String`) are kept as a clone:
/// `Bytes` of any size, anything that is copied up to the [`replay_limit`](crate::ReauthLayer::replay_limit). Boxed bodies are
/// recorded while they are sent, up to the same limit. An [`Either`](http_body_util::Either) is kept like the body that it holds.
/// A body that is merely `Clone` is not enough: the clones of some bodies share one stream.
///
/// The features `axum`, `tonic` and `reqwest` add the body types of these crates. Box the body type of any other library (kube,
/// octocrab, hyper's `Incoming`) outside the layer, with `.map_request_body(..)` of `tower-http` or `.map_request(..)` of
/// `tower`: [`manual::clients`](crate::manual::clients#any-other-body) shows how.
///
/// 1. The first body and each later one yield the same bytes and trailers, and have the same size hint.
/// 2. The body that is sent yields what the original would have, errors included, whether or not it is kept.
/// 3. A body that cannot be had again in full is `None`. The caller then gets the rejection as it came.
/// 4. Once there is a later body, an unfinished earlier one must fail, and not end: with chunked HTTP/1.1 a truncated request
///    would look complete. If there is no later body, the earlier one is sent on as if nothing had happened.
///
/// For a type of your own that holds its content:
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
///     fn keep(&mut self, limit: usize) -> Option<Self::Kept> {
///         self.0.keep(limit)
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

    /// What a replay needs of this body: `None` if a replay would have to buffer more than `limit` bytes. Bytes that are shared
    /// and not copied do not count.
    ///
    /// The body stays where it is and is the one that is sent now. A stream that is to be recorded puts the body that records
    /// it in its own place. Called once, before the body is polled.
    fn keep(&mut self, limit: usize) -> Option<Self::Kept>;

    /// The body once more, from its first byte. `None` if that is not possible. May be called several times.
    fn again(kept: &mut Self::Kept) -> Option<Self>;

    /// Ready once no earlier attempt blocks [`again`](Replay::again).
    ///
    /// This is for bodies that are read from a stream while they are sent: a rejection may come before the stream has ended. The
    /// layer then waits for up to a second. A body that is kept whole need not implement it.
    fn poll_released(_kept: &mut Self::Kept, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// How many bytes are kept alive now, shared ones included, for the layer's
    /// [`parked_limit`](crate::ReauthLayer::parked_limit). A recording grows up to its limit while its body is sent.
    fn size(kept: &Self::Kept) -> usize;
}
