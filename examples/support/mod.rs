//! An embedded OAuth 2 gateway with its authorization server, for examples and tests: WSO2 API Manager's rules on a
//! loopback socket.
//!
//! What it promises:
//! 1. There is one active token per client, user and scope, kept by one of three [`Regime`]s.
//! 2. A scope whose name starts with `device_` is granted to anybody who asks; any other scope that it does not know is
//!    left out without a word. So only a `device_` scope gives a device a token of its own.
//! 3. A refresh ends the pair of tokens that it was made with. Revoking either token of a pair ends both.
//! 4. Faults have WSO2's codes, statuses, challenges and bodies.
//! 5. Authorization codes need PKCE, work once and for a minute. A second use ends what the first one brought.
//! 6. Device codes (RFC 8628) live for ten minutes and work once. Whoever asks too often is told to slow down.
//! 7. A changed password ends every token of its user.
//! 8. With [`Options::reuse_detection`] a refresh token that comes again ends the login that it belongs to.
//! 9. JWTs count that are meant for the gateway, in force, and signed by a client or an issuer that it knows, each once
//!    (RFC 7523). A token is exchanged for another one of its user (RFC 8693). Neither brings a refresh token.
//! 10. What a client asks for with a DPoP proof is bound to its key (RFC 9449), and so are the refresh tokens of clients without
//!     a secret. A proof is good once. With [`Options::dpop_nonces`] it needs a nonce.
//! 11. Every exchange with a token in it is counted, and told to the observer before it is answered.
//!
//! It is no authorization server for anything but a demonstration: passwords lie in memory as they are.
#![allow(dead_code, reason = "every example and every test uses its own part")]

mod account;
mod assertions;
mod authorization;
mod client_auth;
mod codes;
mod device;
mod device_codes;
mod exchange;
mod fault;
mod journal;
mod options;
mod orders;
mod pages;
mod proofs;
mod revocation;
mod server;
mod token_endpoint;
mod tokens;

#[allow(unused_imports, reason = "every example and every test uses its own part")]
pub(crate) use self::{
    fault::Fault,
    journal::{Counters, Seen, What},
    options::{Options, Regime},
    server::{Gateway, Running, start, start_at},
};
