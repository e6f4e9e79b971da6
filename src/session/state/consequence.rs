//! What follows from a verdict: one table for the refresh token, one for the session's own grant (invariants 4 and 5).
//!
//! Nothing here counts or keeps time; [`Refusals`](super::refusal::Refusals) does, by what these tables say.

use std::time::Duration;

use crate::{
    credential::Credential,
    error::{Evidence, TokenVerdict},
};

/// What follows for a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterRefresh {
    /// It is kept, and tried again after the backoff.
    BackOff,
    /// As `BackOff`; but one that goes on like this does not keep the next rung from being tried.
    Broken,
    /// It is kept and tried again after a minute, doubling.
    Probe,
    /// The next rung is tried in the same flight.
    Climb {
        /// The server will never have it again.
        forget: bool,
    },
    /// Nothing is left but this token: it takes so many refusals, over at least this time, to believe it.
    Confirm { refusals: u32, over: Duration },
}

/// What follows for the credential of the session's own grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterGrant {
    /// It is sent again after the backoff.
    BackOff,
    /// It was not sent at all.
    NotSent,
    /// A password: the pause grows from send to send. A page counts towards an end of its own.
    Broken { page: bool },
    /// A password: it is not sent for five minutes.
    Throttled,
    /// It is sent again after a minute, doubling.
    Probe,
    /// It is sent again to make sure, and is refused for good after that.
    Confirm { coded: bool },
    /// It is refused for good.
    Final,
}

/// `alone`: there is no other rung.
pub(crate) fn after_refresh(verdict: TokenVerdict, alone: bool) -> AfterRefresh {
    use AfterRefresh::{BackOff, Broken, Climb, Confirm, Probe};
    match (verdict, alone) {
        (TokenVerdict::Unsent | TokenVerdict::Wait { .. }, _) => BackOff,
        (TokenVerdict::Broken { .. }, _) => Broken,
        // The next rung would be refused as well: it is the same client.
        (TokenVerdict::Client, _) | (TokenVerdict::NotAllowed | TokenVerdict::Nonce, true) => Probe,
        (TokenVerdict::NotAllowed | TokenVerdict::Nonce, false) => Climb { forget: false },
        (TokenVerdict::Refused(evidence), false) => Climb { forget: evidence == Evidence::Known },
        // A busy server says `invalid_grant`, too.
        (TokenVerdict::Refused(Evidence::Known), true) => Confirm { refusals: 2, over: Duration::from_secs(2) },
        (TokenVerdict::Refused(Evidence::Code | Evidence::Status), true) => {
            Confirm { refusals: 3, over: Duration::from_secs(30) }
        }
        // Perhaps a router speaks.
        (TokenVerdict::Refused(Evidence::Vague | Evidence::Address), true) => {
            Confirm { refusals: 3, over: Duration::from_secs(60 * 60) }
        }
    }
}

/// `worked`: the credential has brought a token in this login.
pub(crate) fn after_grant(verdict: TokenVerdict, credential: Credential, worked: bool) -> AfterGrant {
    use AfterGrant::{BackOff, Broken, Confirm, Final, NotSent, Probe, Throttled};
    use Credential::{Client, Custom, Password, RefreshToken, Subject};
    match (verdict, credential) {
        (TokenVerdict::Unsent, _) => NotSent,
        (TokenVerdict::Wait { throttled: true }, Password) => Throttled,
        (TokenVerdict::Wait { .. }, _) => BackOff,
        (TokenVerdict::Client | TokenVerdict::NotAllowed | TokenVerdict::Nonce, _) => Probe,
        (TokenVerdict::Broken { page }, Password) => Broken { page },
        (TokenVerdict::Refused(Evidence::Address), Password) => Broken { page: false },
        (TokenVerdict::Broken { .. }, Client | RefreshToken | Subject | Custom)
        // Perhaps a router speaks.
        | (TokenVerdict::Refused(Evidence::Address), Subject) => BackOff,
        // Secrets get rotated, and outages look alike.
        (TokenVerdict::Refused(_), Client) => Probe,
        (TokenVerdict::Refused(_), RefreshToken | Subject) => Final,
        (TokenVerdict::Refused(_), Password) if !worked => Final,
        (TokenVerdict::Refused(evidence), Password | Custom) => {
            Confirm { coded: matches!(evidence, Evidence::Known | Evidence::Code) }
        }
    }
}
