//! What a request can ask of the layer, and what the layer tells in a response: types for `http::Extensions`.

use crate::error::Error;

/// In a request's extensions: send this one bare, without a token and without a replay.
///
/// ```
/// use tower_reauth::WithoutAuth;
///
/// let request = http::Request::get("https://gw.example/health").extension(WithoutAuth).body(());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WithoutAuth;

/// In a request's extensions: renew the token before this one is sent. Many at once share one renewal; one after another
/// they cost a token request each, which nothing damps.
///
/// ```
/// use tower_reauth::ForceRenewal;
///
/// let request = http::Request::get("https://gw.example/orders").extension(ForceRenewal).body(());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForceRenewal;

/// In a request's extensions: never send this one twice. A rejection goes to the caller at once; the renewal goes on behind
/// it, and requests after that have the new token.
///
/// A rejection says that the request was not applied ([RFC 9110 §15.5.2](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2)), so every
/// method is replayed, POST included. Behind aggregators, or gateways that check the token late, this can be untrue: say so
/// with this extension.
///
/// ```
/// use tower_reauth::NoReplay;
///
/// let request = http::Request::post("https://gw.example/payments").extension(NoReplay).body(());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoReplay;

/// In a response's extensions: this is a rejection that the layer could not heal, and why.
///
/// ```
/// use tower_reauth::{Error, ErrorKind, RenewalFailed};
///
/// fn ask_the_user<B>(response: &http::Response<B>) -> bool {
///     let failed = response.extensions().get::<RenewalFailed>();
///     failed.is_some_and(|failed| failed.error().kind() == ErrorKind::Refused)
/// }
/// # assert!(!ask_the_user(&http::Response::new(())));
/// ```
#[derive(Clone, Debug)]
pub struct RenewalFailed {
    error: Error,
}

impl RenewalFailed {
    pub(crate) fn new(error: Error) -> Self {
        Self { error }
    }

    /// Why the rejection was not healed.
    pub fn error(&self) -> &Error {
        &self.error
    }
}
