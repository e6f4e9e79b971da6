//! Limits and defaults, with the place where each can be changed.
//!
//! | what | default | set by |
//! | --- | --- | --- |
//! | replays that one call may cause by renewals | 1, and one more where others had renewed already | [`ReauthLayer::max_replays`] |
//! | request body that is buffered for a replay | 64 KiB; a `Full<Bytes>` of any size is kept by reference | [`ReauthLayer::replay_limit`] |
//! | what all waiting requests of one layer keep, their rejections included | 64 MiB: 95,325 of 704 bytes each; one over it gets its rejection at once | [`ReauthLayer::parked_limit`] |
//! | rejection that is kept while its request waits | a quarter of that; a longer one goes to the caller at once | |
//! | rejection's body that is read so that its connection can be used again | 64 KiB and 100 ms | [`ReauthLayer::drain_limit`] |
//! | response body that a classifier may look into | 64 KiB and 1 s, then the head decides | |
//! | challenges that are read | 8 KiB, 16 challenges | |
//! | all waits of one call together | 30 s; the renewal itself goes on | [`SessionBuilder::waiting_time`] |
//! | rejected request that can't be replayed | waits for nothing | |
//! | request that can't be replayed, before its token's end | waits up to 2 s for a fresh one, then goes with the present one | |
//! | one renewal in all | 120 s; a second later it is given up by whoever asks or waits, driven or not | [`SessionBuilder::renewal_limit`] |
//! | where renewals and revocations run | on the runtime of whoever asks first | [`SessionBuilder::runtime`] |
//! | one exchange with the token endpoint | 120 s | [`TokenEndpoint::timeout`] |
//! | requests to one token endpoint at a time | 64, of all sessions; further ones wait for their turn, up to 30 s | [`TokenEndpoint::concurrency`] |
//! | answer of the token endpoint | 1 MiB | [`TokenEndpoint::response_limit`] |
//! | redirects of the token endpoint | never followed | |
//! | `token_type` | missing or `Bearer` in any case; anything else is an error | [`TokenEndpoint::accept_token_type`] |
//! | lifetime | counts from when the token was asked for, on the monotonic or the wall clock, whichever is ahead | |
//! | unknown lifetime | counts as long-lived; a rejection heals it | |
//! | look whether the machine slept | with a call, once a second at the most | |
//! | renewal ahead of time | at 70 to 80 % of the lifetime, in the background, while there is traffic; off for [`PasswordGrant`] | [`SessionBuilder::renew_ahead`] |
//! | expiry margin | 10 s, never more than a tenth of the lifetime | |
//! | pause after a failed renewal | 1 s doubling to 60 s, full jitter; `Retry-After` wins, up to 5 min; calls fail meanwhile | [`SessionBuilder::wait_through_pauses`] |
//! | pause after a renewal that died or was given up | 1 s doubling to 60 s, without jitter | |
//! | pause after a 429 or 503 | `Retry-After` up to 5 min, else 1 s doubling to 60 s, for all users of the endpoint | |
//! | refused password that never worked | not sent again until the next login | |
//! | refused password that had worked | one more attempt after 60 s, without a code another one after 5 min | [`PasswordGrant::confirmations`] |
//! | password that never worked, without a success | 3 sends in 15 min, 5 in all | |
//! | password that had worked, without a success | 10 sends in 15 min; 5 s apart, doubling to 5 min | |
//! | refused client | tried again after 60 s, doubling to 15 min | |
//! | any other answer of the token endpoint | [a chapter of its own](crate::manual::answers) | |
//! | re-issues because unexpired tokens were rejected | 10 a minute and session, half of them for one origin while others need some; then a call waits for its turn up to 5 s, or its rejection passes | [`SessionBuilder::renewals_per_minute`] |
//! | origin that rejects a token that was issued because of it | its rejections pass for 1 s, doubling to 60 s; until it takes that token | |
//! | one route that does so while others of its origin take the token | its rejections pass for 60 s | |
//! | sessions of many users | 100,000; the least recently used goes first | [`SessionsBuilder::capacity`] |
//! | session among many that is not used | ends after 30 min | [`SessionsBuilder::idle_timeout`] |
//! | session among many in all | ends after 12 h | [`SessionsBuilder::max_lifetime`] |
//! | wait for the login of another caller, with [`get_or_login`](crate::Sessions::get_or_login) | 30 s; the login itself goes on, up to 120 s | |
//! | session that was evicted | forgotten, not revoked | [`SessionsBuilder::revoke_evicted`] |
//! | request without a key to one of the layer's origins, among many sessions | an error, nothing is sent | [`SessionsBuilder::without_key`] |
//! | logout of all sessions | revokes 16 at a time | |
//! | revocation | sent up to 3 times, again only after 429 or 503 | |
//!
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
//! [`TokenEndpoint::timeout`]: crate::TokenEndpoint::timeout
//! [`TokenEndpoint::response_limit`]: crate::TokenEndpoint::response_limit
//! [`PasswordGrant::confirmations`]: crate::PasswordGrant::confirmations
//! [`PasswordGrant`]: crate::PasswordGrant
