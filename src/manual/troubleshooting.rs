//! When something goes wrong: from what you see to what it means and what to do.
//!
//! Turn on the log first: the target is `tower_reauth`, and at DEBUG it says for each call what the layer did and why
//! ([`events`](crate::manual::events)). A *rejection* is a response that says that the token is not good, mostly a 401.
//!
//! | what you see | read |
//! | --- | --- |
//! | a 401 reaches your code | [A 401 comes through](#a-401-comes-through) |
//! | a call fails with an error | [Every error kind](#every-error-kind) |
//! | a WARN line in the log | [Warnings in the log](#warnings-in-the-log) |
//! | you must decide whether to show the login page | [When to ask the user for a login](#when-to-ask-the-user-for-a-login) |
//! | users are logged out without a reason | [Users are logged out](#users-are-logged-out) |
//! | the authorization server is down for hours | [A long outage](#a-long-outage) |
//! | a call takes 30 s, or never ends | [A call hangs](#a-call-hangs) |
//! | an upload is not sent again | [An upload fails](#an-upload-fails) |
//! | an account is locked | [An account is locked](#an-account-is-locked) |
//! | token requests without end | [A storm of token requests](#a-storm-of-token-requests) |
//! | tokens live on after a logout | [Logout does not revoke](#logout-does-not-revoke) |
//! | it does not compile | [the end of *clients*](crate::manual::clients#when-it-does-not-compile) |
//!
//! # When to ask the user for a login
//! Ask the session, not the error. Send the user to the login page if its [`Status`] is
//! [`LoggedOut`](crate::Status::LoggedOut) or [`Refused`](crate::Status::Refused). Every other failure is temporary, or needs somebody other
//! than the user. With [`Sessions`], a key without a session is logged out, too.
//!
//! [`ErrorKind::Refused`] alone does not say so. The server has refused a credential, but the session may make sure first:
//! a password that had worked is [sent once more](crate::PasswordGrant::confirmations) after a minute, a lone refresh token after
//! 2 s or more. It does so with the first call after that time. Until then its status is not `Refused`.
//!
//! ```
//! use tower_reauth::{Session, Sessions, Status};
//!
//! fn must_log_in(session: &Session) -> bool {
//!     matches!(session.status(), Status::LoggedOut | Status::Refused)
//! }
//!
//! # #[derive(Clone, PartialEq, Eq, Hash)] struct LoginKey(u128);
//! fn must_log_in_again(sessions: &Sessions<LoginKey>, key: &LoginKey) -> bool {
//!     sessions.get(key).is_none_or(|session| must_log_in(&session))
//! }
//! # assert!(must_log_in_again(&Sessions::new(), &LoginKey(1)));
//! ```
//!
//! Check it after a call that did not work, or use [`Session::subscribe`](crate::Session::subscribe). After the login call
//! [`Session::login`](crate::Session::login), or insert a new session. A service with
//! [`ClientCredentialsGrant`](crate::ClientCredentialsGrant) has no user: `Refused` means that an operator must look at the
//! client's secret. The session itself tries it again from time to time.
//!
//! # A 401 comes through
//! Look for [`RenewalFailed`] in the response's extensions.
//!
//! ```
//! use tower_reauth::RenewalFailed;
//!
//! # let response = http::Response::new(());
//! match response.extensions().get::<RenewalFailed>() {
//!     Some(failed) => eprintln!("not healed: {}", failed.error()), // its kind is in the table below
//!     None => eprintln!("not a rejection, or sent without a token"),
//! }
//! ```
//!
//! With it, the layer saw the rejection and could not heal it. [The table](#every-error-kind) says why. Without it, the
//! request was sent bare, or the response is no rejection:
//!
//! | why there is no `RenewalFailed` | how to tell | what to do |
//! | --- | --- | --- |
//! | the origin is not listed: another port, `http` for `https`, another name | warning `request sent bare`; it names both | list it in [`Origins`](crate::Origins) |
//! | the `Host` header names another host than the URI | the same warning, with this reason | a proxy must remove or rewrite the inbound `Host` |
//! | the URI has no host | the same warning | [`Origins::bound_to`](crate::Origins::bound_to) |
//! | the request has an `Authorization` header of its own | it is in the request | [`OwnAuthorization::Replace`](crate::OwnAuthorization::Replace), or remove it |
//! | the request has [`WithoutAuth`](crate::WithoutAuth), or no key with [`WithoutKey::Bare`](crate::WithoutKey::Bare) | it is in your code | |
//! | the challenge says that a new token would not help: `insufficient_scope`, only `Negotiate`, a WSO2 code such as 900909 | `WWW-Authenticate`, or the body | another scope, a stronger login, or a subscription |
//! | the API says it another way: 403, 419, a body | the response | [`BearerClassifier::reject_status`](crate::BearerClassifier::reject_status), or a [`Classify`](crate::Classify) of your own |
//!
//! # Every error kind
//! A call shows an error in one of two ways: as `Err`, and then the request was not sent (except with `Service`); or in
//! [`RenewalFailed`], and then you have the server's rejection as well. [`Session::token`](crate::Session::token) and
//! [`Session::renew`](crate::Session::renew) return the same errors.
//!
//! *Login page* means: show it, if the session's status says so, too. *Again* is what a caller or a retry layer may do with the
//! same request. "After the pause" means: after [`retry_after`](crate::Error::retry_after), or after a few seconds where that
//! is not known; until then calls fail at once and send nothing, unless
//! [`wait_through_pauses`](crate::SessionBuilder::wait_through_pauses) is set.
//!
//! | kind | seen as | final | login page | again | what to do |
//! | --- | --- | --- | --- | --- | --- |
//! | [`Service`](crate::ErrorKind::Service) | `Err` | no | no | as without this layer | look at the [`source`](std::error::Error::source): it is your client's error |
//! | [`LoggedOut`](crate::ErrorKind::LoggedOut) | `Err`; `RenewalFailed` if the logout came during the call | until the next login | **yes** | no | with [`Sessions`] the session may have been evicted |
//! | [`NoKey`](crate::ErrorKind::NoKey) | `Err` | yes | no | no | a bug: put the user's key into the request's extensions |
//! | [`Refused`](crate::ErrorKind::Refused) | both | if the status is `Refused` | **if the status is `Refused`** | after the pause, if it is not | [`oauth_code`](crate::Error::oauth_code) is the server's word |
//! | [`Misconfigured`](crate::ErrorKind::Misconfigured) | both | no: tried again after 60 s to 15 min | no | after the pause | check client id, secret, scope, grant type |
//! | [`Unavailable`](crate::ErrorKind::Unavailable) | both | no | no | after the pause | the server is in trouble, or asked to wait; or a limit of this crate holds |
//! | [`Transport`](crate::ErrorKind::Transport) | both | no | no | after the pause | network, DNS, TLS to the token endpoint |
//! | [`TimedOut`](crate::ErrorKind::TimedOut) | both | no | no | after the pause | the token endpoint is slow: [`timeout`](crate::TokenEndpoint::timeout), [`renewal_limit`](crate::SessionBuilder::renewal_limit) |
//! | [`WaitedTooLong`](crate::ErrorKind::WaitedTooLong) | both | no | no | yes: it joins the same renewal | [`waiting_time`](crate::SessionBuilder::waiting_time) |
//! | [`UnexpectedStatus`](crate::ErrorKind::UnexpectedStatus), [`NotJson`](crate::ErrorKind::NotJson), [`EmptyAnswer`](crate::ErrorKind::EmptyAnswer), [`MalformedAnswer`](crate::ErrorKind::MalformedAnswer), [`MissingAccessToken`](crate::ErrorKind::MissingAccessToken) | both | no | no | after the pause | wrong address, or a proxy or firewall answers; see [`answers`](crate::manual::answers) |
//! | [`Redirected`](crate::ErrorKind::Redirected) | both | no | no | after the pause | give the address that the redirect leads to |
//! | [`InvalidAccessToken`](crate::ErrorKind::InvalidAccessToken) | both | no | no | after the pause | the server's token cannot be sent in a header |
//! | [`UnsupportedTokenType`](crate::ErrorKind::UnsupportedTokenType) | both | no | no | after the pause | [`accept_token_type`](crate::TokenEndpoint::accept_token_type) |
//! | [`AnswerTooLarge`](crate::ErrorKind::AnswerTooLarge) | both | no | no | after the pause | [`response_limit`](crate::TokenEndpoint::response_limit) |
//! | [`RenewalLost`](crate::ErrorKind::RenewalLost) | both | no | no | after the pause | the grant panicked, or its runtime ended: [`runtime`](crate::SessionBuilder::runtime) |
//! | [`NoRuntime`](crate::ErrorKind::NoRuntime) | both; logout | yes | no | no | call from a tokio runtime with timers, or set [`runtime`](crate::SessionBuilder::runtime) |
//! | [`Damped`](crate::ErrorKind::Damped) | `RenewalFailed` | no | no | after the pause | [two devices revoke each other's tokens](#a-storm-of-token-requests) |
//! | [`CoolingDown`](crate::ErrorKind::CoolingDown) | `RenewalFailed` | no | no | after the pause | the API rejects good tokens: see [origin cools down](#warnings-in-the-log) |
//! | [`SameToken`](crate::ErrorKind::SameToken) | `RenewalFailed` | no | no | later | the authorization server takes the token for good, the API does not: clocks, caches, audience |
//! | [`RejectedAgain`](crate::ErrorKind::RejectedAgain) | `RenewalFailed` | no | no | no | the API does not accept this user's tokens: scope, audience, wrong classifier |
//! | [`NotReplayable`](crate::ErrorKind::NotReplayable) | `RenewalFailed` | no | no | yes, by the caller: the renewal goes on, and the next request has the new token | [An upload fails](#an-upload-fails) |
//! | [`OwnAuthorization`](crate::ErrorKind::OwnAuthorization) | `Err` | yes | no | no | remove the header |
//! | [`SelfAuthorization`](crate::ErrorKind::SelfAuthorization) | both | yes | no | no | give the token endpoint a client without this layer |
//! | [`SelfLogin`](crate::ErrorKind::SelfLogin) | `get_or_login` | yes | no | no | make the session in the login, and return it |
//! | [`Invalid`](crate::ErrorKind::Invalid) | while you build the client | yes | no | no | the message says what is wrong with the address |
//! | [`NotRevoked`](crate::ErrorKind::NotRevoked) | logout | yes | no | no | [Logout does not revoke](#logout-does-not-revoke) |
//!
//! With the feature `tonic` a generated client sees `Unavailable` for the kinds that may work again, and `Unauthenticated` for
//! the others. [`Error::find`](crate::Error::find) gets this crate's error out of a `tonic::Status`, and out of other crates'
//! errors.
//!
//! # Warnings in the log
//! | line | what it means | what to do |
//! | --- | --- | --- |
//! | `renewal failed` | no new token; the line has kind, status and cause | the row of its kind above; nothing if it stops by itself |
//! | `credentials refused` | the server refused the password, the secret, or the last refresh token | if the status is `Refused`: a login, or a new client secret |
//! | `request sent bare` | the request went to an origin that is not listed, so it had no token | list the origin, or send it through another client |
//! | `renewals damped` | unexpired tokens are rejected too often | [A storm of token requests](#a-storm-of-token-requests) |
//! | `origin cools down` | an API rejected a token that was just issued. Its rejections pass through for 1 s, doubling to 60 s, until it accepts a token | look at that API: clock, audience, a broken node, a route that says 401 for lack of permission. Other origins are not affected |
//! | `revocation failed` | the server did not confirm a revocation | [Logout does not revoke](#logout-does-not-revoke) |
//!
//! # Users are logged out
//! | cause | how to tell | what to do |
//! | --- | --- | --- |
//! | the program restarted | everybody at once | this crate stores nothing on disk: users log in again |
//! | idle time, lifetime or capacity of [`Sessions`] | event `session evicted` (DEBUG) with its cause; calls fail with `LoggedOut` | [`SessionsBuilder`](crate::SessionsBuilder) |
//! | two programs share one rotating refresh token | `credentials refused` with `invalid_grant`, soon after each other | one refresh token for each program: one session can only be shared inside a process |
//! | an old refresh token was kept and used at a later login | the same, right after the login | [`RefreshTokenGrant`](crate::RefreshTokenGrant) takes the newest one only |
//! | a renewal was cut off: the program ended, or the answer came after [`renewal_limit`](crate::SessionBuilder::renewal_limit) | `renewal failed` with `TimedOut` or `RenewalLost` before it | [`shutdown`](crate::Session::shutdown) at the end; a longer limit |
//! | the refresh token expired or was revoked, and there is no password | `credentials refused` | a login; [`Retain::UntilLogout`](crate::Retain::UntilLogout) keeps the password for that |
//! | the user store behind WSO2 was down | `invalid_grant` in an outage | longer [`confirmations`](crate::PasswordGrant::confirmations) |
//!
//! # A long outage
//! While the authorization server is down, calls go on with the token as long as the API accepts it. After that each call
//! fails with [`Transport`](crate::ErrorKind::Transport), [`TimedOut`](crate::ErrorKind::TimedOut) or
//! [`Unavailable`](crate::ErrorKind::Unavailable), or gets its rejection with that error. No credentials are dropped, and the status
//! stays as it was.
//!
//! The session pauses between its attempts: for 1 s at first, doubling to 60 s, with jitter. During a pause calls fail at
//! once. The first call after a pause tries again, so calls work again within a minute or so of the server's return.
//!
//! A password is held back longer if requests reach the server and the answers do not say whether it is right (5xx, broken
//! connections), lest the account be locked:
//! - If it had worked, sends are 5 s apart, doubling to 5 min, and one hour apart after that. So after an outage of many hours it
//!   can take up to an hour. A refresh token is tried first, and has no such limit.
//! - If it never worked in this login, it is sent five times over two and a half hours. After the fifth the status is
//!   [`Refused`](crate::Status::Refused). Two answers that are web pages do the same.
//!
//! If nothing reaches the server (no network, connection refused), no attempt counts.
//!
//! # A call hangs
//! The layer itself makes a call wait for 30 s at most ([`waiting_time`](crate::SessionBuilder::waiting_time)), besides the
//! time of the inner service.
//!
//! | cause | what to do |
//! | --- | --- |
//! | the inner service does not answer: it has no time-out of its own | put a time-out inside the layer, around the client |
//! | the token endpoint hangs: calls end after 30 s with `WaitedTooLong` | a shorter `waiting_time`; not a shorter [`timeout`](crate::TokenEndpoint::timeout), which may lose a rotated refresh token |
//! | the renewal runs on a runtime that is not running, such as a `current_thread` one between two `block_on` | [`runtime`](crate::SessionBuilder::runtime) |
//! | a lock held on the status: `subscribe().borrow()` while the same thread calls `login` or `logout` | copy the status out first |
//! | the token endpoint's client goes through the session's own layer on a task of its own | a client without the layer |
//!
//! # An upload fails
//! A rejected upload is sent again if its body can be had again. That is so for a `Full<Bytes>` of any size, and for every other
//! body up to 64 KiB ([`replay_limit`](crate::ReauthLayer::replay_limit)). For a stream of unknown length it is so if no more than
//! that, and no more than 1,024 frames, had been read when the rejection came.
//!
//! Otherwise the caller gets the 401 at once, with [`NotReplayable`](crate::ErrorKind::NotReplayable). The token is renewed all
//! the same, so the caller can send the upload again from its source. To avoid this for large streams:
//! - Raise `replay_limit`, if you have the memory.
//! - Send a small request just before: a token that was revoked is then renewed before the upload. For a token that has
//!   expired, or is due for renewal, the layer does this by itself.
//!
//! The server may answer 401 before the upload ends. What was sent so far is then abandoned, never completed: the server does
//! not see a truncated upload as a whole one.
//!
//! Also `NotReplayable`: the request has [`NoReplay`](crate::NoReplay), [`max_replays`](crate::ReauthLayer::max_replays) is 0,
//! or all waiting calls together are over the [`parked_limit`](crate::ReauthLayer::parked_limit).
//!
//! # An account is locked
//! A password that never worked is sent once if the server refuses it; one that had worked, once more to make sure (twice if the
//! refusal has no code). [`answers`](crate::manual::answers) has all limits. These counts are for one login of one session. So
//! look for:
//! - a program that calls [`login`](crate::Session::login) or makes a new session with the same password at each failure;
//! - several devices or replicas with the same old password: each sends it on its own;
//! - [`confirmations`](crate::PasswordGrant::confirmations) that are too many for this server: an empty list sends none.
//!
//! # A storm of token requests
//! One session makes one token request at a time, however many calls wait. If token requests still come without end, two parties
//! revoke each other's tokens: each new token ends the other's, whose next call is rejected and fetches one. The session
//! limits this to 10 renewals a minute
//! ([`renewals_per_minute`](crate::SessionBuilder::renewals_per_minute)), then calls get [`Damped`](crate::ErrorKind::Damped).
//! - On WSO2, give each device a scope of its own: [`device_scope`](crate::PasswordGrant::device_scope).
//! - Use one session for all clients of a process that act for the same user; layers share it by `clone`.
//! - Many sessions that renew at once are limited by [`TokenEndpoint::concurrency`](crate::TokenEndpoint::concurrency).
//! - [`ForceRenewal`](crate::ForceRenewal) has no limit: do not put it on every request.
//!
//! # Logout does not revoke
//! - Without [`TokenEndpoint::revocation`](crate::TokenEndpoint::revocation), or with a grant without an endpoint, a logout is
//!   local. So is [`forget`](crate::Session::forget), the drop of a session, and an eviction without
//!   [`revoke_evicted`](crate::SessionsBuilder::revoke_evicted).
//! - [`NotRevoked`](crate::ErrorKind::NotRevoked): the server was down or refused. The tokens are forgotten here and live until they
//!   expire there. The session no longer has them, so a second `logout` does nothing.
//! - The program ended too soon: await the future of `logout`, or [`shutdown`](crate::Session::shutdown). For many users call
//!   [`Sessions::logout_all`](crate::Sessions::logout_all), then [`Sessions::shutdown`](crate::Sessions::shutdown).
//! - Some gateways accept a revoked token for minutes, because they cache it.
//!
//! [`ErrorKind`]: crate::ErrorKind
//! [`ErrorKind::Refused`]: crate::ErrorKind::Refused
//! [`RenewalFailed`]: crate::RenewalFailed
//! [`Sessions`]: crate::Sessions
//! [`Status`]: crate::Status
