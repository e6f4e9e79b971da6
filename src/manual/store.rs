//! Tokens that outlive the process, and logins that several processes share.
//!
//! Without a store nothing is written anywhere. With one, a session keeps its tokens in a place of your choice: a folder, a
//! database, a keychain. A password, a client secret, a key or an assertion is never kept there.
//!
//! # Which one
//! | you have | use |
//! | --- | --- |
//! | a command line or a desktop program, perhaps several of them at once | `FileStore` (feature `file`): [`SessionBuilder::store`](crate::SessionBuilder::store) |
//! | replicas of one program, also on several machines | `RedisStore`, of the crate `tower-reauth-redis`: [*fleet*](crate::manual::fleet) |
//! | a place of your own that one process uses, such as a keychain or a row of your database | [`store_fn`](crate::store_fn): two closures |
//! | a place of your own that several processes share | [`TokenStore`](crate::TokenStore), checked by `testing::check_store` (feature `testing`) |
//! | a server with many users | [`SessionsBuilder::store`](crate::SessionsBuilder::store) over any of these |
//! | a program that saves at its end, and nowhere else | [`Session::record`](crate::Session::record). Mind what it says of refresh tokens |
//!
//! # A program that starts again
#![cfg_attr(feature = "file", doc = "```")]
#![cfg_attr(not(feature = "file"), doc = "```ignore")]
//! use tower_reauth::{FileStore, RefreshTokenGrant, Session, TokenEndpoint};
//!
//! # fn with(folder: &std::path::Path, endpoint: TokenEndpoint) -> Result<(), tower_reauth::Error> {
//! let store = FileStore::open(folder)?;
//! let session = Session::builder(RefreshTokenGrant::stored(endpoint)).store(store, "alice").build();
//! # Ok(()) }
//! ```
//!
//! The first call looks into the store. If the access token there is still good, the call goes out with it, and the token endpoint
//! is not asked. If there is nothing, that call fails, and the session is [`Refused`](crate::Status::Refused): the user has to log in.
//! After a logout it is [`LoggedOut`](crate::Status::LoggedOut). Before the first call it is [`Idle`](crate::Status::Idle): to know at
//! the start, ask for the [`token`](crate::Session::token).
//!
//! A **login** is done with whatever you use for it, the `oauth2` crate for example. Its result is a [`Record`](crate::Record),
//! with the feature `oauth2` by `Record::from_oauth2(&response)?`:
//!
//! ```
//! # use tower_reauth::{Error, RefreshTokenGrant, Session, TokenEndpoint, TokenSet, TokenStore};
//! # async fn with(store: impl TokenStore, endpoint: TokenEndpoint, tokens: TokenSet) -> Result<(), Error> {
//! let grant = RefreshTokenGrant::stored(endpoint);
//! let session = Session::builder(grant).store(store, "alice").record(tokens)?.build();
//! session.save().await?;
//! # Ok(()) }
//! ```
//!
//! With a grant that has a credential of its own, a password or a client secret, fewer token requests are sent: the session goes on
//! with the tokens that it finds, and falls back on its grant as always. After a logout in another process, or an earlier one, such a
//! grant begins a new login.
//!
//! # What is kept
//! One [`Record`](crate::Record) for each key: the access token and its end, the refresh token in force, the scope, `id_token` and
//! the like; when the login began and was used last; whose it is, as a salted hash; a version; and what became of the login's own
//! credential, so that its limits hold for all processes together. [`Record::to_json`](crate::Record::to_json) has the format.
//!
//! The tokens of [derived sessions](crate::Session::for_resource) stand in the same record, each with the resource and the scope
//! that its session wanted; the newest 64, until they expire. So a process that starts has the token of each API, and after a rejection
//! it adopts what another process fetched for the same API. A release that knows nothing of derived sessions drops their tokens when it
//! saves; they are fetched again.
//!
//! A record of **another owner** is never used, and no renewal writes over it: of another token endpoint or client, of another user
//! or kind of grant as far as the grant knows, or of another [`owner`](crate::SessionBuilder::owner). Calls that need a token fail with [`ErrorKind::Store`](crate::ErrorKind::Store), and
//! nothing is sent. What cannot be read, since it is cut off, of a newer release or encrypted with another key, is not written
//! over either; a grant with a credential of its own goes on without the store then.
//! [`Session::login`](crate::Session::login) takes the place of another owner's record; what cannot be read, remove by hand.
//!
//! A [`RefreshTokenGrant`](crate::RefreshTokenGrant) knows no user, and goes on with a login of any grant at the same endpoint and
//! client. So give each user a key of their own, or name the [`owner`](crate::SessionBuilder::owner).
//!
//! # A renewal with a store
//! 1. *Look.* If another process has renewed the token meanwhile, it is adopted, and nothing is sent.
//! 2. *Lease.* One process at a time may send token requests, if the store knows leases.
//! 3. *Look again*: the holder before may have brought a token.
//! 4. *Claim.* The record says until when this token request may be under way. Whoever finds another process's claim waits until it
//!    is over.
//! 5. *Spend*: the token request, by refresh token or grant.
//! 6. *Save*, before anybody is handed the new token. A save compares the version, so a late one never replaces a newer record.
//! 7. *Tell*: the calls that wait go on.
//!
//! All of this is one wait of the [call's own clock](crate::SessionBuilder::waiting_time).
//!
//! With a token from another process the request is sent again as if that process's renewal had been its own. It does not count as a
//! renewal.
//!
//! # How fast others know
//! | | a store without news, such as `FileStore` | a store that [carries news](crate::TokenStore::listen), such as Redis |
//! | --- | --- | --- |
//! | a renewal elsewhere | with the next rejection, or at the next look | at once, also without calls |
//! | a logout elsewhere | at the next look | at once, also without calls, and in the middle of a renewal |
//! | the next look, if there are calls | after 30 s | after [`news_every`](crate::TokenStore::news_every); 4 s with Redis |
//! | the next look of a session that has nothing good | with a call, once a second at most | the same |
//! | a renewal that waits for another process | looks every 20 ms, later every 250 ms | is woken; if the word is lost, it looks after 100 ms, later every second |
//!
//! News may be lost, come late or come twice: they make things fast, and nothing depends on them. So the bound for a logout is
//! `news_every` of calls, and 2 s for the answer of the store. The first call after a longer silence may still go out with the old
//! token if the word was lost.
//!
//! A session listens from its first use of the store until its login ends or it is dropped.
//!
//! # When only some processes have the password
//! A process with [`RefreshTokenGrant::stored`](crate::RefreshTokenGrant::stored), or one that resumes a session of
//! [`Sessions`](crate::Sessions), has nothing but what the store keeps. If the refresh token is refused, or the server never
//! gave one, only a process with a credential of its own can renew: the one where the user logged in. With a store that
//! [carries such requests](crate::TokenStore::ask):
//!
//! 1. The renewal gives its claim and its lease back, writes the refusal into the record, and asks the others.
//! 2. A process with a credential of its own renews, if this very version is the newest that it knows or finds in the store, and no
//!    renewal is under way; once in 4 s at most, however often it is asked; a request that comes earlier waits for its turn. It counts there as if the token had been rejected:
//!    [`renewals_per_minute`](crate::SessionBuilder::renewals_per_minute) and the limits of [`answers`](crate::manual::answers) hold,
//!    so a wrong password is not sent more often. Of several, the lease chooses one.
//! 3. Whoever asked waits for 5 s, and longer while it finds somebody's claim in the store; at most until the
//!    [limit of its renewal](crate::SessionBuilder::renewal_limit). If the new record comes, all its calls are replayed. If not, the
//!    session is `Refused`, as it would have been without asking. It asks again with a call after 1 s, doubling to 60 s, and goes on
//!    with any new record that it hears of.
//!
//! It asks at the first refusal. If nobody renews, the refusal is made sure of, as [`answers`](crate::manual::answers) says, and calls
//! get their rejection meanwhile. What is known of a refusal stands in the record: whoever comes first makes sure of it, for all
//! processes. So together they send a refused refresh token, or a refused password, as often as one process would.
//!
//! **Where no process has the password** (the replica of the login was restarted, or evicted the session), the user has to log in
//! again. To avoid that, ask for a refresh token that outlives the login, such as one with the scope `offline_access`; or use
//! sticky sessions, so that a user's calls reach the replica that has the password, for as long as it lives.
//!
//! # When a process is killed
//! | killed | the next process finds | and |
//! | --- | --- | --- |
//! | before the claim | the record as it was; the lease is free | renews |
//! | after the claim, before the token request is sent | the claim | waits until the claim is over, then renews. With a grant of its own it uses that: the refresh token may be spent. Without one it [asks the others](#when-only-some-processes-have-the-password) first |
//! | while the token request is under way | the claim, and a refresh token that the server may have replaced | as above. If the refresh token was spent, only a grant helps, its own or another process's. Without one the session is `Refused` |
//! | after the answer, before the save | the same | the same: nobody knows the new refresh token |
//! | in the middle of the save | the record before it or the new one, never half of one | as in the row above or below |
//! | after the save | the new record | goes on with it |
//! | while it waits for somebody with a password | no claim, no lease, no refresh token | asks again, or is `Refused` |
//!
//! A lease ends with its process, or runs out where a store says so. What heals and what does not: a renewal whose answer never
//! reached the store cannot be healed with a refresh token that is used once; the server has replaced it, and nobody knows the new
//! one. The session says so by `Refused`, and by the events `refresh token refused` and `credentials refused`.
//!
//! A claim lasts as long as the renewal may take: see [`renewal_limit`](crate::SessionBuilder::renewal_limit), 120 s by default. A
//! command line that should not wait so long after a crash sets a shorter one, if its server answers in that time. The claim also
//! stands where nobody died, but the connection broke without an answer.
//!
//! A claim is a time of day. Processes on several machines need clocks that agree within a fraction of that limit, or a store that
//! knows leases.
//!
//! A process that was *stopped* (SIGSTOP, a debugger) keeps its lease, if that does not run out. The others pass it over 10 s after its claim is over, and
//! after 10 s if it has none. When it goes on, its save finds the newer version, and it adopts that.
//!
//! # When the store fails
//! | what | then |
//! | --- | --- |
//! | it cannot be read, or does not answer within 2 s | Calls go on with the token that is there. A renewal uses the session's own grant. A refresh token that stands in the store is never spent without it: calls fail with [`ErrorKind::Store`](crate::ErrorKind::Store), or get their rejection |
//! | it cannot be written before a renewal | the same: the claim is a write |
//! | it cannot be written after the answer | The tokens are handed out 2 s later at most. The lease is kept, and the save is tried again, every 5 s at most, until it succeeds or something newer stands there. [`Session::shutdown`](crate::Session::shutdown) waits for that |
//! | it works again | the next call, a second later at most, renews |
//! | it has lost something (a replica was promoted) | The record has vanished, or is older than what a process knows, and no logout is marked: that process writes its newer record back at its next look. With a store that carries news it does so at once when somebody saves something older, or when the store says that news [may have been missed](crate::News::Missed). No process takes a lower version of a login for news. Of two records with one number the random part decides, for all alike |
//! | it answers once with what stood there before | The save that follows compares versions, and finds out. Nothing is spent twice |
//! | it has lost the mark of a logout | The sessions that have seen the mark stay logged out, and none of them brings the record back. A process that had not seen it, or that starts now, finds the old record. Its tokens were revoked at the server, so the next call is rejected and the session is `Refused`. Where the server revokes nothing, log out again |
//! | a save seemed to fail and was done, or the other way round | The pair is kept, and saved again. Without the store it is not spent: others may have it |
//! | the clock of a machine is wrong | A token that another process renews while this one runs, and that seems to have expired, is tried before it is renewed. A claim never lasts longer than it was said to take |
//!
//! The events `token store failed` and `token store works` tell of it, once each.
//!
//! **Every wait is bounded.**
//!
//! | what waits | for the store | how long |
//! | --- | --- | --- |
//! | a call with a good token | never | |
//! | a call that waits for a renewal | through the renewal | its own [`waiting_time`](crate::SessionBuilder::waiting_time) in all, 30 s by default |
//! | a renewal | each load, save, lease or question | 2 s; the first one that fails ends the visit to the store, so a store that is down costs 2 s, and 2 s more after the answer |
//! | a renewal | another process's claim or lease | its own [`renewal_limit`](crate::SessionBuilder::renewal_limit), 120 s by default; a lease without a claim for 10 s |
//! | a renewal | somebody with a password | 5 s; while that one renews, its own [`renewal_limit`](crate::SessionBuilder::renewal_limit). It waits where another process listens, be it one without a password |
//! | a renewal | a Redis that was promoted or started again | 4 s, once for each record |
//! | a logout | the mark | 4 s; then it is reported, and tried again behind the scenes |
//! | a look-up of an unknown key, `save` | a load, a save | 2 s each |
//!
//! # Logout
//! [`logout`](crate::Session::logout) puts a mark in the place of the record, then revokes the newest tokens that stood there. The
//! mark holds no secrets. It keeps every process from bringing the login back: one that saves a late answer finds the mark, and
//! revokes that answer. If the mark cannot be written, the future says so, and it is tried again until it is.
//!
//! A *later login* under the same key ends the sessions of the one before, in all processes. If the application gave both the same
//! [`owner`](crate::SessionBuilder::owner), they go on with the new login instead.
//!
//! A session that is [`LoggedOut`](crate::Status::LoggedOut) stays so, also when somebody logs in elsewhere later. To go on with that
//! login, build a new session over the same store and key; [`Session::login`](crate::Session::login) begins a login of its own.
//! Among many users this comes by itself: a session that was logged out elsewhere leaves its key, and the next call looks there.
//!
//! [`forget`](crate::Session::forget), and dropping the last handle, leave the record alone: the next process goes on with it.
//!
//! # Many users
//! With [`SessionsBuilder::store`](crate::SessionsBuilder::store), a key that this process does not know is looked up in the store,
//! once for all requests that ask. [`look_up`](crate::Sessions::look_up) does it without a request. Eviction for want of room drops a
//! session from memory alone, and the next request brings it back.
//!
//! # Questions
//! - *I have corrected the password, and it is still refused.* For 15 min a refusal counts for all processes. `login` begins anew at
//!   once.
//! - *Our token endpoint has moved.* Its address is part of the owner, so the records of before are another owner's: the users log in
//!   again.
//! - *How is a record deleted?* A logout leaves a mark without secrets. `FileStore` removes marks after 90 days. Records of users who
//!   never came back stay: remove what you know to be over in your own store, or log it out.
//! - *`get_or_login`, while the store is down?* The user logs in. What cannot be saved is saved later.
//!
//! # At rest
//! Whoever can read a record can use the login. `FileStore` keeps others out by the permissions of its folder, and encrypts its
//! files if you give it a key. Where the key comes from is up to you: the example `cli` takes it from the desktop's keychain, or
//! from an environment variable. [`store_fn`](crate::store_fn) leaves encryption to your closures.
