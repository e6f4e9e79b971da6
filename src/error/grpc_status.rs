//! What a gRPC client shows of an error, with the feature `tonic`.

use tonic::{Code, Status};

use super::{Error, ErrorKind, Inner};

impl Error {
    /// Stands between the error and its cause, where tonic looks for it. `None` for an error of the inner service, which
    /// tonic knows better.
    pub(super) fn grpc_status(&self) -> Option<&Status> {
        let code = code(self.kind())?;
        Some(self.inner.grpc_status.get_or_init(|| {
            let mut status = Status::new(code, self.to_string());
            if let Inner { source: Some(source), .. } = &*self.inner {
                status.set_source(source.clone());
            }
            status
        }))
    }
}

/// `Unavailable` is what interceptors and retry policies of gRPC try again.
fn code(kind: ErrorKind) -> Option<Code> {
    Some(match kind {
        ErrorKind::Service => return None,
        ErrorKind::Unavailable
        | ErrorKind::Transport
        | ErrorKind::TimedOut
        | ErrorKind::WaitedTooLong
        | ErrorKind::UnexpectedStatus
        | ErrorKind::NotJson
        | ErrorKind::EmptyAnswer
        | ErrorKind::MalformedAnswer
        | ErrorKind::AnswerTooLarge
        | ErrorKind::RenewalLost
        | ErrorKind::Damped
        | ErrorKind::CoolingDown => Code::Unavailable,
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
            let status = Status::from_error(Error::new(kind, "no token").into());
            assert_eq!(status.code(), code, "{kind:?}");
            assert!(status.message().starts_with("no token"), "{status}");
            assert_eq!(Error::find(&status).map(Error::kind), Some(kind));
        }
    }

    #[test]
    fn cause_of_an_error_lies_below_its_status() {
        let error = Error::new(ErrorKind::Transport, "no token");
        assert!(error.source().is_some_and(|status| status.source().is_none()));
        let error = error.with_source(std::io::Error::other("reset"));
        let status = error.source().expect("a status");
        assert_eq!(status.source().map(ToString::to_string).as_deref(), Some("reset"));
    }

    #[test]
    fn error_of_the_inner_service_keeps_its_own_status() {
        let below = |status: Status| Status::from_error(Error::service(status).into()).code();
        assert_eq!(below(Status::data_loss("x")), Code::DataLoss);
        let error = Error::service(std::io::Error::other("reset"));
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("reset"));
    }
}
