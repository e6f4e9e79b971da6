//! What a gRPC client shows of an error, with the feature `tonic`.

use tonic::{Code, Status};

use super::{Error, ErrorKind};

impl Error {
    /// The same error with a status above its cause: tonic takes the first one that it finds along the sources. An error of
    /// the inner service stays as it is, since tonic knows it better.
    pub(crate) fn for_grpc(self) -> Self {
        let Some(code) = code(self.kind()) else { return self };
        let mut status = Status::new(code, self.to_string());
        if let Some(cause) = &self.inner.source {
            status.set_source(cause.clone());
        }
        self.with_source(status)
    }
}

/// `Unavailable` is what interceptors and retry policies of gRPC try again.
fn code(kind: ErrorKind) -> Option<Code> {
    Some(match kind {
        ErrorKind::Service => return None,
        kind if kind.is_transient() => Code::Unavailable,
        _ => Code::Unauthenticated,
    })
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn generated_clients_see_what_to_do() {
        for (kind, code) in [
            (ErrorKind::LoggedOut, Code::Unauthenticated),
            (ErrorKind::Refused, Code::Unauthenticated),
            (ErrorKind::Misconfigured, Code::Unauthenticated),
            (ErrorKind::Transport, Code::Unavailable),
            (ErrorKind::Unavailable, Code::Unavailable),
            (ErrorKind::WaitedTooLong, Code::Unavailable),
        ] {
            let status = Status::from_error(Error::new(kind, "no token").for_grpc().into());
            assert_eq!(status.code(), code, "{kind:?}");
            assert!(status.message().starts_with("no token"), "{status}");
            assert_eq!(Error::find(&status).map(Error::kind), Some(kind));
        }
    }

    #[test]
    fn cause_of_an_error_lies_below_its_status() {
        let error = Error::new(ErrorKind::Transport, "no token").with_source(std::io::Error::other("reset")).for_grpc();
        let status = error.source().expect("a status");
        assert!(status.is::<Status>());
        assert_eq!(status.source().map(ToString::to_string).as_deref(), Some("reset"));
    }

    #[test]
    fn error_of_the_inner_service_keeps_its_own_status() {
        let below = |status: Status| Status::from_error(Error::service(status).for_grpc().into()).code();
        assert_eq!(below(Status::data_loss("x")), Code::DataLoss);
        let error = Error::service(std::io::Error::other("reset")).for_grpc();
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("reset"));
    }
}
