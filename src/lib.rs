//! tower-reauth
mod challenge;
mod endpoint;
mod error;
mod events;
mod extensions;
mod future;
mod grant;
mod identity;
mod layer;
mod origin;
mod recovery;
mod replay;
mod response_body;
mod service;
mod session;
mod token;

pub use self::{
    challenge::{BearerClassifier, Challenge, Classify, GrpcClassifier, Head, Seen, Verdict, Wso2Classifier},
    endpoint::{ClientAuth, TokenEndpoint},
    error::{Error, ErrorKind},
    extensions::{ForceRenewal, NoReplay, RenewalFailed, WithoutAuth},
    future::ResponseFuture,
    grant::{
        ClientCredentialsGrant, Credential, Grant, GrantContext, PasswordGrant, RefreshTokenGrant, Retain, grant_fn,
        grant_with,
    },
    identity::Generation,
    layer::{OwnAuthorization, ReauthLayer},
    origin::{Origin, Origins},
    replay::{KeptBody, Replay},
    response_body::ResponseBody,
    service::Reauth,
    session::{Logout, Session, SessionBuilder, Status, Token},
    token::TokenSet,
};
