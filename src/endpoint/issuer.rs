//! An issuer, where its metadata is, and how it is asked for.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header::ACCEPT, response::Parts};

use super::{
    address::Address,
    failure::retry_after,
    metadata::{Fault, Metadata},
    step::{Purpose, Step},
    transport::{Deadline, Transport, read},
};
use crate::error::{Error, ErrorKind};

/// The largest metadata that is read.
const LIMIT: usize = 256 * 1024;
/// How long a fetch may take, at both addresses together.
const FETCH_TIME: Duration = Duration::from_secs(10);

/// The identifier of an authorization server (RFC 8414 §2).
#[derive(Clone)]
pub(super) struct Issuer {
    text: Box<str>,
    address: Address,
    /// RFC 8414 §3.1, then OpenID Connect Discovery 1.0 §4.1.
    places: [Address; 2],
}

/// What is at one of the places.
enum Found {
    Metadata(Metadata),
    Nothing { why: &'static str, status: Option<StatusCode> },
}

impl Issuer {
    /// Checks the text of an issuer identifier.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]; the message repeats at most scheme, host and port.
    pub(super) fn new(text: &str) -> Result<Self, Error> {
        Self::at(text, Address::check(text, "`TokenEndpoint::danger_discover_plaintext`").map_err(invalid)?)
    }

    /// As [`new`](Issuer::new), for a plain one as well.
    pub(super) fn danger_plaintext(text: &str) -> Result<Self, Error> {
        Self::at(text, Address::read(text).map_err(invalid)?)
    }

    fn at(text: &str, address: Address) -> Result<Self, Error> {
        if text.contains('?') {
            return Err(invalid("holds a query, which RFC 8414 §2 forbids".into()));
        }
        // Both documents want the slash at the end gone.
        let path = address.uri().path().trim_end_matches('/');
        let origin = text.trim_end_matches('/').strip_suffix(path).unwrap_or_default();
        let places = [
            address.check_beside(&format!("{origin}/.well-known/oauth-authorization-server{path}")).map_err(invalid)?,
            address.check_beside(&format!("{origin}{path}/.well-known/openid-configuration")).map_err(invalid)?,
        ];
        Ok(Self { text: text.into(), address, places })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// What is said of a fetch that was not begun.
    pub(super) fn step(&self) -> Step<'_> {
        self.step_at(&self.places[0])
    }

    pub(super) fn deadline(&self, timeout: Duration) -> Result<Deadline, Error> {
        Deadline::after(&self.step(), timeout.min(FETCH_TIME))
    }

    /// Fetches the metadata, and says what for messages about it.
    pub(super) async fn fetch(&self, transport: &Transport, deadline: Deadline) -> Result<(Metadata, Step<'_>), Error> {
        let [first, second] = &self.places;
        let before = match self.fetch_from(first, transport, deadline).await? {
            Found::Metadata(metadata) => return Ok((metadata, self.step_at(first))),
            Found::Nothing { why, .. } => why,
        };
        match self.fetch_from(second, transport, deadline).await? {
            Found::Metadata(metadata) => Ok((metadata, self.step_at(second))),
            Found::Nothing { why, status } => {
                let error =
                    self.step_at(second).error(ErrorKind::Discovery, format_args!("{why}; and at {first} {before}"));
                Err(status.into_iter().fold(error, Error::with_status))
            }
        }
    }

    async fn fetch_from(&self, place: &Address, transport: &Transport, deadline: Deadline) -> Result<Found, Error> {
        let step = self.step_at(place);
        let request = || {
            let request = Request::get(place.uri().clone());
            let request = request.header(ACCEPT, HeaderValue::from_static("application/json")).body(Bytes::new());
            request.map_err(|error| step.error(ErrorKind::Invalid, "the request cannot be built").with_source(error))
        };
        let (parts, body) = transport.send(&step, deadline, request).await?.into_parts();
        if !parts.status.is_success() {
            return nothing(&step, &parts);
        }
        let body = read(&step, body, LIMIT, deadline).await.map_err(|error| match error.kind() {
            ErrorKind::AnswerTooLarge => {
                step.error(ErrorKind::Discovery, format_args!("the metadata is larger than {LIMIT} bytes"))
            }
            _ => error,
        })?;
        match Metadata::read(&self.text, place, body.as_slice()) {
            Ok(metadata) => Ok(Found::Metadata(metadata)),
            Err(Fault::Other(why)) => Ok(Found::Nothing { why, status: None }),
            Err(Fault::Unusable(why)) => Err(step.error(ErrorKind::Discovery, why)),
        }
    }

    fn step_at<'a>(&'a self, place: &'a Address) -> Step<'a> {
        Step::new(Purpose::Discovery(&self.text), place)
    }
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::Invalid, format!("the issuer {why}"))
}

/// What an answer without a 2xx says: look elsewhere, or later.
fn nothing(step: &Step<'_>, parts: &Parts) -> Result<Found, Error> {
    let status = parts.status;
    let why = match status.as_u16() {
        408 | 425 | 429 | 500.. => {
            let error =
                step.error(ErrorKind::Unavailable, "the server is in trouble, or asks to wait").with_status(status);
            return Err(match retry_after(&parts.headers) {
                Some(wait) => error.with_retry_after(wait),
                None => error,
            });
        }
        300..=399 => "the answer is a redirect, which is not followed",
        _ => "there is no metadata",
    };
    Ok(Found::Nothing { why, status: Some(status) })
}
