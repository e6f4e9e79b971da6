//! Limits and defaults, and where to change each of them.
//!
//! | what | default | set by |
//! | --- | --- | --- |
//! | replays of one call | 1, and one more if others had renewed the token already | [`ReauthLayer::max_replays`] |
//! | replays of one call for another nonce of an API (DPoP) | 16, each only if there is another nonce, and none with `max_replays(0)`; from the second on the calls to that origin take turns: as many at a time as pass, 1 to 64, each for 1 s at most. After 32 of these turns in a row that were refused, 1 | |
//! | replays of one call for another proof (DPoP) | 1 where the API refuses the proof, dated by its `Date` if that differs by more than 2 s; and 1 for each token that it rejects while its `Date` differs by more than 30 s, or that it rejects with its first nonce. A clock is believed to be 1 h ahead at most, or a day behind | |
//! | buffered body of one request | 64 KiB and 1,024 frames; a `Full<Bytes>` of any size is kept by reference | [`ReauthLayer::replay_limit`] |
//! | reqwest's multipart form of known length, with `send_through` or in reqwest-middleware | read before it is sent up to 1 MiB, then kept by reference | |
//! | requests that wait after a rejection, with these rejections: their bytes, for all calls of one layer | 64 MiB: 95,325 calls that keep 704 bytes each; a call over it gets its rejection at once | [`ReauthLayer::parked_limit`] |
//! | rejection that is kept while its request waits | a quarter of that; a longer one goes to the caller at once | |
//! | body of a rejection that is read, so that its connection can be used again | 64 KiB and 100 ms | [`ReauthLayer::drain_limit`] |
//! | response body that a classifier may read | 64 KiB and 1 s, then the head decides | |
//! | of that for [`BearerClassifier::with_bodies`](crate::BearerClassifier::with_bodies) | 4 KiB; off | |
//! | challenges that are read | 8 KiB, 16 challenges | |
//! | all waits of one call together | 30 s; the renewal itself goes on | [`SessionBuilder::waiting_time`] |
//! | rejected request that cannot be sent again | does not wait: its caller gets the rejection at once | |
//! | request that cannot be sent again, if the token is [due for renewal](crate::Session#when-a-token-is-renewed) | waits up to 2 s for a new token before it is sent, then goes with the present one | |
//! | one renewal in all | 120 s; a second later the next caller gives it up | [`SessionBuilder::renewal_limit`] |
//! | where renewals and revocations run | on the runtime of the call that starts them | [`SessionBuilder::runtime`] |
//! | one exchange with the token endpoint | 120 s | [`TokenEndpoint::timeout`] |
//! | requests to one token endpoint at a time | 64, of all sessions; further ones wait for a place for up to 30 s | [`TokenEndpoint::concurrency`] |
//! | answer of the token endpoint | 1 MiB | [`TokenEndpoint::response_limit`] |
//! | redirects of the token endpoint | never followed | |
//! | plain `http` to the token endpoint, or to the issuer | refused, except on this machine | [`TokenEndpoint::danger_plaintext`], [`TokenEndpoint::danger_discover_plaintext`] |
//! | what the server says of a failure, in [`description_untrusted`](crate::Error::description_untrusted) | 512 characters, from the first 4 KiB | |
//! | [secret in a file](crate::SecretSource#files) | read for each token request, 64 KiB, within 5 s | [`SecretSource`](crate::SecretSource) |
//! | [assertion](crate::Assertion) | signed for each request, good for 60 s | [`Assertion::lifetime`](crate::Assertion::lifetime) |
//! | DPoP proof (feature `dpop`) | signed anew for each attempt, and again if it waited for 10 s | |
//! | DPoP nonces of a session | of the 64 servers that spoke last, up to 1,024 bytes each; `use_dpop_nonce` of a token endpoint is answered once | |
//! | clock of a server that refuses a DPoP proof | believed if it differs by more than 2 s and less than a day | |
//! | [discovered](crate::TokenEndpoint::discover) metadata | 256 KiB and 10 s a fetch, redirects are not followed | |
//! | metadata that was fetched | used for 24 h; fetched again before that if an endpoint seems to have moved, once a minute at most; used on where that fails | |
//! | metadata that could not be fetched | asked for again after 1 s at the earliest, `Retry-After` wins, up to 5 min | |
//! | origins of discovered endpoints | those that the first metadata names | [`TokenEndpoint::endpoint_origins`] |
//! | `token_type` | missing or `Bearer` in any case; anything else is an error | [`TokenEndpoint::accept_token_type`] |
//! | header that carries the token | `Authorization` | [`ReauthLayer::header`] |
//! | word before the token | `Bearer`, whatever `token_type` says | [`ReauthLayer::scheme`] |
//! | lifetime of a token | counts from when it was asked for, on the monotonic or the wall clock, whichever is ahead | |
//! | unknown lifetime | counts as long-lived, until a rejection | |
//! | check whether the machine slept | with a call, once a second at most | |
//! | due for renewal: a token is renewed in the background | from 70 to 80 % of its lifetime on, with the next call; off for [`PasswordGrant`] and for a [token that never changes](crate::Credential::Subject) and is exchanged | [`SessionBuilder::renew_ahead`] |
//! | counts as expired: calls wait for the renewal | from 10 s before the token's end on, at most a tenth of its lifetime | |
//! | pause after a failed renewal | 1 s doubling to 60 s, full jitter; `Retry-After` wins, up to 5 min; calls that need a token fail meanwhile | [`SessionBuilder::wait_through_pauses`] |
//! | pause after a renewal that died or was given up | 1 s doubling to 60 s, without jitter | |
//! | pause after a 429 or 503 | `Retry-After` up to 5 min, otherwise 1 s doubling to 60 s, for all users of the endpoint | |
//! | refused password that never worked | not sent again until the next login | |
//! | refused password that had worked | one more attempt after 60 s, without a code another one after 5 min | [`PasswordGrant::confirmations`] |
//! | password that never worked, without a success | 3 sends in 15 min, 5 in all | |
//! | password that had worked, without a success | 10 sends in 15 min | |
//! | password while no answer says whether it is right | [A long outage](crate::manual::troubleshooting#a-long-outage) has the times | |
//! | refused client | tried again after 60 s, doubling to 15 min | |
//! | any other answer of the token endpoint | [a chapter of its own](crate::manual::answers) | |
//! | renewals because unexpired tokens were rejected | 10 a minute and session. If two origins or more cause them, each gets at most half. Over the limit a call waits up to 5 s for its turn, and is then sent again; if the turn comes later, its caller gets the rejection at once | [`SessionBuilder::renewals_per_minute`] |
//! | [cool-down](crate::manual::troubleshooting#an-origin-cools-down) of an origin that rejects a token issued because of it | 1 s, doubling to 60 s | |
//! | cool-down of one route (method and path), if other routes of its origin accept the token | 60 s | |
//! | access tokens of [derived sessions](crate::Session::for_resource) that a login keeps, in memory and in its record | 64, the newest; until they expire | |
//! | resource or scope that the server refuses to a derived session | asked for again after 60 s, doubling to 15 min; nobody else waits | |
//! | derived sessions of many users | held until their login ends, or is held by nobody else for a minute | |
//! | sessions of many users | 100,000; over it nearly the least recently used one is evicted | [`SessionsBuilder::capacity`] |
//! | session among many without use | ends after 30 min | [`SessionsBuilder::idle_timeout`] |
//! | session among many in all | ends after 12 h | [`SessionsBuilder::max_lifetime`] |
//! | wait for the login of another caller, with [`get_or_login`](crate::Sessions::get_or_login) | 30 s; the login itself goes on, up to 120 s | |
//! | tokens of an evicted session | forgotten, not revoked | [`SessionsBuilder::revoke_evicted`] |
//! | request without a key to one of the layer's origins, among many sessions | an error, nothing is sent | [`SessionsBuilder::without_key`] |
//! | logout of all sessions | revokes 16 at a time | |
//! | each access to a [token store](crate::manual::store) | 2 s, then it counts as failed | |
//! | look for news in the store | as often as the store says ([`news_every`](crate::TokenStore::news_every); 30 s) while there are calls; with a call, once a second at most, while there is no good token | |
//! | claim of a process in the store | as long as its renewal may take | [`SessionBuilder::renewal_limit`] |
//! | lease of a process that claims nothing | passed over after 10 s | |
//! | looks at what another process does, while a renewal waits for it | every 20 ms to 250 ms; where the store carries news, as it is told of some, and every 100 ms to 1 s | |
//! | wait for another process that is [asked to renew](crate::manual::store#when-only-some-processes-have-the-password) | 5 s, and longer while somebody renews; asked again after 1 s, doubling to 60 s | |
//! | renewal for another process that asks | once in 4 s for each session; one that comes earlier waits for its turn | |
//! | looks into the store that news ask for | 100 ms apart; after a lost connection within 1 s, at random | |
//! | save that failed | tried again after 250 ms, doubling to 5 s | |
//! | refusal of a password or the like by another process | believed for 15 min | |
//! | keys that are looked up in the store at a time | 4,096, further ones fail with [`Unavailable`](crate::ErrorKind::Unavailable) | |
//! | revocation | sent up to 3 times, again only after 429 or 503 | |
//! | [logout of a grant's own](crate::Revoke) | called up to 3 times for each token, again only if nothing was sent or the server asks to wait; 120 s in all for each token | [`SessionBuilder::renewal_limit`] |
//!
//! # A million sessions
//!
//! With a key of 16 bytes a session takes 332 bytes beyond its tokens, at rest and a minute after a renewal that a rejection led
//! to: with tokens of 64 bytes a million of them take 460 MB. A call among a million random users takes two to three times as
//! long as a call of a layer with one session, since no cache of a processor holds what it looks up. Large pages help. With
//! glibc's allocator that is a variable in the environment of the program:
//!
//! ```sh
//! GLIBC_TUNABLES=glibc.malloc.hugetlb=1 ./backend
//! ```
//!
//! A call among a million was measured a quarter faster with it. It takes Linux, glibc 2.35 or newer, and `madvise` or `always` in
//! `/sys/kernel/mm/transparent_hugepage/enabled`.
//!
//! [`ReauthLayer::header`]: crate::ReauthLayer::header
//! [`ReauthLayer::scheme`]: crate::ReauthLayer::scheme
//! [`ReauthLayer::max_replays`]: crate::ReauthLayer::max_replays
//! [`ReauthLayer::replay_limit`]: crate::ReauthLayer::replay_limit
//! [`ReauthLayer::parked_limit`]: crate::ReauthLayer::parked_limit
//! [`ReauthLayer::drain_limit`]: crate::ReauthLayer::drain_limit
//! [`SessionBuilder::waiting_time`]: crate::SessionBuilder::waiting_time
//! [`SessionBuilder::renewal_limit`]: crate::SessionBuilder::renewal_limit
//! [`SessionBuilder::runtime`]: crate::SessionBuilder::runtime
//! [`SessionBuilder::renew_ahead`]: crate::SessionBuilder::renew_ahead
//! [`SessionBuilder::wait_through_pauses`]: crate::SessionBuilder::wait_through_pauses
//! [`SessionBuilder::renewals_per_minute`]: crate::SessionBuilder::renewals_per_minute
//! [`SessionsBuilder::capacity`]: crate::SessionsBuilder::capacity
//! [`SessionsBuilder::idle_timeout`]: crate::SessionsBuilder::idle_timeout
//! [`SessionsBuilder::max_lifetime`]: crate::SessionsBuilder::max_lifetime
//! [`SessionsBuilder::revoke_evicted`]: crate::SessionsBuilder::revoke_evicted
//! [`SessionsBuilder::without_key`]: crate::SessionsBuilder::without_key
//! [`TokenEndpoint::accept_token_type`]: crate::TokenEndpoint::accept_token_type
//! [`TokenEndpoint::concurrency`]: crate::TokenEndpoint::concurrency
//! [`TokenEndpoint::danger_plaintext`]: crate::TokenEndpoint::danger_plaintext
//! [`TokenEndpoint::danger_discover_plaintext`]: crate::TokenEndpoint::danger_discover_plaintext
//! [`TokenEndpoint::endpoint_origins`]: crate::TokenEndpoint::endpoint_origins
//! [`TokenEndpoint::timeout`]: crate::TokenEndpoint::timeout
//! [`TokenEndpoint::response_limit`]: crate::TokenEndpoint::response_limit
//! [`PasswordGrant::confirmations`]: crate::PasswordGrant::confirmations
//! [`PasswordGrant`]: crate::PasswordGrant
