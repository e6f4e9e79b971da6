//! tower-reauth
mod challenge;
mod endpoint;
mod error;
mod grant;
mod origin;
mod replay;
mod token;

pub use self::{
    challenge::{BearerClassifier, Challenge, Classify, GrpcClassifier, Head, Seen, Verdict, Wso2Classifier},
    endpoint::{ClientAuth, TokenEndpoint},
    error::{Error, ErrorKind},
    grant::{
        ClientCredentialsGrant, Credential, Grant, GrantContext, PasswordGrant, RefreshTokenGrant, Retain, grant_fn,
        grant_with,
    },
    origin::{Origin, Origins},
    replay::Replay,
    token::TokenSet,
};
