//! What is defended, and what is not, by boundary.
//!
//! The layer holds what an attacker wants most: a password or a refresh token, and the current access token. For each
//! neighbour this chapter says what it could try, what the defence is, and which test shows it. Names in the last column are
//! files under `tests/`, or modules with tests of their own.
//!
//! # Resource server
//! The server that the token is for. It may be broken, or under somebody else's control.
//!
//! | threat | defence | test |
//! | --- | --- | --- |
//! | answers 401 to everything, to cause renewals without end | one replay for each call; the origin has a cool-down of its own, 1 s doubling to 60 s; 10 renewals a minute and session | `damping`, `origins_at_odds` |
//! | revokes or rejects late, so that good tokens are replaced | a rejection counts only against the token that its request was sent with | `renew` |
//! | challenges that are huge, endless or malformed | 8 KiB and 16 challenges are read; a tolerant parser that never panics | `challenge` |
//! | bodies that never end, or come byte by byte | read by a classifier up to 64 KiB and 1 s, drained up to 64 KiB and 100 ms, kept up to 16 MiB while their requests wait | `http1` |
//! | a redirect to another host, to get the token sent there | the layer follows none; outside it, the new request is checked by its own origin, whatever header carries the token | `http1`, `schemes` |
//! | rejects early, so that a truncated request looks complete | the body of an abandoned attempt fails, it never just ends | `superseded_body` |
//! | a scope or a login that a challenge asks for, to deceive | up to 1,024 visible characters, reported to caller and grant, and never acted on | `insufficient`, `asked` |
//! | claims in a challenge, to control the token request | JSON objects up to 4 KiB, given to the grant once, for that one renewal | `challenge` |
//!
//! Not defended: a client below the layer that follows redirects by itself, as reqwest does by default. It strips `Authorization` when
//! the host changes, and no other header: with [`ReauthLayer::header`](crate::ReauthLayer::header) the token goes along (`schemes` shows it).
//! Switch its redirects off.
//!
//! Not defended: a resource server that got a token can use it until it expires. Ask for narrow scopes and audiences, or bind
//! tokens to a [key](crate::manual::dpop).
//!
//! # Other origins
//! | threat | defence | test |
//! | --- | --- | --- |
//! | a request for another origin carries the token | [`Origins`](crate::Origins): scheme, host and port must be listed; anything else is sent bare | `origin`, `http1` |
//! | the URI says one host and the `Host` header another; userinfo; `CONNECT`; two `Host` lines | sent bare | `origin` |
//! | an inbound, origin-form request is forwarded with the token | a request without an authority is allowed by `bound_to` only | `origin` |
//! | unencrypted HTTP on the way | `http` is refused beyond this machine, unless [`danger_allow_plaintext`](crate::Origins::danger_allow_plaintext) is used | `origin` |
//!
//! Not defended: DNS, TLS and the inner service. `bound_to` is your promise; the layer cannot check where a service goes.
//!
//! # Token endpoint
//! | threat | defence | test |
//! | --- | --- | --- |
//! | an unencrypted address, or one with userinfo | refused when the endpoint is made, unless [`danger_plaintext`](crate::TokenEndpoint::danger_plaintext) is used; the metadata of an encrypted issuer never leads to one | `token_endpoint`, `plaintext` |
//! | a redirect that takes the body along | never followed | `token_endpoint` |
//! | an answer without end, or of many megabytes | 1 MiB, 120 s | `token_endpoint` |
//! | a token that injects a line into the header | only visible ASCII is accepted | `token_endpoint` |
//! | an error text that repeats the secrets, or that deceives | no text of an answer is shown, only an OAuth code that looks like one. [`description_untrusted`](crate::Error::description_untrusted) has the text: one line, at most 512 characters, and every secret of the request and the session cut out of it, with every piece of 8 bytes or more | `secrets`, `redact` |
//! | refuses because it is in trouble, so that the user is logged out | a login that had worked ends only if that very token or password is refused, and refused again when it is sent to make sure; a 5xx or a web page is no refusal. A password that never worked ends with the fifth answer that says nothing, or the second web page | `ladder` |
//! | locks the account after too many attempts | a refused password is not sent again if it never worked in this login; one that had worked is sent once more, or twice if the refusals have no code, unless [`confirmations`](crate::PasswordGrant::confirmations) says otherwise. Whatever the answers are, no more than 3 sends in 15 min and 5 in all of one that never worked, 10 in 15 min of one that had | `refusal`, `ladder`, `verdicts` |
//! | a rotated refresh token is lost with a caller that left | the request runs to its end on a task of its own | `single_flight` |
//! | an answer that comes after the logout | thrown away and revoked, even if the session was dropped | `logout`, `sessions` |
//!
//! | metadata that names another server's issuer, or an endpoint on the way of whoever listens | the issuer must be the given one, byte for byte; issuer and endpoints must be encrypted; a member that is there twice is refused | `discovery`, `metadata` |
//! | metadata that moves the endpoint, so that secrets go elsewhere | only to origins that the first metadata named, or that [`endpoint_origins`](crate::TokenEndpoint::endpoint_origins) allows | `discovery` |
//! | metadata without end, a redirect, or none at all | 256 KiB, 10 s, never followed; what is at hand goes on being used, and no credential counts as sent | `discovery` |
//! | an API that names an authorization server of its own in a challenge (RFC 9728) | nothing that a challenge names is fetched | `challenge` |
//! | a server that names another one's endpoint, to use the assertion there (CVE-2025-27370) | an assertion is for the issuer, unless its audience was set by name | `discovery` |
//!
//! Not defended: the token endpoint is trusted to say who the user is. Whoever holds a certificate for the issuer's host when the
//! program starts says where the secrets go, unless [`endpoint_origins`](crate::TokenEndpoint::endpoint_origins) is set.
//!
//! # Tokens that are bound to a key
//! Only with a [key](crate::manual::dpop) (feature `dpop`); without one a token works for whoever has it.
//!
//! | threat | defence | test |
//! | --- | --- | --- |
//! | an access token is copied from a log, or by an API that got it | it is good with a proof of the key alone | `embedded_gateway`; at real servers `interop/dpop` |
//! | a refresh token of a client without a secret is copied from a store or a backup | the server binds it to the key, and the store has no key | `interop/dpop`, `stored` |
//! | a request is sent once more, proof included | each attempt has a proof of its own; servers remember proofs, or give nonces | `interop/dpop` |
//! | a server gives out bearer tokens instead, or somebody on its way makes it so | refused, unless [`allow_bearer`](crate::manual::dpop#set-it-up) was said | `dpop` |
//! | a nonce that is huge, or no text; a nonce of one server in a proof for another | nonces are bounded in number and size, and kept by server | `dpop` |
//! | a server that asks for another nonce without end | a bounded number of attempts, then the call has its 401 | `dpop` |
//! | a wrong `Date`, so that proofs are dated wrongly | it counts for that server alone, until a proof that was dated by it is refused. No proof is dated more than 1 h ahead, so that none is good tomorrow | `dpop` |
//! | the key in a log or an error | `Debug` shows the thumbprint | `secrets` |
//!
//! Not defended: whoever runs code as the client can sign with its key. Bodies, queries and headers are not signed, so whoever ends
//! TLS on the way can change them. Passwords and client secrets are bound to nothing. [*What it protects
//! from*](crate::manual::dpop#what-it-protects-from-and-what-not) has the whole list.
//!
//! # Logs, errors, metrics
//! | threat | defence | test |
//! | --- | --- | --- |
//! | a secret in `Debug`, `Display`, a span or an event | types that can't print them; header values are marked sensitive | `secrets` |
//! | a path or a query with a secret in it | origins and the token endpoint's address are named, nothing else | `secrets` |
//! | WSO2's `RevokedAccessToken` headers | headers of answers are never logged here | `secrets` |
//!
//! Not defended: what inner services log. Put `SetSensitiveHeaders` of tower-http, or something like it, around clients that log
//! headers. The text of a transport's own error is passed on as the source of ours.
//!
//! # Memory
//! | threat | defence | test |
//! | --- | --- | --- |
//! | secrets that stay in freed memory | secret strings, form bodies, header values and copies of request heads are wiped when they go | `replay` |
//! | secrets that outlive the logout | the session drops them before [`logout`](crate::Session::logout) returns, even a password that is on the wire; a token request that still waits for its turn holds none, and is not sent | `logout` |
//!
//! Not defended, and out of this crate's reach: the buffers of TLS and HTTP, serde_json's scratch memory for strings with escapes,
//! request bodies, a header value in a request that is under way, swap, core dumps, and anybody who can read the process.
//!
//! A [`Reauth`](crate::Reauth) of one session keeps the last token that it has sent. After a logout it does not use it any more,
//! but it wipes it only with its next call, or when it is dropped.
//!
//! # Token store
//! Only with a [store](crate::manual::store); without one nothing is written.
//!
//! | threat | defence | test |
//! | --- | --- | --- |
//! | the password, a client secret, a key on disk | a record has no place for them | `stored` |
//! | another user of the machine reads the tokens | a folder of mode 0700 and files of 0600; others, and links, are refused | `file_store` |
//! | a backup or a stolen disk | encryption with your key, bound to name and version of the record | `file_store` |
//! | one user's record under another's key | a salted hash of token endpoint, client, [`owner`](crate::SessionBuilder::owner) and, where the grant knows one, user is compared | `stored` |
//! | a record is damaged or exchanged, to end a login or to have it written over | nothing is written over what cannot be read, and an error says so | `file_store` |
//! | a process that was killed loses the login | new tokens are saved before they are used; a claim while a token request is under way | `processes` |
//! | a logout that another process undoes | a mark in place of the record | `stored` |
//!
//! Not defended: other programs of the same user, which can read what this one can; whoever can write the folder,
//! who may put a login of his own there; the older copies of a file that a disk or a backup keeps.
//!
//! # Other tenants
//! | threat | defence | test |
//! | --- | --- | --- |
//! | one user's token gets into another user's request | tokens are found by the session alone; token numbers are process-wide and never used twice; a call stays with the login it started with | `single_flight` |
//! | many users, and a request without a key | an error, never a bare request or somebody's token by accident | `sessions` |
//! | many logins, to fill the memory or to evict others | the number of sessions is limited; limit logins where they come in | `sessions` |
//! | many users renew at once and overrun the server | one limit on concurrent requests, and one pause, for all of them | `sessions` |
//! | an evicted login lives on | wiped at once, even if somebody holds a clone; one timer removes what nobody asks for | `sessions` |
//! | one user's requests fill the memory | 64 KiB a request, 64 MiB a layer; over that the caller gets the rejection | `damping`, `waiting` |
//! | one broken API uses up the renewals that others need | each origin, and each of its routes, has its own cool-down; no origin gets more than half of the renewals | `origins_at_odds` |
//!
//! # At the end of a program
//! A runtime that shuts down cuts off renewals and revocations. A refresh token that was on the wire may be spent, and its
//! successor lost; a logout may not reach the server. [`Session::shutdown`](crate::Session::shutdown) and
//! [`Sessions::shutdown`](crate::Sessions::shutdown) wait for both: see [*A graceful end*](crate#a-graceful-end).
//!
//! Renewals do not progress on a runtime that is not running, such as a `current_thread` one between two `block_on` calls: see
//! [`SessionBuilder::runtime`](crate::SessionBuilder::runtime).
