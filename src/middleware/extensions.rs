//! What a request can ask of the layer, and what the layer tells in a response: types for `http::Extensions`.

use crate::{asked::Challenge, error::Error};

/// In a request's extensions: send this request bare, without a token and without a replay. Nothing is logged.
///
/// ```
/// use tower_reauth::WithoutAuth;
///
/// let request = http::Request::get("https://gw.example/health").extension(WithoutAuth).body(());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WithoutAuth;

/// In a request's extensions: renew the token before this request is sent. Concurrent requests share one renewal. One after
/// the other, each costs a token request, and no limit applies.
///
/// ```
/// use tower_reauth::ForceRenewal;
///
/// let request = http::Request::get("https://gw.example/orders").extension(ForceRenewal).body(());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForceRenewal;

/// In a request's extensions: never send this request twice. Before it is sent, it waits for a token as any other. If it is
/// rejected, the caller gets the rejection at once, with
/// [`ErrorKind::NotReplayable`](crate::ErrorKind::NotReplayable). The renewal goes on in the background, and later requests have
/// the new token.
///
/// A rejection says that the request was not applied ([RFC 9110 §15.5.2](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2)), so every
/// method is replayed, POST included. This can be untrue behind aggregators, and behind gateways that check the token late. Use
/// this extension there.
///
/// ```
/// use tower_reauth::NoReplay;
///
/// let request = http::Request::post("https://gw.example/payments").extension(NoReplay).body(());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoReplay;

/// In a response's extensions: this response rejects the token, the layer could not heal that, and this is why.
///
/// It is there if the renewal failed, if the new token was rejected as well, or if the request could not be sent again. The
/// status, the headers and the body of the response are the server's. If the request was sent more than once, it is the last
/// rejection.
///
/// It is also there if the token is good but not enough, so that no renewal could help. The kind is then
/// [`ErrorKind::InsufficientScope`](crate::ErrorKind::InsufficientScope) or
/// [`ErrorKind::InsufficientUserAuthentication`](crate::ErrorKind::InsufficientUserAuthentication), and the error has what the
/// server asks for:
///
/// ```
/// use tower_reauth::{ErrorKind, RenewalFailed};
///
/// /// What to add to the authorization request of the next login.
/// fn stronger_login<B>(response: &http::Response<B>) -> Option<Vec<(&'static str, String)>> {
///     let error = response.extensions().get::<RenewalFailed>()?.error();
///     let acr_values = error.acr_values().map(|values| ("acr_values", values.to_owned()));
///     let max_age = error.max_age().map(|age| ("max_age", age.as_secs().to_string()));
///     (error.kind() == ErrorKind::InsufficientUserAuthentication).then(|| acr_values.into_iter().chain(max_age).collect())
/// }
/// # assert!(stronger_login(&http::Response::new(())).is_none());
/// ```
///
/// Whether to send the user to the login page is a question for the session, not for the error: a refusal may be temporary.
///
/// ```
/// use tower_reauth::{Error, RenewalFailed, Session, Status};
///
/// /// The error of a call, whichever way it came.
/// fn error_of<B>(result: &Result<http::Response<B>, Error>) -> Option<&Error> {
///     match result {
///         Ok(response) => response.extensions().get::<RenewalFailed>().map(RenewalFailed::error),
///         Err(error) => Some(error),
///     }
/// }
///
/// fn ask_for_a_login<B>(result: &Result<http::Response<B>, Error>, session: &Session) -> bool {
///     error_of(result).is_some() && matches!(session.status(), Status::LoggedOut | Status::Refused)
/// }
/// # assert!(!ask_for_a_login(&Ok(http::Response::new(())), &Session::logged_out()));
/// ```
#[derive(Clone, Debug)]
pub struct RenewalFailed {
    error: Error,
    challenge: Challenge,
}

impl RenewalFailed {
    pub(crate) fn new(error: Error, challenge: Challenge) -> Self {
        Self { error, challenge }
    }

    /// Why the rejection was not healed.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// What this response asks for, as the layer's classifier read it: the scope, the strength and the age of the login, claims, and
    /// where the API has its metadata (RFC 9728). [`challenge::parse`](crate::challenge::parse) reads all that its
    /// `WWW-Authenticate` says.
    ///
    /// ```
    /// use tower_reauth::RenewalFailed;
    ///
    /// /// Where a client that does not know the API's authorization server can look for it.
    /// fn metadata_of<B>(response: &http::Response<B>) -> Option<&str> {
    ///     response.extensions().get::<RenewalFailed>()?.challenge().resource_metadata()
    /// }
    /// # assert!(metadata_of(&http::Response::new(())).is_none());
    /// ```
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }
}
