//! What lies below an error, as part of its one line.

use std::error::Error as StdError;

use super::Error;

/// How deep it is looked (invariant 12).
const DEEPEST: usize = 16;
/// How many characters of one cause are told: a client may put a whole page into its error.
const LONGEST: usize = 500;

/// The texts of the causes, each after a colon, without what is in `message` or in an earlier one already: many errors repeat
/// their source's text in their own.
pub(super) fn causes(message: &str, source: Option<&(dyn StdError + 'static)>) -> String {
    let mut line = String::new();
    let mut next = source;
    for _ in 0..DEEPEST {
        let Some(cause) = next else { break };
        // One of ours tells its own causes.
        next = if cause.is::<Error>() { None } else { cause.source() };
        if repeats(message, cause) {
            continue;
        }
        let text = in_one_line(&cause.to_string());
        if !text.is_empty() && !message.contains(&text) && !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    line
}

/// Whether this is the status that was put between an error and its cause, see `for_grpc`.
#[cfg(feature = "tonic")]
fn repeats(message: &str, cause: &(dyn StdError + 'static)) -> bool {
    cause.downcast_ref().is_some_and(|status: &tonic::Status| status.message().starts_with(message))
}

#[cfg(not(feature = "tonic"))]
fn repeats(_message: &str, _cause: &(dyn StdError + 'static)) -> bool {
    false
}

/// Invariant 9: clients name the URI in their errors, and a query or a user name is nothing to be read in a log.
fn in_one_line(text: &str) -> String {
    let is_break = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    let line: String =
        text.trim().chars().take(LONGEST).map(|letter| if is_break(letter) { ' ' } else { letter }).collect();
    let mut plain = String::new();
    let mut rest = line.as_str();
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|letter: char| letter.is_whitespace() || "()<>\"'`".contains(letter));
        let (uri, behind) = after.split_at(end.unwrap_or(after.len()));
        let (uri, query) = uri.split_at(uri.find(['?', '#']).unwrap_or(uri.len()));
        let (authority, path) = uri.split_at(uri.find('/').unwrap_or(uri.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        plain.extend([before, "://", host, path, if query.is_empty() { "" } else { "?…" }]);
        rest = behind;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use super::*;
    use crate::error::ErrorKind;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<dyn StdError + Send + Sync>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Link {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref().map(|source| source as _)
        }
    }

    fn link(text: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Link {
        Link(text, Some(source.into()))
    }

    #[test]
    fn causes_are_joined_in_one_line() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let error = Error::service(link("client error (Connect)", link("tcp connect\nerror", refused)));
        assert_eq!(
            error.to_string(),
            "the inner service failed: client error (Connect): tcp connect error: connection refused"
        );
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("client error (Connect)"));
    }

    #[test]
    fn cause_stands_before_the_time_and_the_advice() {
        let error = Error::new(ErrorKind::Unavailable, "no token")
            .with_source(Link("reset", None))
            .with_status(http::StatusCode::BAD_GATEWAY)
            .with_retry_after(std::time::Duration::from_secs(1));
        assert_eq!(error.to_string(), "no token (status 502): reset; next attempt in 1.0 s; try again later");
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let error = Error::service(link("no way: unreachable", Link("unreachable", None)));
        assert_eq!(error.to_string(), "the inner service failed: no way: unreachable");
        let inner = Error::service(Link("reset", None));
        let error = Error::new(ErrorKind::Unavailable, "no token").with_source(inner);
        assert_eq!(error.to_string(), "no token: the inner service failed: reset; try again later");
        let error = Error::new(ErrorKind::Unavailable, "no user").with_source(error);
        assert_eq!(error.to_string(), "no user: no token: the inner service failed: reset; try again later");
    }

    #[cfg(feature = "tonic")]
    #[test]
    fn status_that_grpc_clients_look_for_is_no_cause() {
        let error = Error::new(ErrorKind::Unavailable, "no token").with_source(Link("reset", None));
        assert_eq!(error.clone().for_grpc().to_string(), error.to_string());
    }

    #[test]
    fn uris_are_told_without_user_name_and_query() {
        for (text, told) in [
            ("error for url (https://gw.example/token?key=hunter2)", "error for url (https://gw.example/token?…)"),
            ("https://bob:hunter2@gw.example:8443#hunter2", "https://gw.example:8443?…"),
            (
                "https://b@hunter2@gw.example/a@b, 'http://x?hunter2' and http://y",
                "https://gw.example/a@b, 'http://x?…' and http://y",
            ),
            ("why? no http", "why? no http"),
            ("://", "://"),
        ] {
            assert_eq!(in_one_line(text), told);
        }
    }

    #[test]
    fn line_has_an_end() {
        let mut deep = Link("a", None);
        for _ in 0..1000 {
            deep = link("b", deep);
        }
        assert_eq!(Error::service(deep).to_string(), "the inner service failed: b");
        let page = Error::service(io::Error::other("<p>".repeat(10_000)));
        assert!(page.to_string().chars().count() < LONGEST + 50);
    }
}
