//! DPoP: tokens that are useless to a thief ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)), with the feature `dpop`.
//!
//! A bearer token works for whoever has it: one line in a proxy's log is enough. With DPoP the server binds the token to a key of the
//! client, and takes it only with a *proof*: a small JWT, signed by that key for this one request. The key never leaves the client.
//! Who copied the token, or the whole request, gets a 401.
//!
//! ```sh
//! cargo add tower-reauth --features dpop
//! cargo run --example quickstart --features dpop -- --dpop    # in this repository: a thief, shown and refused
//! ```
//!
//! # Set it up
//! One line, whatever the grant is. The server must know DPoP, and may want the client to be registered for it
//! (`dpop_bound_access_tokens`).

// The chapter is there without the feature, and what it is about is not.
#![cfg_attr(not(feature = "dpop"), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(feature = "dpop", doc = "```")]
#![cfg_attr(not(feature = "dpop"), doc = "```ignore")]
//! use tower_reauth::{ClientCredentialsGrant, DpopKey, Error, Origins, ReauthLayer, Session, TokenEndpoint};
//!
//! fn layer(endpoint: TokenEndpoint) -> Result<ReauthLayer, Error> {
//!     let session = Session::builder(ClientCredentialsGrant::new(endpoint))
//!         .dpop(DpopKey::generate()?)
//!         .build();
//!     Ok(ReauthLayer::new(session, Origins::only("https://api.example")?))
//! }
//! ```
//!
//! From then on:
//! 1. Each token request has a proof, and each attempt of it a new one.
//! 2. Each call is sent as `Authorization: DPoP` with a proof for its method, its address and its token. A replay has a new one, that
//!    of a streamed body too.
//! 3. Nonces are kept for each server, taken from every answer, and asked for by nobody but the server itself.
//! 4. Calls that carry no token carry no proof: to other origins, or with [`WithoutAuth`](crate::WithoutAuth). A header `DPoP` of the
//!    caller's own goes when the layer proves.
//!
//! A server that does not know DPoP ignores the proof, and answers with a bearer token. That is an error,
//! [`ErrorKind::Dpop`](crate::ErrorKind::Dpop): whoever asks for protection must not get less without a word. While servers are
//! migrated, [`allow_bearer`](crate::SessionBuilder::allow_bearer) takes such tokens, and sends them as bearer tokens.
//!
//! The layer sends these tokens in `Authorization`, after the word `DPoP`. With another
//! [`scheme`](crate::ReauthLayer::scheme) the call fails with `ErrorKind::Dpop`.
//!
//! # The key
//! | key | for | how |
//! | --- | --- | --- |
//! | new, with each start | services, and logins that end with the process | [`DpopKey::generate`](crate::DpopKey::generate): ES256, which every server with DPoP knows |
//! | new, for EdDSA | the same where calls are many: a proof takes a quarter of the time | [`DpopKey::generate_with`](crate::DpopKey::generate_with), if the server's `dpop_signing_alg_values_supported` names it |
//! | from a file or a secret store | logins that outlive the process | [`DpopKey::from_pem`](crate::DpopKey::from_pem), [`DpopKey::from_jwk`](crate::DpopKey::from_jwk) |
//! | that cannot be copied at all: in a TPM, an HSM, a KMS or an agent | machines that a thief may get into | [`DpopKey::from_signer`](crate::DpopKey::from_signer) with the [`Signer`](crate::Signer) that signs assertions, too. It signs once for each attempt of each call: a KMS over the network adds its time to every one |
//!
//! One key for each session. Two users with one key could be told to be one person, and a thief of that key would have both. Clones of
//! a session and sessions [derived](crate::Session::for_resource) from it share its key, as they share its login. The key stays from
//! login to login.
//!
//! With [`Sessions`](crate::Sessions), each session brings its key along:

#![cfg_attr(feature = "dpop", doc = "```")]
#![cfg_attr(not(feature = "dpop"), doc = "```ignore")]
//! # use tower_reauth::{DpopKey, Error, Grant, Session, Sessions};
//! # fn log_in(sessions: &Sessions<String>, user: String, grant: impl Grant) -> Result<(), Error> {
//! sessions.insert(user, Session::builder(grant).dpop(DpopKey::generate()?).build());
//! # Ok(()) }
//! ```
//!
//! # With a token store
//! A [store](crate::manual::store) keeps tokens, and never keys: whoever stole both would need nothing else. The record has the key's
//! [thumbprint](crate::DpopKey::thumbprint). So the key must come from you, the same one after each start, and in each process that
//! shares the login:
//! - the refresh token of a client without a secret is bound to the key (RFC 9449 §5). Without the key that login is over;
//! - a session with another key than the record's gets [`ErrorKind::Store`](crate::ErrorKind::Store), sends nothing, and writes
//!   nothing over the record. [`Session::login`](crate::Session::login) begins anew with the new key.
//!
//! Keep the key in another place than the tokens: the keyring of the desktop, a secret of the orchestrator, a TPM.
//!
//! # Nonces
//! A server may want its own nonce in each proof, so that nobody can prepare proofs for later. It asks by `use_dpop_nonce`, in a 400 of
//! the token endpoint or in the 401 of an API, and gives the nonce in `DPoP-Nonce`.
//! - The request is sent again with the nonce. Nothing is renewed, no attempt counts, and no cool-down begins.
//! - So the first call to each server may take two round trips, and so does one after a nonce has run out. A body that cannot be sent
//!   again is lost there: the call gets the 401 with [`NotReplayable`](crate::ErrorKind::NotReplayable), and the next one has the nonce.
//!   Send a small request first.
//! - A nonce is for the server that gave it. Nonces are kept in memory only.
//!
//! # Clocks
//! A proof says when it was made, and servers take it for a minute or so around that time. If the machine's clock is off by more, the
//! server's `Date` says by how much: proofs are dated by it from then on, the refused request is sent once more, and an event says so.
//! A clock that seems to be more than 1 h ahead is not followed: proofs for tomorrow would be worth stealing.
//! Where that does not help, the error says by how many seconds the clocks differ. Set the clock all the same.
//!
//! # Behind a gateway
//! The address in a proof is the one that the layer sees, without query and fragment. The server compares it with the address that *it*
//! sees.
//!
//! | what stands between | then |
//! | --- | --- |
//! | a service *inside* the layer that rewrites the address (a base URL, a balancer in the client) | put it outside the layer, or give the layer the address that goes out |
//! | a client that sends to one host only, with requests without a host (tonic) | [`Origins::bound_to`](crate::Origins::bound_to): the proof has that origin |
//! | a gateway that changes host, scheme or prefix | the API must rebuild the address from `Forwarded` or `X-Forwarded-*`, or be told its public one. It is a setting of the API |
//! | a gateway that adds or drops a slash, or decodes `%2F` | let it be, or send the address as the API will see it |
//! | a retry *inside* the layer | sends the same proof twice, and a server that remembers proofs refuses the second: put retries outside |
//! | a client that repeats requests by itself when a connection breaks | the same, and rare: the layer heals the 401. At the token endpoint the renewal fails with `invalid_dpop_proof`, and is tried again after a minute |
//!
//! # What it costs
//! A proof is one signature, and it is made for every call. On one core of the machine that measured it (an AMD EPYC that others used as
//! well; `cargo bench --manifest-path benches/Cargo.toml --bench dpop --features dpop`):
//!
//! | algorithm | a proof, with tokens of 38 to 1,024 bytes | proofs a second and core |
//! | --- | --- | --- |
//! | ES256 | 84 to 87 µs | 11,500 to 12,000 |
//! | EdDSA | 21 to 24 µs | 41,000 to 48,000 |
//!
//! What that means:
//! - *For one user's program: nothing.* A call over a network takes a hundred times as long.
//! - *For a server that makes 1,000 calls a second:* 8 % of a core with ES256, 2 % with EdDSA. A call over loopback takes about 10 µs
//!   without a proof, so a busy proxy spends most of its time on proofs: take EdDSA where the server takes it.
//! - *Past 10,000 calls a second and core* a signature by another library helps: `ring` signs for ES256 in 17 µs, `aws-lc-rs` for EdDSA in
//!   10 µs. Both need a C compiler, which is why they are not what this feature takes. Either goes behind
//!   [`DpopKey::from_signer`](crate::DpopKey::from_signer).
//! - *Signatures are made on the thread of the call.* 90 µs do not hold up a runtime. 1,000 calls that are sent at once on one thread
//!   wait up to 85 ms for each other.
//! - *One session for all that act for the same user* saves token requests and nonces, no signatures: a proof is good once. What is not
//!   called needs none, so cache answers.
//! - The server has to verify each one.
//!
//! `benches/README.md` has the libraries that were weighed. Who does without pays nothing: without a key no call takes another path.
//!
//! # What it protects from, and what not
//! | the thief has | and can |
//! | --- | --- |
//! | the access token: from a log, a trace, a crash report, another API that it was sent to | nothing |
//! | the refresh token of a client without a secret: from a backup, a disk, a stolen record | nothing |
//! | the refresh token of a client *with* a secret | nothing without that secret. With it, tokens for a key of his own: RFC 9449 §5 binds them to the client alone |
//! | a whole request, proof included | send it once more, if the server does not remember proofs, for as long as it takes them: mostly a minute. With nonces for as long as the nonce lives |
//! | the password, the client's secret or a signed-in browser | log in with a key of his own: DPoP binds tokens, and no credentials |
//! | a way to run code as the client: malware on the machine, a script in the page (XSS), a debugger | everything, for as long as he is there: he can let the client sign, or copy the key. With a key in hardware it ends when he leaves, except for the proofs that he made for later. Nonces end those |
//! | the server, or the place where TLS ends | what comes by: *the body, the query and the headers are not signed*. He can change an order, and the proof still fits |
//! | control of the token endpoint | everything, as always |
//!
//! It does not replace TLS, narrow scopes, short lifetimes or [`Origins`](crate::Origins). [Mutual TLS](crate::ClientAuth::mutual_tls) binds tokens
//! to the client's certificate instead (RFC 8705): there the connection is protected with all that goes through it, but nothing may
//! end TLS in between. The [threats](crate::manual::threats#tokens-that-are-bound-to-a-key) say which test shows what.
//!
//! # When it does not work
//! | what you see | why | what to do |
//! | --- | --- | --- |
//! | [`ErrorKind::Dpop`](crate::ErrorKind::Dpop), "bearer" | the server does not bind tokens for this client | register the client for DPoP; else [`allow_bearer`](crate::SessionBuilder::allow_bearer) |
//! | `ErrorKind::Dpop`, and a number of seconds | the clocks differ, and the server's `Date` did not help | set the clock |
//! | `ErrorKind::Dpop`, and the clocks agree | the server sees another address, or does not take the algorithm | [*Behind a gateway*](#behind-a-gateway); the challenge's `algs` |
//! | `invalid_dpop_proof` from the token endpoint | the same | the same |
//! | a 401 that offers `DPoP` alone, to a session without a key | the API takes no bearer tokens | [`SessionBuilder::dpop`](crate::SessionBuilder::dpop) |
//! | each call is sent twice | the server's nonce is good for one request only, or an inner retry sends proofs twice | ask the server's owner; put retries outside |
//! | a login ends after a restart | the key was a new one | [*With a token store*](#with-a-token-store) |
