//! A token store for [`tower_reauth`] in Redis or Valkey: the replicas of a program share logins, and one of them renews the tokens
//! for all.
//!
//! Without it, replicas that refresh on their own kill each other's login: most authorization servers take a refresh token that
//! comes twice for a stolen one, and end the session.
//!
//! ```no_run
//! # use std::error::Error;
//! # async fn run(grant: impl tower_reauth::Grant, variable: impl Fn(&str) -> String) -> Result<(), Box<dyn Error>> {
//! use tower_reauth::{Session, StoreSecret};
//! use tower_reauth_redis::RedisStore;
//!
//! let store = RedisStore::builder(variable("REDIS_URL")) // redis://orders:password@redis.internal:6379/0
//!     .naming_key(StoreSecret::from_base64(&variable("TOKENS_NAMING_KEY"))?)
//!     .encrypt_with("2026-11", StoreSecret::from_base64(&variable("TOKENS_KEY_2026_11"))?)
//!     .connect()
//!     .await?;
//! let session = Session::builder(grant).store(store, "alice").build();
//! # Ok(()) }
//! ```
//!
//! All replicas have the same two keys (`openssl rand -base64 32` makes one), the same prefix and the same Redis.
//!
//! # Rules
//! 1. A record is compared and written by one script. Nothing is written over what is newer, and nothing over what cannot be read.
//! 2. Times are those of Redis' clock, which all replicas share. What claims a token request is written in time or not at all.
//! 3. A lease keeps replicas from doing the same work twice. What protects the tokens is their version: a lease that is lost
//!    costs a request, not a login.
//! 4. News make replicas fast. They may get lost: a session with traffic looks every 4 s by itself. So a logout is seen by all at
//!    once, and 6 s later at most where its message was lost. After a lost connection to the news all sessions look, 500 each 50 ms.
//! 5. No command takes longer than 1.5 s.
//!
//! # What it protects from
//! - **Whoever reads Redis**, its snapshots or its backups. Records are encrypted (XChaCha20-Poly1305), and bound to their place and
//!   version: copied to another user's key, to another prefix or with another version they do not open. Names are keyed hashes: they
//!   show no user's name to those who do not have the naming key. Not hidden are how many logins there are, when they are renewed,
//!   and which of them have ended.
//! - **Replicas that race, stop or die.** One holds the lease, and extends it while its renewal runs. If it dies, the lease runs out
//!   15 s later at most. A token request that may still be under way is noted in the record, and others wait until it is over.
//! - **A fail-over that loses the newest writes.** What Redis holds then is older than what some replica knows. No replica goes back
//!   to it, and the one that holds the newer tokens writes them again. It gets 4 s for that: where a server was promoted or started
//!   again, the first renewal of each session waits so long, or its refresh token might be one that was spent. A lease that
//!   Redis has lost is taken again by who held it. Without the right to `INFO` nobody waits.
//!
//! # What it does not protect from
//! - Whoever can write in Redis: they can end logins, put an older record of the same login back, or hold renewals up. They
//!   cannot make tokens, or move those of one user to another. Whoever can publish there can make replicas look, and those with a
//!   password renew.
//! - A fail-over that loses a new refresh token whose replica has died as well: nobody has it any more, and the user has to log
//!   in. `WAIT` and `min-replicas-to-write` make that rarer, `appendfsync always` does for a single Redis.
//! - A fail-over, or a backup that is put back, which loses the mark of a logout: who looks that login up later finds it as it was
//!   before. The refresh token in it is dead if the server could revoke it.
//! - A Redis whose clock is set: forward by more than a claim lasts, the claim is over; back by an hour, the lease of a replica that
//!   died stays for that hour, and each renewal waits 10 s for it. Let NTP slew the clocks.
//! - Servers of one Redis whose clocks differ by more than a second: after a fail-over claims last that much longer or shorter, and
//!   past a minute not at all.
//! - A Redis that evicts: see [*Memory*](#memory).
//!
//! # Keys in Redis
//! `<name>` is a keyed hash of the session's key. The braces keep the keys of one session together in a cluster.
//!
//! | key | holds |
//! | --- | --- |
//! | `tower-reauth:{<name>}` | a hash. `v`: the version, 60 digits. `d`: the encrypted record. `m`: it is the mark of a logout. `b`, `s`, `u`: who has a token request under way, since and until when (milliseconds). `e`: the `master_replid` of the server that granted the last lease, `g`, `t`: until when it grants none, and when it told so |
//! | `tower-reauth:{<name>}:lease` | who holds the lease. It lives for 15 s, and is extended every 3 s |
//! | `tower-reauth:{<name>}:news` | a channel, with a message for each new version, for each lease that ends, and for each request of a replica that has no credential of its own |
//!
//! A record lives as long as its refresh token if the server says how long that is (`refresh_token_expires_in` or
//! `refresh_expires_in` in its answer), else 30 days from the last save; never shorter than its access token or a claim. The mark
//! of a logout lives for 90 days, or as long as the record would have, whichever is longer.
//!
//! # What the user needs
//! An ACL like this one is enough; all of it is needed:
//!
//! ```text
//! user orders on >secret resetchannels &tower-reauth:* ~tower-reauth:* -@all +eval +evalsha +time +exists +hmget +hget +hset +hdel +pexpire +pttl +get +set +del +publish +subscribe +unsubscribe +ping +info
//! ```
//!
//! `+info` tells whether Redis evicts, and whether its server is another one than before. A database other than 0 takes `+select`, a
//! cluster `+spublish +ssubscribe +sunsubscribe +cluster|slots`.
//!
//! Redis is of version 6.2 or later, in a cluster 7.0 or later; Valkey is of any version.
//!
//! # Memory
//! `maxmemory-policy` should be `noeviction`. Every other policy may throw logins away when the memory is full, those with
//! `volatile` in their name included, since all keys here have an end. The store warns (`tracing`, level WARN) when it finds one
//! with a `maxmemory`.
//!
//! # While Redis is down
//! Commands fail, at once if nothing listens there, after 1.5 s if nothing answers. Sessions go on with the tokens that they have, and
//! never spend a stored refresh token without the store. The store connects again by itself; there is nothing to do.
//! [`connect`](RedisStoreBuilder::connect) fails where Redis is down when the program starts;
//! [`connect_lazily`](RedisStoreBuilder::connect_lazily) does not.
//!
//! A store has one connection for commands and one that hears news; with a cluster two to each node. They live on the runtime on
//! which the store was set up: let that be the program's main one. Where it has ended, they are made anew on the runtime that uses
//! the store. Where it lives on and nobody drives it, as after a `block_on`, the first command fails after a second, and the others
//! work; but no news are heard, and a cluster is not reached.
//!
//! # In the log
//! What the store's trouble means for a session stands in the library's [events](tower_reauth::manual::events). The store has three
//! warnings of its own (target `tower_reauth_redis`):
//!
//! | line | what to do |
//! | --- | --- |
//! | `no news come from Redis` | the error says why. Once for each outage; nothing if Redis is down or starts again: the store goes on trying, and says nothing when news come again |
//! | `Redis may evict tokens when its memory is full` | see [*Memory*](#memory) |
//! | `the lease ran out while it was held` | nothing; it costs a token request. Often: this process or Redis stands still for seconds |
//!
//! # Features
//! | feature | brings |
//! | --- | --- |
//! | `tls` | `rediss://`, with rustls. It uses the process' own `CryptoProvider` if one is installed when the store is set up, and otherwise installs that of *ring* |
//! | `sentinel` | [`RedisStore::sentinel`](RedisStore): the master that sentinels know |
//! | `cluster` | [`RedisStore::cluster`](RedisStore): a cluster, with sharded publish and subscribe |
//!
//! # What it does not do
//! It holds no cookies and no sessions of your users, only tokens. It does not make Redis durable. It does not read from
//! replicas.

mod builder;
mod clock;
mod connection;
mod content;
mod failure;
mod lease;
mod names;
mod news;
mod place;
mod policy;
mod script;
mod store;
mod wire;

pub use self::{builder::RedisStoreBuilder, store::RedisStore};
