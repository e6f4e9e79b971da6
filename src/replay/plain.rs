//! Bodies that are in memory as a whole: a replay sends a clone.

use std::{
    any::TypeId,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::{Either, Empty, Full};

use super::Replay;

/// A clone of `Bytes` or of a static slice costs no memory, so the limit does not apply to them. It applies to any other
/// buffer, since a clone may copy it.
impl<D: Buf + Clone + Send + 'static> Replay for Full<D> {
    type Kept = Self;

    fn keep(&mut self, limit: usize) -> Option<Self> {
        let shared = [TypeId::of::<Bytes>(), TypeId::of::<&'static [u8]>()].contains(&TypeId::of::<D>());
        (shared || Self::size(self) <= limit).then(|| self.clone())
    }

    fn again(kept: &mut Self) -> Option<Self> {
        Some(kept.clone())
    }

    fn size(kept: &Self) -> usize {
        kept.size_hint().lower().try_into().unwrap_or(usize::MAX)
    }
}

/// Costs a reference count, not a copy, so the limit does not apply.
impl Replay for Bytes {
    type Kept = Self;

    fn keep(&mut self, _limit: usize) -> Option<Self> {
        Some(self.clone())
    }

    fn again(kept: &mut Self) -> Option<Self> {
        Some(kept.clone())
    }

    fn size(kept: &Self) -> usize {
        kept.len()
    }
}

/// Costs a copy of the text. `Full<Bytes>` is cheaper.
impl Replay for String {
    type Kept = Self;

    fn keep(&mut self, limit: usize) -> Option<Self> {
        (self.len() <= limit).then(|| self.clone())
    }

    fn again(kept: &mut Self) -> Option<Self> {
        Some(kept.clone())
    }

    fn size(kept: &Self) -> usize {
        kept.len()
    }
}

impl<D> Replay for Empty<D> {
    type Kept = ();

    fn keep(&mut self, _limit: usize) -> Option<()> {
        Some(())
    }

    fn again((): &mut ()) -> Option<Self> {
        Some(Self::new())
    }

    fn size((): &()) -> usize {
        0
    }
}

impl Replay for () {
    type Kept = ();

    fn keep(&mut self, _limit: usize) -> Option<()> {
        Some(())
    }

    fn again((): &mut ()) -> Option<()> {
        Some(())
    }

    fn size((): &()) -> usize {
        0
    }
}

impl<L: Replay, R: Replay> Replay for Either<L, R> {
    type Kept = Either<L::Kept, R::Kept>;

    fn keep(&mut self, limit: usize) -> Option<Self::Kept> {
        match self {
            Self::Left(body) => body.keep(limit).map(Either::Left),
            Self::Right(body) => body.keep(limit).map(Either::Right),
        }
    }

    fn again(kept: &mut Self::Kept) -> Option<Self> {
        Some(match kept {
            Either::Left(kept) => Self::Left(L::again(kept)?),
            Either::Right(kept) => Self::Right(R::again(kept)?),
        })
    }

    fn poll_released(kept: &mut Self::Kept, cx: &mut Context<'_>) -> Poll<()> {
        match kept {
            Either::Left(kept) => L::poll_released(kept, cx),
            Either::Right(kept) => R::poll_released(kept, cx),
        }
    }

    fn size(kept: &Self::Kept) -> usize {
        match kept {
            Either::Left(kept) => L::size(kept),
            Either::Right(kept) => R::size(kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, io::Cursor};

    use http_body_util::BodyExt;

    use super::*;

    async fn read<B: Body<Error: std::fmt::Debug>>(body: B) -> Vec<u8> {
        body.collect().await.expect("these bodies never fail").to_bytes().to_vec()
    }

    async fn is_replayed_twice<B: Body<Error: std::fmt::Debug> + Replay>(mut body: B, content: &[u8]) {
        let (hint, ended) = (body.size_hint().exact(), body.is_end_stream());
        let mut kept = body.keep(1024).expect("below the limit");
        assert_eq!(B::size(&kept), content.len());
        for body in [Some(body), B::again(&mut kept), B::again(&mut kept)] {
            let body = body.expect("can be had again and again");
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (hint, ended));
            assert_eq!(read(body).await, content);
        }
    }

    #[tokio::test]
    async fn bodies_in_memory_are_replayed_byte_for_byte() {
        is_replayed_twice(Full::new(Bytes::from_static(b"abc")), b"abc").await;
        is_replayed_twice(Full::new(Cursor::new(vec![1, 2, 3])), &[1, 2, 3]).await;
        is_replayed_twice(Full::new(VecDeque::from([7, 8, 9])), &[7, 8, 9]).await;
        is_replayed_twice(Full::<Bytes>::default(), b"").await;
        is_replayed_twice(Empty::<Bytes>::new(), b"").await;
        is_replayed_twice(String::from("Füße"), "Füße".as_bytes()).await;
        is_replayed_twice(String::new(), b"").await;
        is_replayed_twice(Either::<Full<Bytes>, Empty<Bytes>>::Left(Full::from("left")), b"left").await;
        is_replayed_twice(Either::<Full<Bytes>, Empty<Bytes>>::Right(Empty::new()), b"").await;
    }

    #[test]
    fn bare_bytes_and_unit_are_kept() {
        let mut first = Bytes::from_static(b"abc");
        let mut kept = first.keep(0).expect("the limit does not apply");
        assert_eq!((first, Bytes::again(&mut kept), Bytes::size(&kept)), ("abc".into(), Some("abc".into()), 3));
        assert_eq!(<() as Replay>::again(&mut ().keep(0).expect("nothing to keep")), Some(()));
    }

    #[test]
    fn shared_bytes_of_any_size_are_kept_without_a_copy() {
        let content = Bytes::from(vec![1; 10_000]);
        let kept = Full::new(content.clone()).keep(16).expect("nothing is buffered");
        assert_eq!(Full::<Bytes>::size(&kept), 10_000);
        assert_eq!(kept.into_inner().expect("not read yet").as_ptr(), content.as_ptr());
        assert!(Full::new(&[1; 100][..]).keep(16).is_some());
    }

    #[tokio::test]
    async fn copies_above_the_limit_are_not_kept_and_still_sent() {
        let mut body = "x".repeat(17);
        assert!(body.keep(16).is_none());
        assert_eq!(body.len(), 17);
        let mut body = Full::new(Cursor::new(vec![5; 17]));
        assert!(body.keep(16).is_none());
        assert_eq!(read(body).await, [5; 17]);
        assert!("x".repeat(16).keep(16).is_some());
        assert!(Either::<Empty<Bytes>, String>::Right("x".repeat(17)).keep(16).is_none());
    }
}
