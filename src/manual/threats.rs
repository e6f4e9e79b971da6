//! What is defended, by boundary, and what is not.
//!
//! The layer holds what an attacker wants most: a password or a refresh token, and the access token of the moment. This
//! chapter says for each neighbour what it could try, what stands against it, and which test shows that. Names in the last
//! column are files under `tests/` (or modules with tests of their own).
//!
//! # Resource server
//! The one whom the token is for; it may be broken, or in somebody else's hands.
//!
//! | threat | defence | test |
//! | --- | --- | --- |
//! | answers 401 to everything, to make us renew without end | one replay a call; the origin gets a cool-down of its own, 1 s doubling to 60 s; 10 re-issues a minute and session | `damping`, `origins_at_odds` |
//! | revokes or rejects late, so that good tokens are burned | a rejection counts only against the generation that its request was sent with | `renew` |
//! | challenges that are huge, endless or malformed | 8 KiB and 16 challenges are read; a tolerant reader that never panics | `challenge` |
//! | bodies that never end, or come byte by byte | looked into up to 64 KiB and 1 s, drained up to 64 KiB and 100 ms, kept up to 16 MiB while their requests wait | `http1` |
//! | a redirect to another host, to get the token sent there | the layer follows none; around it, the new request is judged by its own origin | `http1` |
//! | rejects early, to make us send a request that looks whole and is cut off | a superseded body fails, it never simply ends | `superseded_body` |
//! | claims in a challenge, to steer the token request | JSON objects up to 4 KiB, handed to the grant once, for that one renewal | `challenge` |
//!
//! Not defended: a resource server that was given a token can use it until it expires. Ask for narrow scopes and audiences.
//!
//! # Other origins
//! | threat | defence | test |
//! | --- | --- | --- |
//! | a request for another origin carries the token | [`Origins`](crate::Origins): scheme, host and port must be those that were named; anything else goes bare | `origin`, `http1` |
//! | the URI says one host and the `Host` header another; userinfo; `CONNECT`; two `Host` lines | bare | `origin` |
//! | an inbound, origin-form request is forwarded with the token | a request without an authority is allowed by `bound_to` only | `origin` |
//! | plain text on the way | `http` is refused beyond this machine, unless [`danger_allow_plaintext`](crate::Origins::danger_allow_plaintext) was said | `origin` |
//!
//! Not defended: DNS, TLS and the inner service. `bound_to` is your promise; the layer can't check where a service goes.
//!
//! # Token endpoint
//! | threat | defence | test |
//! | --- | --- | --- |
//! | an address that sends passwords in the clear, or holds userinfo | refused when the endpoint is made | `token_endpoint` |
//! | a redirect that takes the body along | never followed | `token_endpoint` |
//! | an answer without end, or of many megabytes | 1 MiB, 120 s | `token_endpoint` |
//! | a token that smuggles a line into the header | only visible ASCII is taken | `token_endpoint` |
//! | an error text that repeats the secrets | no text of an answer is ever shown, only an OAuth code that looks like one | `secrets` |
//! | refuses on a bad day, so that the user is logged out | only a refusal of that very token or password is final, and never one with a 5xx status | `ladder` |
//! | locks the account after too many attempts | a refused password is not sent again, in whatever words it is refused; never more than 3 sends in 15 min and 5 in all of one that never worked, 10 in 15 min of one that had | `refusal`, `ladder`, `verdicts` |
//! | a rotated refresh token is lost with a caller that left | the request is carried through on a task of its own | `single_flight` |
//! | an answer that comes after the logout | thrown away and revoked, even if nobody holds the session any more | `logout`, `sessions` |
//!
//! Not defended: a token endpoint is trusted to say who the user is.
//!
//! # Logs, errors, metrics
//! | threat | defence | test |
//! | --- | --- | --- |
//! | a secret in `Debug`, `Display`, a span or an event | types that can't print them; header values are marked sensitive | `secrets` |
//! | a path or a query with a secret in it | origins and the token endpoint's address are named, nothing else | `secrets` |
//! | WSO2's `RevokedAccessToken` headers | headers of answers are never logged here | `secrets` |
//!
//! Not defended: what inner services log. Keep `SetSensitiveHeaders` of tower-http, or the like, around clients that log headers.
//! The text of a transport's own error is passed on as the source of ours.
//!
//! # Memory
//! | threat | defence | test |
//! | --- | --- | --- |
//! | secrets that stay in freed memory | secret strings, form bodies, header values and copies of request heads are wiped when they go | `replay` |
//! | secrets that outlive the logout | the session lets go of them before [`logout`](crate::Session::logout) returns, a password that is on the wire included; a token request that waits for its turn has none, and is not sent any more | `logout` |
//!
//! Not defended, and not defensible from here: the buffers of TLS and HTTP, serde_json's scratch memory for strings with escapes, request
//! bodies, a header value in a request that is under way, the last token in the private copy of a service that is not called
//! again, swap, core dumps, and anybody who can read the process.
//!
//! # Other tenants
//! | threat | defence | test |
//! | --- | --- | --- |
//! | a token of one user reaches another one's request | tokens are found by the session alone; generations are process-wide and never used twice; a call stays with the login it began with | `single_flight` |
//! | many users, and a request without a key | an error, never a bare request or anybody's token by accident | `sessions` |
//! | many logins, to fill the memory or to push others out | a number of sessions that is bounded; throttle logins where they come in | `sessions` |
//! | many users renew at once and overrun the server | so many requests at a time for all of them, and its pauses hold for all | `sessions` |
//! | a login that was evicted lives on | wiped at once, whoever else holds the session; one timer sweeps out what nobody asks for | `sessions` |
//! | one user's requests fill the memory | 64 KiB a request, 64 MiB a layer, then a rejection is passed on | `damping`, `waiting` |
//! | one broken API burns the session that others need | cool-downs are kept for each origin, and one of its routes does not take the others along; no origin has more than half of the re-issues | `origins_at_odds` |
//!
//! # At the end of a program
//! A runtime that goes down takes renewals and revocations with it: a refresh token that was on the wire may be spent without
//! its successor being known, and a logout may not reach the server. [`Session::shutdown`](crate::Session::shutdown) waits for both,
//! and [`Sessions::shutdown`](crate::Sessions::shutdown) does so for everybody, those who have left included:
//!
//! ```
//! # use std::time::Duration;
//! # async fn serve(listener: tokio::net::TcpListener, app: axum::Router, sessions: tower_reauth::Sessions<u128>) -> std::io::Result<()> {
//! axum::serve(listener, app)
//!     .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
//!     .await?;
//! if !sessions.shutdown(Duration::from_secs(10)).await {
//!     eprintln!("a renewal or a revocation was cut off");
//! }
//! # Ok(()) }
//! ```
//!
//! A runtime that lives on but is not driven, as one of the current thread between two `block_on`s, is none to run renewals
//! on: see [`SessionBuilder::runtime`](crate::SessionBuilder::runtime).
