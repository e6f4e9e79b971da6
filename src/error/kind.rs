//! What failed, in one word, and what can be done about it.

/// The causes that an [`Error`](crate::Error) can have.
///
/// [*When something goes wrong*](crate::manual::troubleshooting#every-error-kind) says for each of them whether it is final,
/// whether to ask the user for a login, and whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The inner service failed. Its error is the [`source`](std::error::Error::source), and `Display` includes its causes.
    Service,
    /// The session has no login: there was none yet, or it was ended by `logout()` or `forget()`. With
    /// [`Sessions`](crate::Sessions) also: there is no session for the key.
    LoggedOut,
    /// The request does not say whose it is: its extensions hold no key of [`Sessions`](crate::Sessions).
    NoKey,
    /// The authorization server refused the credentials: `invalid_grant` (RFC 6749 §5.2), or one of the many other ways that
    /// servers have to say so.
    ///
    /// This alone is not final: the session may be about to make sure. Ask the user for a login once the session's status is
    /// [`Status::Refused`](crate::Status::Refused).
    Refused,
    /// The authorization server objects to the client, or to the grant type or the scope (RFC 6749 §5.2).
    Misconfigured,
    /// The authorization server is in trouble or asks to wait: any 5xx, 408, 425, 429, `temporarily_unavailable`. Also: a token
    /// request was held back, by a pause or by a limit of this crate.
    Unavailable,
    /// The token endpoint could not be reached, or the connection broke.
    Transport,
    /// The token endpoint did not answer within its time limit.
    TimedOut,
    /// The call reached its [waiting time](crate::SessionBuilder::waiting_time). It waited for a token (the renewal may still
    /// be under way), or for the inner service to take the request.
    WaitedTooLong,
    /// The token endpoint answered with a status that has no meaning there.
    UnexpectedStatus,
    /// The token endpoint answered with a redirect. Redirects are never followed.
    Redirected,
    /// The token endpoint's answer is not JSON.
    NotJson,
    /// The token endpoint's answer has no body.
    EmptyAnswer,
    /// The token endpoint's answer is cut off, or is not a token response (RFC 6749 §5.1).
    MalformedAnswer,
    /// The token endpoint's answer has no access token.
    MissingAccessToken,
    /// The access token cannot be put into a header.
    InvalidAccessToken,
    /// The token's type is unknown. See [`TokenEndpoint::accept_token_type`](crate::TokenEndpoint::accept_token_type).
    UnsupportedTokenType,
    /// The token endpoint's answer is larger than the [limit](crate::TokenEndpoint::response_limit).
    AnswerTooLarge,
    /// The renewal died: its grant panicked, or its runtime was shut down or stopped running. See
    /// [`SessionBuilder::runtime`](crate::SessionBuilder::runtime).
    RenewalLost,
    /// There is no tokio runtime to run the renewal on, or it has no timers.
    NoRuntime,
    /// Unexpired tokens were rejected too often, and the next turn for a renewal is more than 5 s away, or beyond the call's
    /// waiting time. See
    /// [`SessionBuilder::renewals_per_minute`](crate::SessionBuilder::renewals_per_minute).
    Damped,
    /// The origin, or this route of it, rejected a token that was issued because of it. For a while its rejections
    /// [cause no renewal](crate::manual::troubleshooting#an-origin-cools-down).
    CoolingDown,
    /// The renewal brought the very token that had been rejected.
    SameToken,
    /// The new token was rejected as well. The response is this last rejection.
    RejectedAgain,
    /// The request was rejected, and cannot be sent again.
    NotReplayable,
    /// The token is good, and its scope does not suffice: `insufficient_scope` (RFC 6750 §3.1) in a 401 or a 403.
    /// [`scope`](crate::Error::scope) is what the server asks for. A renewal would not help, so there was none.
    InsufficientScope,
    /// The token is good, and the API wants a stronger or a newer login of the user: `insufficient_user_authentication` (RFC
    /// 9470 §3). [`acr_values`](crate::Error::acr_values) and [`max_age`](crate::Error::max_age) are what the server asks for. A
    /// renewal would not help, so there was none.
    InsufficientUserAuthentication,
    /// The request has an `Authorization` header of its own, or one of the name that the layer is set to, and the layer has
    /// [`OwnAuthorization::Reject`](crate::OwnAuthorization::Reject).
    OwnAuthorization,
    /// A session would have waited for its own renewal: its token request went through its own layer, or its grant asked the
    /// session.
    SelfAuthorization,
    /// A login of [`Sessions::get_or_login`](crate::Sessions::get_or_login) asked for the session that it has to make.
    SelfLogin,
    /// An address or a setting cannot be used.
    Invalid,
    /// The server did not confirm that the tokens were revoked (RFC 7009), or the [grant's own logout](crate::Revoke) failed. They are
    /// forgotten locally all the same.
    NotRevoked,
    /// The [token store](crate::TokenStore) could not be used, or what stands there is not for this session: it is another
    /// owner's, of a newer version of this crate, encrypted with another key, or damaged. Nothing was sent, and nothing was
    /// written over it.
    Store,
    /// A [secret that changes](crate::SecretSource), or a signature, could not be had: its file is missing, empty or half written, or
    /// its closure failed. Nothing was sent.
    Secret,
    /// Something about [DPoP](https://www.rfc-editor.org/rfc/rfc9449): the key did not sign a proof, a server refuses the proofs, or
    /// its token is not bound to the key.
    Dpop,
    /// The authorization server's [metadata](crate::TokenEndpoint::discover) could not be found, or says what cannot be true or is not
    /// allowed. Nothing of the credentials was sent.
    Discovery,
}

impl ErrorKind {
    /// Whether the token was good for all that a renewal could do about it.
    pub(crate) fn is_insufficient(self) -> bool {
        matches!(self, Self::InsufficientScope | Self::InsufficientUserAuthentication)
    }

    /// Whether trying again can help, where the kind alone says so.
    pub(super) fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Unavailable
                | Self::Transport
                | Self::TimedOut
                | Self::WaitedTooLong
                | Self::UnexpectedStatus
                | Self::NotJson
                | Self::EmptyAnswer
                | Self::MalformedAnswer
                | Self::AnswerTooLarge
                | Self::RenewalLost
                | Self::Damped
                | Self::CoolingDown
                | Self::NotReplayable
                | Self::Secret
                | Self::Discovery
                | Self::Store
        )
    }
}
