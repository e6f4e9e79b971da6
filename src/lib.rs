//! tower-reauth
mod challenge;
mod endpoint;
mod error;
mod grant;
mod origin;
mod replay;
mod token;

pub use self::{
    challenge::{Challenge, Classify, Head, Seen, Verdict},
    endpoint::TokenEndpoint,
    error::{Error, ErrorKind},
    grant::{Credential, Grant, GrantContext},
    origin::{Origin, Origins},
    replay::Replay,
    token::TokenSet,
};
