//! When something goes wrong: from what you see to what it means and what to do.
//!
//! Turn on the log first: the target is `tower_reauth`. At DEBUG it tells of each rejection, renewal and replay
//! ([`events`](crate::manual::events)). A call whose first answer is good leaves no line. A *rejection* is a response that says
//! that the token is not good, mostly a 401.
//!
//! | what you see | read |
//! | --- | --- |
//! | a 401 reaches your code | [A 401 comes through](#a-401-comes-through) |
//! | a call fails with an error | [Every error kind](#every-error-kind) |
//! | a WARN line in the log | [*what a warning asks for*](crate::manual::events#what-a-warning-asks-for) |
//! | another line that you do not know | [*what the other lines mean*](crate::manual::events#what-the-other-lines-mean) |
//! | an error, and you must find words for the user | [Why it happens, and what to show](#why-it-happens-and-what-to-show) |
//! | you must decide whether to show the login page | [When to ask the user for a login](#when-to-ask-the-user-for-a-login) |
//! | users are logged out without a reason | [Users are logged out](#users-are-logged-out) |
//! | the authorization server is down for hours | [A long outage](#a-long-outage) |
//! | a call takes 30 s, or never ends | [A call hangs](#a-call-hangs) |
//! | an upload is not sent again | [An upload fails](#an-upload-fails) |
//! | an account is locked | [An account is locked](#an-account-is-locked) |
//! | token requests without end | [A storm of token requests](#a-storm-of-token-requests) |
//! | one API always gets `CoolingDown` | [An origin cools down](#an-origin-cools-down) |
//! | tokens live on after a logout | [Logout does not revoke](#logout-does-not-revoke) |
//! | an error or a line about the token store | [The token store fails](#the-token-store-fails) |
//! | it does not compile | [the end of *clients*](crate::manual::clients#when-it-does-not-compile) |
//!
//! # When to ask the user for a login
//! Ask the session, not the error. Send the user to the login page if its [`Status`](crate::Status) is
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
//! With a [store](crate::manual::store) ask [`look_up`](crate::Sessions::look_up) instead of `get`, which knows this process alone.
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
//! With it, the layer saw the rejection and could not heal it. [The table](#every-error-kind) says why. Without it, there are
//! three possibilities. The [metric](crate::manual::metrics) `outcome` tells the first two apart: `bare` and `passed`.
//!
//! 1. The request was sent bare, without a token. *Warned* means: the line `request sent bare` is at WARN the first time for each
//!    origin and reason, and at DEBUG after that. After the first 16 of a layer all are at DEBUG.
//! 2. The request had a token, but the classifier did not take the answer for a rejection. Such an answer leaves no line, except where the table says so.
//! 3. The call went past the layer, or its answer was replaced outside of it.
//!
//! | why there is no `RenewalFailed` | line in the log | what to do |
//! | --- | --- | --- |
//! | 1: the origin is not listed: another port, `http` for `https`, another name | warned; the line names both | list it in [`Origins`](crate::Origins) |
//! | 1: the `Host` header names another host than the URI | warned, with this reason | a proxy must remove or rewrite the inbound `Host` |
//! | 1: the URI has no host, or holds a user name or a password | warned, with this reason | [`Origins::bound_to`](crate::Origins::bound_to); a URI without them |
//! | 1: the method is `CONNECT` | always at DEBUG | |
//! | 1: the request has an `Authorization` header of its own, or one of the name that the layer is set to | none | [`OwnAuthorization::Replace`](crate::OwnAuthorization::Replace), or remove it |
//! | 1: the request has [`WithoutAuth`](crate::WithoutAuth) | none | |
//! | 1: the request has no key, with [`WithoutKey::Bare`](crate::WithoutKey::Bare) | always at DEBUG | put the key into its extensions |
//! | 2: the challenge says that a new token would not help: `invalid_request`, only `Negotiate` or `Digest` | none; `WWW-Authenticate` says it | another client |
//! | 2: with [`BearerClassifier::strict`](crate::BearerClassifier::strict), the challenge does not say `invalid_token` | none | leave `strict` out, or add [`with_bodies`](crate::BearerClassifier::with_bodies) if the body says it |
//! | 2: with [`Wso2Classifier`](crate::Wso2Classifier), another code than 900901, 900903 and 900904, or a 401 of the backend | none; the body says it | a subscription, for example |
//! | 2: with [`Wso2Classifier`](crate::Wso2Classifier), the body is compressed | none | put decompression inside |
//! | 2: the API says it another way: 403, 419, a body | none | [`BearerClassifier::reject_status`](crate::BearerClassifier::reject_status), [`with_bodies`](crate::BearerClassifier::with_bodies), or a [`Classify`](crate::Classify) of your own |
//! | 2: the challenge names only a scheme of the API's own | none; `WWW-Authenticate` says it | [`ReauthLayer::scheme`](crate::ReauthLayer::scheme), or [`BearerClassifier::scheme`](crate::BearerClassifier::scheme) where the layer has a classifier of yours |
//! | 3: it was sent with the client itself, with `send` of reqwest's `RequestBuilder` perhaps | none | send it through the layer's service, or with `send_through` |
//! | 3: something outside the layer made a new response, as generated gRPC clients do | `rejection passed on`, at DEBUG | look at it [between the two](crate::manual::clients#tonic-with-the-feature-tonic) |
//!
//! # Every error kind
//! A call shows an error in one of two ways: as `Err`, and then the request was not sent (except with `Service`); or in
//! [`RenewalFailed`], and then you have the server's rejection as well. [`Session::token`](crate::Session::token) and
//! [`Session::renew`](crate::Session::renew) return the same errors.
//!
//! *Login page* means: show it, if the session's status says so, too. *Transient* is what
//! [`Error::is_transient`](crate::Error::is_transient) says: nobody has to do anything about it. *Again* is what a caller or a retry layer may do with the
//! same request. "After the pause" means: after [`retry_after`](crate::Error::retry_after), or after a few seconds where
//! that is not known. Until then a call that needs a new token fails at once, unless
//! [`wait_through_pauses`](crate::SessionBuilder::wait_through_pauses) is set. Calls with a token that still works are sent.
//!
//! | kind | seen as | final | login page | transient | again | what to do |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | [`Service`](crate::ErrorKind::Service) | `Err` | no | no | no | as without this layer | look at the [`source`](std::error::Error::source): it is your client's error |
//! | [`LoggedOut`](crate::ErrorKind::LoggedOut) | `Err`; `RenewalFailed` if the logout came during the call | until the next login | **yes** | no | no | with [`Sessions`] the session may have been evicted |
//! | [`NoKey`](crate::ErrorKind::NoKey) | `Err` | yes | no | no | no | a bug: put the user's key into the request's extensions |
//! | [`Refused`](crate::ErrorKind::Refused) | both | if the status is `Refused` | **if the status is `Refused`** | until the status is `Refused` | after the pause, if it is not | [`oauth_code`](crate::Error::oauth_code) is the server's word |
//! | [`Misconfigured`](crate::ErrorKind::Misconfigured) | both | no: tried again after 60 s to 15 min | no | no | after the pause | check client id, secret, scope, resource, grant type |
//! | [`Unavailable`](crate::ErrorKind::Unavailable) | both | no | no | yes | after the pause | the server is in trouble, or asked to wait; or a limit of this crate holds |
//! | [`Transport`](crate::ErrorKind::Transport) | both | no | no | yes | after the pause | network, DNS, TLS to the token endpoint |
//! | [`TimedOut`](crate::ErrorKind::TimedOut) | both | no | no | yes | after the pause | the token endpoint is slow: [`timeout`](crate::TokenEndpoint::timeout), [`renewal_limit`](crate::SessionBuilder::renewal_limit) |
//! | [`WaitedTooLong`](crate::ErrorKind::WaitedTooLong) | both | no | no | yes | yes: it joins the same renewal | [`waiting_time`](crate::SessionBuilder::waiting_time) |
//! | [`UnexpectedStatus`](crate::ErrorKind::UnexpectedStatus), [`NotJson`](crate::ErrorKind::NotJson), [`EmptyAnswer`](crate::ErrorKind::EmptyAnswer), [`MalformedAnswer`](crate::ErrorKind::MalformedAnswer) | both | no | no | yes | after the pause | wrong address, or a proxy or firewall answers: a 407 is not transient, nor is a 404 that the session takes for a refusal; see [`answers`](crate::manual::answers) |
//! | [`MissingAccessToken`](crate::ErrorKind::MissingAccessToken) | both | no | no | no | after the pause | wrong address, or a proxy or firewall answers; see [`answers`](crate::manual::answers) |
//! | [`Redirected`](crate::ErrorKind::Redirected) | both | no | no | no | after the pause | give the address that the redirect leads to |
//! | [`InvalidAccessToken`](crate::ErrorKind::InvalidAccessToken) | both | no | no | no | after the pause | the server's token cannot be sent in a header |
//! | [`UnsupportedTokenType`](crate::ErrorKind::UnsupportedTokenType) | both | no | no | no | after the pause | [`accept_token_type`](crate::TokenEndpoint::accept_token_type) |
//! | [`AnswerTooLarge`](crate::ErrorKind::AnswerTooLarge) | both | no | no | yes | after the pause | [`response_limit`](crate::TokenEndpoint::response_limit) |
//! | [`RenewalLost`](crate::ErrorKind::RenewalLost) | both | no | no | yes | after the pause | the grant panicked, or its runtime ended: [`runtime`](crate::SessionBuilder::runtime) |
//! | [`NoRuntime`](crate::ErrorKind::NoRuntime) | both; logout | yes | no | no | no | call from a tokio runtime with timers, or set [`runtime`](crate::SessionBuilder::runtime) |
//! | [`Damped`](crate::ErrorKind::Damped) | `RenewalFailed` | no | no | yes | after the pause | [two devices revoke each other's tokens](#a-storm-of-token-requests) |
//! | [`CoolingDown`](crate::ErrorKind::CoolingDown) | `RenewalFailed` | no | no | yes | after the pause | the API rejects good tokens: [An origin cools down](#an-origin-cools-down) |
//! | [`SameToken`](crate::ErrorKind::SameToken) | `RenewalFailed` | no | no | no | later | the authorization server takes the token for good, the API does not: clocks, caches, audience |
//! | [`RejectedAgain`](crate::ErrorKind::RejectedAgain) | `RenewalFailed`, with the last rejection | no | no | no | no | the API does not accept this user's tokens: scope, audience, wrong classifier |
//! | [`NotReplayable`](crate::ErrorKind::NotReplayable) | `RenewalFailed` | no | no | yes | yes, by the caller: the renewal goes on, and the next request has the new token | [An upload fails](#an-upload-fails) |
//! | [`InsufficientScope`](crate::ErrorKind::InsufficientScope) | `RenewalFailed` | yes | no | no | no | a login, or a grant, with the [`scope`](crate::Error::scope) that is asked for |
//! | [`InsufficientUserAuthentication`](crate::ErrorKind::InsufficientUserAuthentication) | `RenewalFailed` | yes | **yes**, whatever the status is: a stronger login | no | no | a new login with [`acr_values`](crate::Error::acr_values) and [`max_age`](crate::Error::max_age) |
//! | [`OwnAuthorization`](crate::ErrorKind::OwnAuthorization) | `Err` | yes | no | no | no | remove the header |
//! | [`SelfAuthorization`](crate::ErrorKind::SelfAuthorization) | both | yes | no | no | no | give the token endpoint a client without this layer |
//! | [`SelfLogin`](crate::ErrorKind::SelfLogin) | `get_or_login` | yes | no | no | no | make the session in the login, and return it |
//! | [`Invalid`](crate::ErrorKind::Invalid) | while you build the client | yes | no | no | no | the message says what is wrong with the address |
//! | [`NotRevoked`](crate::ErrorKind::NotRevoked) | logout | yes | no | no | no | [Logout does not revoke](#logout-does-not-revoke) |
//! | [`Secret`](crate::ErrorKind::Secret) | both | no | no | yes | after the pause | the file or the closure that a [`SecretSource`](crate::SecretSource) reads; the KMS that signs |
//! | [`Discovery`](crate::ErrorKind::Discovery) | both | no | no | yes | after the pause | the issuer that [`TokenEndpoint::discover`](crate::TokenEndpoint::discover) was given, and its metadata; an endpoint at another origin is allowed by [`endpoint_origins`](crate::TokenEndpoint::endpoint_origins) |
//! | [`Dpop`](crate::ErrorKind::Dpop) | both | no: tried again after 60 s to 15 min, or after the pause if nothing was sent | no | no | after the pause | the message says which: the clocks, a key that did not sign, or a server that answers with bearer tokens |
//! | [`Store`](crate::ErrorKind::Store) | call, logout, `save`, `look_up` | no | no | yes | yes | [The token store fails](#the-token-store-fails) |
//!
//! ## Why it happens, and what to show
//! The user of your application sees nothing of what the layer heals. What is left is yours to put into words.
//!
//! | kind | why | what the user should see |
//! | --- | --- | --- |
//! | [`Service`](crate::ErrorKind::Service) | your client could not send, or its connection broke | what your program shows without this layer |
//! | [`LoggedOut`](crate::ErrorKind::LoggedOut) | nobody is logged in: no login yet, a logout, an eviction, an end by another process | the login page |
//! | [`NoKey`](crate::ErrorKind::NoKey) | the program did not say whose request it is | an internal error: only a change of the program helps |
//! | [`Refused`](crate::ErrorKind::Refused) | the password was changed, the refresh token has expired or was revoked, the account is locked, the client's secret is an old one | the login page if the status is `Refused`; before that "try again in a minute" |
//! | [`Misconfigured`](crate::ErrorKind::Misconfigured) | client, scope, resource or grant type are not, or not any more, what the server has registered | "not available": no login helps, an operator must act |
//! | [`Unavailable`](crate::ErrorKind::Unavailable) | the server is out of order or overrun, or the pause after that lasts | "not available at the moment"; a program may try again by itself |
//! | [`Transport`](crate::ErrorKind::Transport) | no network, no name, no trust in the certificate; or the connection broke | the same |
//! | [`TimedOut`](crate::ErrorKind::TimedOut) | the server, or what stands before it, hangs | the same |
//! | [`WaitedTooLong`](crate::ErrorKind::WaitedTooLong) | the renewal, or a place in the inner service, took longer than a call waits | "this takes longer than usual"; a program may try again by itself |
//! | [`UnexpectedStatus`](crate::ErrorKind::UnexpectedStatus), [`NotJson`](crate::ErrorKind::NotJson), [`EmptyAnswer`](crate::ErrorKind::EmptyAnswer), [`MalformedAnswer`](crate::ErrorKind::MalformedAnswer), [`MissingAccessToken`](crate::ErrorKind::MissingAccessToken), [`AnswerTooLarge`](crate::ErrorKind::AnswerTooLarge) | not the token endpoint answers, but a proxy, a portal or a firewall; or the address is wrong; or the server [speaks otherwise](crate::manual::translation) | "not available at the moment"; an operator must act if it stays |
//! | [`Redirected`](crate::ErrorKind::Redirected) | the endpoint has moved, or a portal wants to be seen first | the same |
//! | [`InvalidAccessToken`](crate::ErrorKind::InvalidAccessToken), [`UnsupportedTokenType`](crate::ErrorKind::UnsupportedTokenType) | the server hands out what no bearer header can carry | "not available": an operator must act |
//! | [`RenewalLost`](crate::ErrorKind::RenewalLost) | a grant's code panicked, or its runtime ended: often the end of the program | "not available at the moment" |
//! | [`NoRuntime`](crate::ErrorKind::NoRuntime) | the call was made outside of tokio | an internal error |
//! | [`Damped`](crate::ErrorKind::Damped) | another device or program takes this one's token away, again and again | the API's own rejection, as "try again in a few seconds" |
//! | [`CoolingDown`](crate::ErrorKind::CoolingDown) | the API rejects tokens that were issued a moment ago: a wrong clock, a broken node, another audience | the API's own rejection, as "this part does not work at the moment"; no login page: it would not help |
//! | [`SameToken`](crate::ErrorKind::SameToken) | the authorization server takes the token for good, and the API does not | the same |
//! | [`RejectedAgain`](crate::ErrorKind::RejectedAgain) | the API does not take this user's tokens, fresh ones neither | the same |
//! | [`NotReplayable`](crate::ErrorKind::NotReplayable) | the token was not good, and the body is gone | "send it again", or nothing if the program has the source |
//! | [`InsufficientScope`](crate::ErrorKind::InsufficientScope) | the user, or the client, lacks a permission | "you may not do this", or the way to ask for it |
//! | [`InsufficientUserAuthentication`](crate::ErrorKind::InsufficientUserAuthentication) | the API wants a second factor, or a newer login | the login page, with what is asked for |
//! | [`OwnAuthorization`](crate::ErrorKind::OwnAuthorization), [`SelfAuthorization`](crate::ErrorKind::SelfAuthorization), [`SelfLogin`](crate::ErrorKind::SelfLogin) | the program is put together wrongly: the message says where | an internal error; the first test finds it |
//! | [`Invalid`](crate::ErrorKind::Invalid) | an address or a setting cannot be used | the program does not start |
//! | [`NotRevoked`](crate::ErrorKind::NotRevoked) | the server could not be reached, or refused, when the user logged out | "logged out": here that is so. There the token lives until it expires |
//! | [`Secret`](crate::ErrorKind::Secret) | a file of the platform is missing or half written, or the KMS is down | "not available at the moment"; an operator must act if it stays |
//! | [`Discovery`](crate::ErrorKind::Discovery) | the issuer's metadata cannot be fetched, or names what it must not | the same |
//! | [`Dpop`](crate::ErrorKind::Dpop) | the clocks differ, what keeps the key is down, or the server does not bind its tokens | "not available at the moment"; an operator must act if it stays |
//! | [`Store`](crate::ErrorKind::Store) | the disk is full, the permissions are wrong, or the record is another owner's | mostly nothing: calls go on with the token that is there |
//!
//! # What an error tells
//! Its line in the log names the step, the address, the status, the OAuth code, the causes, and what to check. A program has it
//! from these:
//!
//! | method | what it says |
//! | --- | --- |
//! | [`kind`](crate::Error::kind) | the row of the table above |
//! | [`is_transient`](crate::Error::is_transient) | whether trying again can help |
//! | [`retry_after`](crate::Error::retry_after) | when |
//! | [`host`](crate::Error::host) | where the request went |
//! | [`status`](crate::Error::status), [`oauth_code`](crate::Error::oauth_code) | what the token endpoint answered |
//! | [`scope`](crate::Error::scope), [`acr_values`](crate::Error::acr_values), [`max_age`](crate::Error::max_age) | what an API asks for that no renewal brings |
//! | [`description_untrusted`](crate::Error::description_untrusted) | the server's own words, without our secrets. They are in no line of the log |
//!
//! [`Error::find`](crate::Error::find) gets this crate's error out of other crates' errors.
//! [*Clients*](crate::manual::clients#tonic-with-the-feature-tonic) says which gRPC code a generated client shows for each kind.
//!
//! # Users are logged out
//! | cause | how to tell | what to do |
//! | --- | --- | --- |
//! | the program restarted | everybody at once | without a [store](crate::manual::store) nothing outlives the process |
//! | another process logged out, or logged somebody in, under the same key of the store | event `logged out elsewhere` | a key for each login; [`owner`](crate::SessionBuilder::owner) |
//! | idle time, lifetime or capacity of [`Sessions`] | event `session evicted` (DEBUG) with its cause; calls fail with `LoggedOut` | [`SessionsBuilder`](crate::SessionsBuilder) |
//! | two programs share one rotating refresh token | `credentials refused` with `invalid_grant`, soon after each other | one refresh token for each program, or one [store](crate::manual::store) for both |
//! | an old refresh token was kept and used at a later login | the same, right after the login | [`RefreshTokenGrant`](crate::RefreshTokenGrant) takes the newest one only |
//! | a renewal was cut off: the program ended, or the answer came after [`renewal_limit`](crate::SessionBuilder::renewal_limit) | `renewal failed` with `TimedOut` or `RenewalLost` before it | [`shutdown`](crate::Session::shutdown) at the end; a longer limit |
//! | the refresh token expired or was revoked, and there is no password | `credentials refused` | a login; [`Retain::UntilLogout`](crate::Retain::UntilLogout) keeps the password for that |
//! | the user store behind WSO2 was down | `invalid_grant` in an outage | longer [`confirmations`](crate::PasswordGrant::confirmations) |
//!
//! # A long outage
//! While the authorization server is down, calls go on with the token as long as the API accepts it. After that each call
//! fails with [`Transport`](crate::ErrorKind::Transport), [`TimedOut`](crate::ErrorKind::TimedOut) or
//! [`Unavailable`](crate::ErrorKind::Unavailable), or gets its rejection with that error.
//!
//! The session pauses between its attempts: for 1 s at first, doubling to 60 s, with jitter, or for as long as the server's
//! `Retry-After` says, up to 5 min. During a pause calls that need a token fail at once, and nothing is sent for them. The first
//! call after a pause tries again. Without calls nothing is sent, except with [`RenewAhead::Always`](crate::RenewAhead::Always).
//!
//! A password is held back longer, lest the account be locked. This is so if requests reach the server, and no answer says
//! whether the password is right (5xx, broken connections, web pages). If nothing reaches the server (no network, connection
//! refused), no attempt counts.
//!
//! | credential | is sent again |
//! | --- | --- |
//! | refresh token, client's secret | after each pause. So calls work again within about a minute of the server's return |
//! | [custom](crate::Credential::Custom) | the same, but 10 times in 15 min at most |
//! | password that had worked in this login | 5 s after the last time, doubling to 5 min. After ten pauses of 5 min it is once an hour, so after many hours it can take up to an hour. A refresh token that was not refused is tried meanwhile |
//! | password that never worked in this login | after 10 s, 2 min, 20 min and 2 h: five times in about two and a half hours |
//!
//! Does anybody have to log in again? A login that had worked does not end by a 5xx, a broken connection, a time-out or a web
//! page, however often they come: its credentials are kept, and its status stays as it was. These users have to log in again:
//! - Those whose password never worked in this login. After the fifth answer that says nothing, or the second one that is a web
//!   page, the status is [`Refused`](crate::Status::Refused).
//! - Those for whom a proxy answers in the server's place with a plain 4xx, which is no web page. That looks like a refusal. The
//!   session makes sure as [`answers`](crate::manual::answers) says. If the proxy still answers so, the status is `Refused`. For a
//!   password that had worked that is after six minutes, for a lone refresh token after an hour (after 30 s with a 400 or 401).
//! - Those who were evicted meanwhile. The limits of [`Sessions`] hold in an outage as at any time: by default 30 min without
//!   use, and 12 h in all.
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
//! Over HTTP/2 waiting calls do not block each other, nor the token request on the same connection. While a call waits, the
//! layer reads its rejection to the end, so that it does not fill the connection's flow control window. A rejection that is too
//! long for that goes to its caller at once, and so does one whose request cannot be sent again: read or drop it soon.
//!
//! # An upload fails
//! Whether a rejected upload is sent again depends on its body. The limit is
//! [`replay_limit`](crate::ReauthLayer::replay_limit), by default 64 KiB.
//!
//! | body | is sent again |
//! | --- | --- |
//! | `Full<Bytes>`, `Bytes`, or a `reqwest::Body` of bytes, of any size | yes |
//! | reqwest's multipart form of known length, up to 1 MiB, with `send_through` or in reqwest-middleware | yes: it is read before it is sent |
//! | any other body, a boxed `Full` too, whose known length is over the limit | no, however little was sent when the rejection came |
//! | any other body, with an unknown length or one within the limit | yes, if no more than the limit, and no more than 1,024 frames, had been read when the rejection came |
//!
//! If it is not sent again, the call returns `Ok` with the 401 as soon as the head of the 401 comes, in the middle of the upload
//! perhaps. [`RenewalFailed`] says [`NotReplayable`](crate::ErrorKind::NotReplayable). The token is renewed all the same, so you
//! can send the upload again from its source. To avoid this for large streams:
//! - Raise `replay_limit`, if you have the memory.
//! - Send a small request just before: a token that was revoked is then renewed before the upload. For a token that has
//!   expired, or is [due for renewal](crate::Session#when-a-token-is-renewed), the layer does this by itself.
//!
//! What becomes of the first upload, if the 401 comes before its end?
//! - *If it is not sent again*, the layer does not stop it. The client below still has the body, and does what it does without
//!   this layer: it goes on, until the server closes the connection or resets the stream. To stop it, let your stream fail.
//! - *If it is sent again*, the first body fails when the second begins. So the first request is broken off, and the server does
//!   not take a truncated upload for a whole one. A `Full<Bytes>` does not fail: it may be sent to its end.
//! - *If the server answers over HTTP/1.1 and closes the connection before it has read the body*, the client may meet the closed
//!   connection first (`Broken pipe`, `Connection reset`) and lose the 401. The call then fails with
//!   [`Service`](crate::ErrorKind::Service). A server that reads on for a moment before it closes, as RFC 9112 §9.6 asks for, avoids it.
//!
//! `NotReplayable` has other causes, too:
//! - The request has [`NoReplay`](crate::NoReplay), or [`max_replays`](crate::ReauthLayer::max_replays) is 0.
//! - All waiting calls together are over the [`parked_limit`](crate::ReauthLayer::parked_limit).
//! - The body of the first attempt neither ended nor failed within a second. [`Replay`](crate::Replay) names the error types of
//!   boxes that can fail.
//!
//! # An account is locked
//! A password that never worked in this login is not sent again once the server has refused it. One that had worked is sent
//! once more to make sure, after 60 s; if that refusal has no code either, once more after 5 min.
//! [`answers`](crate::manual::answers) has all limits. These counts are for one login of one session. So look for:
//! - a program that calls [`login`](crate::Session::login) or makes a new session with the same password at each failure;
//! - several devices or replicas with the same old password: each sends it on its own;
//! - [`confirmations`](crate::PasswordGrant::confirmations) that are too many for this server: an empty list sends none.
//!
//! # A storm of token requests
//! One session makes one token request at a time, however many calls wait. If token requests still come without end, two parties
//! revoke each other's tokens: each new token ends the other's, whose next call is rejected and fetches one. The session
//! limits this to 10 renewals a minute ([`renewals_per_minute`](crate::SessionBuilder::renewals_per_minute)). Over that, a
//! rejected call waits for its turn, if that comes within 5 s, and is then sent again. If the turn is further away, the call
//! gets its rejection at once, with [`Damped`](crate::ErrorKind::Damped). The log says `renewals damped`.
//! - On WSO2, give each device a scope of its own: [`device_scope`](crate::PasswordGrant::device_scope).
//! - Use one session for all clients of a process that act for the same user; layers share it by `clone`.
//! - Many sessions that renew at once are limited by [`TokenEndpoint::concurrency`](crate::TokenEndpoint::concurrency).
//! - [`ForceRenewal`](crate::ForceRenewal) has no limit: do not put it on every request.
//!
//! # An origin cools down
//! A *cool-down* keeps an API that rejects every token from causing renewals without end. It begins when an origin rejects a
//! token, the session renews it for that reason, and the origin rejects the new token as well. The line `origin cools down`
//! (WARN) says so, with its length in seconds.
//!
//! 1. Calls to the origin are sent with the present token, as always. If that is rejected, the caller gets the rejection at once,
//!    with [`CoolingDown`](crate::ErrorKind::CoolingDown), and nothing is renewed.
//! 2. It ends when its time is over. The next rejection leads to a renewal again. If the origin rejects that token as well, the
//!    next cool-down is twice as long: 1 s at first, 60 s at most.
//! 3. It also ends when the origin accepts that token on the route that had rejected it, or a later token on any route. Any
//!    answer that is no rejection counts as accepting it.
//! 4. A *route* is a method and a path, without the query. If other routes of the origin accept the very token, only the routes
//!    that reject it cool down, for 60 s. There is no line when that begins. If such a route rejects the next token too, the
//!    line comes again, with 60 seconds; it names the origin, not the route.
//! 5. Other origins, and other sessions, are not affected.
//!
//! Look at that API: its clock, the audience it wants, a broken node, a route that says 401 for lack of permission.
//!
//! # Logout does not revoke
//! - Without [`TokenEndpoint::revocation`](crate::TokenEndpoint::revocation), or with a grant without an endpoint, a logout is
//!   local, unless the grant has a [`revoke`](crate::Grant::revoke) of its own. So is [`forget`](crate::Session::forget), the drop of a session, and an eviction without
//!   [`revoke_evicted`](crate::SessionsBuilder::revoke_evicted).
//! - A grant that wraps another one must pass [`revoke`](crate::Grant::revoke) on, as all other methods.
//! - [`NotRevoked`](crate::ErrorKind::NotRevoked): the server was down or refused, or the grant's own logout failed. The tokens are forgotten here and live until they
//!   expire there. The session no longer has them, so a second `logout` does nothing.
//! - The program ended too soon: await the future of `logout`, or [`shutdown`](crate::Session::shutdown). For many users call
//!   [`Sessions::logout_all`](crate::Sessions::logout_all), then [`Sessions::shutdown`](crate::Sessions::shutdown).
//! - Some gateways accept a revoked token for minutes, because they cache it.
//!
//! # The token store fails
//! Calls go on with the token that is there. [*When the store fails*](crate::manual::store#when-the-store-fails) says what does not.
//! The error names the step and the cause.
//!
//! | the cause says | what to do |
//! | --- | --- |
//! | the disk is full, the folder may only be read, permission denied | make room, or correct the permissions: what could not be saved is saved then |
//! | others may read the folder or the file | `chmod 700` for the folder, `chmod 600` for the file. Ask who has read it |
//! | the record belongs to another owner, or is bound to another DPoP key | one key of the store for each login, and the DPoP key that it began with. [`Session::login`](crate::Session::login) writes a new record in its place |
//! | the format was written by a newer release | update this program |
//! | cut off, no JSON, another key | remove the record by hand; the user has to log in. It was not written by this crate, or was damaged |
//! | the store did not answer within 2 s | a network file system or a database that hangs |
//! | the file system has no locks | use a folder on a local disk |
//! | another process renews this token, and does not come to an end | it hangs, or many processes overtake each other; try again |
//!
//! [`ErrorKind`]: crate::ErrorKind
//! [`ErrorKind::Refused`]: crate::ErrorKind::Refused
//! [`RenewalFailed`]: crate::RenewalFailed
//! [`Sessions`]: crate::Sessions
