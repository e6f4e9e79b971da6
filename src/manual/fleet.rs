//! A fleet: many replicas share logins by Redis.
//!
//! With refresh tokens that are used once, two replicas that refresh on their own end each other's login. The crate
//! `tower-reauth-redis` keeps the logins in Redis or Valkey: any replica finds them, one of them renews, and all others go on with what
//! it saved. This page is the way to set that up, and what it costs, up to a thousand replicas and ten million sessions. What a store
//! promises stands in [*store*](crate::manual::store).
//!
//! # In ten lines
//! ```ignore
//! let store = RedisStore::builder(env::var("REDIS_URL")?)              // redis://user:password@host:6379/0, or rediss://
//!     .naming_key(StoreSecret::from_base64(&env::var("NAMING_KEY")?)?) // never changes
//!     .encrypt_with("2026-11", StoreSecret::from_base64(&env::var("STORE_KEY")?)?)
//!     .prefix("orders")
//!     .connect()
//!     .await?;
//! let sessions = Sessions::builder()
//!     .idle_timeout(Duration::from_secs(30 * 60))
//!     .store(store, |login: &LoginKey| login.as_str().into(), move |_| {
//!         Session::builder(RefreshTokenGrant::stored(endpoint.clone()))
//!     })
//!     .build();
//! ```
//!
//! - All replicas have the same two keys (`openssl rand -base64 32` makes one), the same prefix, and the same token endpoint and client.
//! - Redis is told `maxmemory-policy noeviction`: an evicted record is a user who must log in again.
//! - A login goes by [`get_or_login`](crate::Sessions::get_or_login) in the replica that does it: it stands in Redis before that returns.
//!   The others find it by its key, which comes from the cookie.
//! - A service with a login of its own, such as client credentials, needs no `Sessions`: `Session::builder(grant).store(store, "service")`.
//!
//! The example `fleet` shows it: it starts replicas, ends their token again and again, and kills some of them.
//!
//! ```sh
//! cargo run -p tower-reauth-redis --example fleet -- --replicas 8 --seconds 10
//! ```
//!
//! # Sticky sessions?
//! | | not sticky | sticky: a user's calls go to one replica, as long as it lives |
//! | --- | --- | --- |
//! | a replica is added, killed or deployed | nobody notices | nobody notices: the next replica finds the login in Redis |
//! | only one replica has the password | it is [asked](crate::manual::store#when-only-some-processes-have-the-password) | it is the one that renews |
//! | sessions in memory | in each replica that had a call within the idle time | in one |
//! | what Redis has to do | up to a command for each call ([below](#past-one-machine)) | less than a tenth of that for busy users |
//!
//! With a handful of replicas take what is simpler. From some dozens on be sticky: by a hash of the cookie is enough, and nothing breaks
//! where it fails.
//!
//! # What happens when
//! | what | then |
//! | --- | --- |
//! | Redis is down | Calls go on with the token that is there. A renewal uses the session's own grant; a refresh token from Redis is [never spent without it](crate::manual::store#when-the-store-fails), and such calls get their rejection or [`ErrorKind::Store`](crate::ErrorKind::Store). No call waits for Redis longer than 2 s at a time. What could not be saved is saved when Redis is back |
//! | a replica dies, and does not renew | nothing |
//! | it dies while it renews | The others wait until its claim is over, at most the [`renewal_limit`](crate::SessionBuilder::renewal_limit) (120 s; set a shorter one if your server answers sooner), and its lease has run out, 15 s. Then one renews. If the server had spent the refresh token, and no replica has a password, the user logs in again: [*When a process is killed*](crate::manual::store#when-a-process-is-killed) |
//! | the refresh token is dead, and the password is in one replica | that one is [asked](crate::manual::store#when-only-some-processes-have-the-password), and renews for all. If nobody answers within 5 s, the user logs in again |
//! | a user logs out | The other replicas know at once; if the word was lost, at the first call after 4 s, and Redis has 2 s for its answer |
//! | a replica of Redis is promoted, without the newest writes | For 4 s nobody renews there, so that whoever has newer tokens writes them back first. See [*A region is lost*](#a-region-is-lost) |
//!
//! # What it costs
//! Measured by `cargo bench -p tower-reauth-redis --bench fleet` on two cores that others used as well (load 5 to 10), with a redis-server
//! (7.0) on the same machine. Of times only the ratios mean something. A token request takes 20 ms.
//!
//! | a token dies in all replicas at once | 1 replica | 8 | 64 |
//! | --- | --- | --- | --- |
//! | token requests for it | 1 | 1 | 1 |
//! | commands, all together | 6 | 34 | 258 |
//! | of these, for each replica that waits | | 4 | 4 |
//! | messages published | 2 | 2 | 2 |
//! | from the rejection to the replay, at the one that renews | 23.1 ms | 24.0 ms | 36.7 ms |
//! | the same, at one that waits (median) | | 26.0 ms, 1.12 times a renewal alone | 50.4 ms, 2.18 times: 64 replicas share two cores |
//!
//! Alone and without a store it is 21.5 ms. A call with a good token sends nothing to Redis: 4,004,970 calls in 9 s cost no script and
//! 2 looks for news, one every 4 s.
//!
//! | 100,000 in one Redis | bytes each | with `hash-max-listpack-value 8192` in redis.conf |
//! | --- | --- | --- |
//! | a session: access and refresh token of 43 bytes | 1,136 | 933 |
//! | a session: access token of 1 KiB, refresh token of 43 bytes, scope | 2,541 | 2,213 |
//! | the same, and an `id_token` of 1 KiB | 4,077 | 3,749 |
//! | a subscription | 251 | |
//!
//! 500 sessions that renew on and on, through four stores and against a token endpoint that costs nothing: 1,235 renewals a second. The
//! machine was the limit: redis-server got 0.22 of a core and the replicas 0.43. By its CPU time **one core of redis-server carries some
//! 5,500 renewals a second, or 200,000 looks for news**.
//!
//! # Past one machine
//! In letters: *N* replicas, *A* sessions with calls, each of which makes *c* calls a second. *T* is the life of an access token, *I* the idle
//! time. *n* is how many replicas may get a call of one session: 1 with sticky sessions, else *N*. Times are in seconds.
//!
//! | what | a second | why |
//! | --- | --- | --- |
//! | looks for news | *A c* / (1 + 4 *c*/*n*) − sessions loaded | one command, with the first call 4 s or more after the look before, in each replica |
//! | sessions loaded | *A c* exp(−*c I*/*n*) | a call at a replica that does not have the session any more: 3 commands (load, subscribe, and unsubscribe when it is forgotten) |
//! | replicas that have a session, *k* | *n* (1 − exp(−*c I*/*n*)) | those with a call within the idle time; not a second, but at a time |
//! | renewals | *A* / (0.75 *T* + 1/*c*); not sticky: *A* / (0.7 *T* + √(0.05 π *T*/*c*)) | ahead of the end, at a random moment between 0.7 and 0.8 of the token's life, with the next call |
//! | commands of renewals | renewals × (6 + (*k* − 1)) | look, lease, look, claim, save, release; each other replica that has the session loads the new tokens |
//! | messages | renewals × 2 *k* | the tokens and the end of the lease are published; each replica that has the session hears them |
//! | subscriptions | *A k*, at a time | one channel for each session, in each replica that has it |
//! | memory | bytes of a session × all sessions + bytes of a subscription × *A k* | sessions without calls are not looked at, not renewed and not subscribed to |
//!
//! If a token *dies* while *k* replicas call with it, that renewal takes 6 + 3 (*k* − 1) commands, or up to 6 + 4 (*k* − 1) if all are rejected
//! within the same two milliseconds. A token request that takes longer than 100 ms adds a look for each replica that waits: after 100 ms,
//! 300 ms, 700 ms, and then each second; and the lease is extended every 3 s.
//!
//! For 1,000 replicas, 10 million sessions, a call every 10 s of a session with traffic, tokens of an hour and an idle time of half an hour (the
//! last row has 1,000 calls a second):
//!
//! | a second | looks | sessions loaded | renewals | commands in all | messages | subscriptions (at a time) |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | sticky, one session of ten with traffic | 71,400 | 0 | 369 | 73,600 | 738 | 1,000,000 |
//! | sticky, all with traffic | 714,000 | 0 | 3,690 | 736,000 | 7,380 | 10,000,000 |
//! | not sticky, one of ten with traffic | 16,400 | 83,500 | 385 | 332,000 | 127,000 | 165,000,000 |
//! | one login of the service itself, in all replicas | 200 | 0 | 0.000397 | 200 | 0.793 | 1,000 |
//!
//! - **Looks are what Redis does at that size**: thirty for each command of a renewal. They are the bound for a logout whose message was
//!   lost. They are single reads of one field, and follow the calls: quiet sessions cost nothing.
//! - **Stickiness pays.** Without it a session is in 165 replicas at a time, nearly each call meets a replica that has to load it, and each
//!   renewal is told to all of them.
//! - **One Redis or a cluster?** By the figures above the first row takes 0.4 of a core of redis-server: one is enough, with a
//!   replica of it for safety. The second takes 4 cores, and the third 5, since loading is dearer than looking: both want a
//!   cluster.
//! - **Memory**: ten million sessions take 11 GB with opaque tokens, 41 GB with JWTs and `id_token`; the subscriptions of the first row
//!   0.3 GB, those of the third 41 GB.
//! - **A restart of everything**: each replica loads the sessions that are called, one command each, and subscribes to up to 500 channels
//!   with one more. If only Redis restarts, the subscriptions are made again, and each session with traffic looks once.
//! - **Output buffers**: Redis closes a subscriber that does not read (`client-output-buffer-limit pubsub 32mb 8mb 60`). It connects and
//!   subscribes again, and looks.
//!
//! The formulas are checked: the example `scale` plays sampled sessions call by call, with the library's own times (lease of 15 s, extended
//! every 3 s; waiting replicas look after 100 ms to 1 s; looks every 4 s), and a test fails if it counts anything that is 3 % away from them.
//!
//! ```sh
//! cargo run --release -p tower-reauth-redis --example scale
//! ```
//!
//! # A cluster's slots
//! The keys of one session are `{prefix}:{name}`, with the name in real braces, and `...:lease`, `...:news` after it. A cluster hashes what stands
//! in the braces alone, so **record, lease and channel of a session are in one slot**, on one node: a script can compare, write and publish in one
//! step. Sessions are spread over all slots by a keyed hash, so nodes share them evenly, and no session is spread over nodes: the
//! load of one session is that of one core. One login that the whole fleet uses (last row) asks 200 commands a second of one node.
//!
//! - In a cluster words travel by *sharded* publication (`SPUBLISH`, Redis 7): they stay on the slot's node. Plain `PUBLISH` would go to each
//!   node of the cluster.
//! - While a slot moves, its sessions are asked for at the node that it moves to. A lease and a claim move with it.
//! - A node that is lost takes the sessions of its slots out of reach until its replica is promoted, some seconds. They go on as with
//!   *Redis is down*; all others notice nothing.
//!
//! # A region is lost
//! Redis replicates asynchronously. What was written in the last moments before a node or a region is lost, may not be in the replica that is
//! promoted. For a session that is one of these:
//!
//! | what was lost | the library | what it cannot do |
//! | --- | --- | --- |
//! | nothing of this session: by far the most | goes on | |
//! | a new pair of tokens, and a replica that has it is alive | No replica takes a lower version for news. Redis notices that it is another server than before, tells which version it has, and gives no lease for 4 s: the replica with the newer pair hears that, and writes it back | hear of it where its connection comes back later than that |
//! | a new pair, and no replica that had it is alive | the older pair is spent at the server: the refresh is refused, and a server with reuse detection ends the login. A replica with a password heals it | bring back a refresh token that nobody has: the user logs in again |
//! | a claim or a lease | the version decides: a save that is not newer than what stands there is turned away | keep a second token request from being sent in these moments. Where the first one spent the refresh token, the second is refused, and the replica looks again before it believes that; but a server with reuse detection may end the login |
//! | the mark of a logout | replicas that saw it stay logged out | know of it where nobody saw it. The tokens were revoked at the server, so the login does not work either |
//!
//! How many that are: writes a second × the lag of the replica. In the first row 369 renewals a second and a lag of 100 ms, 37 sessions have a
//! write that is lost, and most of these are in the memory of a replica that lives. Only if the replicas are lost together with Redis, as
//! with a region, nobody has the newer pair: so in another region **37 of ten million users log in again**, and all others go on.
//!
//! - `min-replicas-to-write` and `min-replicas-max-lag` in redis.conf make that number smaller: a server that is cut off takes no writes. They do
//!   not make Redis consistent; what it has acknowledged can still be lost.
//! - Two regions that both write (active-active) are two stores: give each user one of them. A login that both regions renew is what this
//!   page is there to avoid.
//! - If a region comes back with old records, its replicas find them older than what they know, or refused by the server. Start it with an
//!   empty Redis, or as a replica of the other.
