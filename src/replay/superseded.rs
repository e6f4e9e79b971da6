//! The error of a body that must not simply end.

use std::{any::Any, error::Error as StdError, io, task::Poll};

use crate::error::{Error, ErrorKind};

/// The error of a body that a newer attempt has superseded, for the error types that can carry it.
pub(super) fn superseded<E: 'static>() -> Option<E> {
    let why = || Error::new(ErrorKind::NotReplayable, "this attempt was given up: a newer one sends the same request");
    let mut error: Option<E> = None;
    let slot: &mut dyn Any = &mut error;
    if let Some(slot) = slot.downcast_mut::<Option<Box<dyn StdError + Send + Sync>>>() {
        *slot = Some(why().into());
    } else if let Some(slot) = slot.downcast_mut::<Option<io::Error>>() {
        *slot = Some(io::Error::other(why()));
    } else if let Some(slot) = slot.downcast_mut::<Option<Error>>() {
        *slot = Some(why());
    }
    #[cfg(feature = "axum")]
    if let Some(slot) = slot.downcast_mut::<Option<axum_core::Error>>() {
        *slot = Some(axum_core::Error::new(why()));
    }
    #[cfg(feature = "tonic")]
    if let Some(slot) = slot.downcast_mut::<Option<tonic::Status>>() {
        *slot = Some(tonic::Status::from_error(why().into()));
    }
    error
}

/// Where no error can be built only a body that is polled again after a panic comes here: an end would look like the
/// end of the whole body, so there is none.
pub(super) fn fail<T, E: 'static>() -> Poll<Option<Result<T, E>>> {
    superseded().map_or(Poll::Pending, |error| Poll::Ready(Some(Err(error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_can_be_built_for_the_usual_error_types() {
        assert!(superseded::<Box<dyn StdError + Send + Sync>>().is_some_and(|error| Error::find(&*error).is_some()));
        assert!(superseded::<io::Error>().is_some());
        assert!(superseded::<Error>().is_some());
        assert!(superseded::<std::convert::Infallible>().is_none());
    }
}
