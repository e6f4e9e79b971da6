//! What an answer of the token endpoint means, and what the session does next.
//!
//! Servers refuse in many ways: a 400 without a body, `invalid_request`, an error object, a 200. So the status decides first,
//! and the code second; an unknown error is a refusal. Codes are read in any letter case, from `error`, or if that is an object,
//! from its `code`, `status` or `message`.
//!
//! # What an answer means
//! The first row that fits counts.
//!
//! | verdict | answers |
//! | --- | --- |
//! | *tokens* | 2xx with an access token |
//! | *unsent* | there was no connection, or the crate held the request back itself |
//! | *wait* | 408, 425, 429; codes of throttling (`slow_down`, `ratelimited`, `QUOTA_EXCEEDED`); 503 with `Retry-After` |
//! | *client* | `invalid_client` and similar codes; a 401 without a code whose challenge is `Basic` |
//! | *broken* | the connection broke or timed out; any other 5xx; `server_error`, `temporarily_unavailable`; a redirect; 407; a 2xx that is no OAuth answer; a page (a body that starts with `<`) with any 4xx but 401 |
//! | *not allowed* | `unsupported_grant_type`, `invalid_scope`, `invalid_target`, `unauthorized_client`; `use_dpop_nonce` and `invalid_dpop_proof`, unless [another proof](#what-follows-for-a-dpop-proof) helps |
//! | *refused* | any other 4xx, any 200 with an error |
//!
//! These codes are *certain* refusals: `invalid_grant`, `invalid_token`, `bad_refresh_token`, `invalid_refresh_token`,
//! `refresh_token_reused`, `expired_token`, `token_expired`, `interaction_required`, `consent_required`, `login_required`,
//! `access_denied`.
//!
//! # What follows for a refresh token
//! Another credential is, for example, the password that the session keeps. *Backoff* is a pause of 1 s, doubling to 60 s.
//!
//! | verdict | with another credential | alone |
//! | --- | --- | --- |
//! | *unsent* | kept; backoff | the same |
//! | *wait* | the pause of the endpoint | the same |
//! | *client* | kept; tried again after 60 s doubling to 15 min: the same client would be refused again | the same |
//! | *broken* | kept; backoff. After three in a row, a minute after the first, the other credential is tried | kept; backoff |
//! | *not allowed* | the other credential is sent in the same renewal | kept; tried again after 60 s doubling to 15 min |
//! | *refused* | the other credential is sent in the same renewal. The refresh token is dropped: at once if the code is certain, otherwise when the other credential has worked | tried again to make sure: once after 2 s if the code is certain; twice over 30 s with another code, a 400 or a 401; otherwise twice over an hour. Then the session is `Refused` |
//!
//! # What follows for the grant's own credential
//!
//! A *client's secret* is also the key, the file or the other session that an assertion or a subject token comes from.
//!
//! | verdict | a password that never worked | a password that had worked | a client's secret | [`Credential::Custom`] |
//! | --- | --- | --- | --- | --- |
//! | *unsent* | no send; backoff, at least 1 s | the same | backoff | backoff |
//! | *wait* | the pause; after a 429 or a code of throttling at least 5 min | the same | the pause | the pause |
//! | *client*, *not allowed* | again after 60 s doubling to 15 min | the same | the same | the same |
//! | *broken* | sent again four times at most (after a page once), then `Refused`: the times are in [a long outage](crate::manual::troubleshooting#a-long-outage) | sent again as long as it takes: the times are there | backoff | backoff |
//! | *refused* | `Refused` at once | [confirmed](crate::PasswordGrant::confirmations) after 60 s, without a code once more after 5 min; then `Refused` | again after 60 s doubling to 15 min; `Refused` meanwhile, never for good | as a password that had worked |
//!
//! For a password, a 404, 405, 410 or 421 without a code is *broken*: the address may be wrong.
//!
//! A token that never changes and is exchanged for others ([`Credential::Subject`](crate::Credential::Subject)) is `Refused` at once
//! when it is *refused*, unless by a 404, 405, 410 or 421 without a code. With any other verdict the column of the client's secret
//! holds.
//!
//! Whatever the answers are, there is a limit to sends without a success. A password that never worked is sent at most 3
//! times in 15 minutes, and 5 times in all. A password that had worked, and a custom credential, are sent at most 10 times in 15
//! minutes. Only *unsent* attempts do not count.
//!
//! # What follows for a DPoP proof
//! Only for a session with a [DPoP key](crate::manual::dpop).
//!
//! | the answer | what follows |
//! | --- | --- |
//! | `use_dpop_nonce` | the same request at once with a proof that has the nonce of `DPoP-Nonce`. That is no attempt of its own: neither for the limits of a password, nor for pauses |
//! | the same again, with another nonce | *unsent*: the server did not look at the credential |
//! | the same, without a nonce that is news | *not allowed* |
//! | `invalid_dpop_proof`, and the answer's `Date` differs from the local clock by more than 2 s | the same request once more, with a proof that is dated by the server's clock. The log says `server clock differs` |
//! | `invalid_dpop_proof`, for a proof of a [signer](crate::Signer) that was older than 2 s when it was sent | the same request once more, with a new proof |
//! | `invalid_dpop_proof` otherwise | *not allowed* |
//! | *refused* after one of these | as in the tables above: a server may have spent a refresh token in the very answer that asks for a nonce |
//! | a bearer token | *not allowed*, unless the session takes bearer tokens |
//!
//! # What follows for a derived session
//! `invalid_target` and `invalid_scope` in answer to what a [derived session](crate::Session::for_resource) wants say nothing of the
//! login: neither table applies. That session asks again after 60 s, doubling to 15 min, and nobody else notices. The same goes for
//! the error `Misconfigured` without a code, of a grant of your own. Every other answer is one to the login, for all of its sessions.
//!
//! # A grant of your own
//! The default of [`Grant::credential`] is [`Credential::Custom`]. Grants of [`grant_fn`](crate::grant_fn) and
//! [`grant_with`](crate::grant_with) always have that one. So the last column above holds for them, unless your grant implements
//! `credential`. The error that [`fetch`](crate::Grant::fetch) returns is read as one of the verdicts. The first row that fits
//! counts.
//!
//! | error | verdict |
//! | --- | --- |
//! | it comes from another session, whose token the grant needs | *unsent* |
//! | made with [`not_sent`](crate::Error::not_sent) | *unsent* |
//! | it comes from [`TokenEndpoint::request`](crate::TokenEndpoint::request), and the server had answered | that of the answer |
//! | `Transport`, `TimedOut`, `Service` or `Unavailable`, with a [`source`](std::error::Error::source) that says that there was no connection: [`not_sent_when`](crate::TokenEndpoint::not_sent_when) lists those that are known | *unsent* |
//! | `Refused` | *refused*, with a code |
//! | `Misconfigured` | *not allowed* |
//! | `Unavailable` with [`with_retry_after`](crate::Error::with_retry_after) | *wait* |
//! | `LoggedOut`, `NoKey`, `WaitedTooLong`, `RenewalLost`, `NoRuntime`, `Damped`, `CoolingDown`, `SameToken`, `OwnAuthorization`, `SelfAuthorization`, `Invalid`, `Secret`, `Discovery`, `Store` | *unsent* |
//! | any other kind | *broken* |
//!
//! With any verdict, the time of `with_retry_after` takes the place of the backoff, up to 5 min. Where the table above asks for a
//! longer pause, that one holds.
//!
//! # When to ask the user
//! When the status is [`Refused`](crate::Status::Refused) or [`LoggedOut`](crate::Status::LoggedOut).
//! [`ErrorKind::Refused`](crate::ErrorKind::Refused) may come earlier, while the session makes sure.
//! [*When something goes wrong*](crate::manual::troubleshooting#when-to-ask-the-user-for-a-login) has the code for it, and says
//! what happens in [a long outage](crate::manual::troubleshooting#a-long-outage).
//!
//! # Servers with other answers
//! Translate them below the endpoint: [*servers that speak otherwise*](crate::manual::translation) shows how.
//!
//! [`Credential::Custom`]: crate::Credential::Custom
//! [`Grant::credential`]: crate::Grant::credential
