//! huskarl's tokens as a grant.

use std::time::Duration;

use huskarl::cache::{Recovery, TokenError, TokenSource};
use tower_reauth::{Error, ErrorKind, Grant, GrantContext, TokenSet};

/// A source itself, and not huskarl's cache around one: the session is the cache.
pub(crate) struct Huskarl<S>(pub(crate) S);

impl<S: TokenSource + Send + Sync + 'static> Grant for Huskarl<S> {
    async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
        let answer = self.0.token().await.map_err(failed)?;
        let tokens = TokenSet::new(answer.access_token().token().expose_secret())?;
        Ok(match answer.raw_token_response().expires_in {
            Some(seconds) => tokens.with_lifetime(Duration::from_secs(seconds)),
            None => tokens,
        })
    }
}

fn failed(error: TokenError) -> Error {
    let (kind, wait) = match error.recovery() {
        Recovery::Retry { after } => (ErrorKind::Unavailable, after),
        Recovery::AdjustRequest => (ErrorKind::Misconfigured, None),
        Recovery::Reauthenticate => (ErrorKind::Refused, None),
        _ => (ErrorKind::Transport, None),
    };
    let told = Error::new(kind, "huskarl brought no token").with_source(error.into_error());
    match wait {
        Some(wait) => told.with_retry_after(wait),
        None => told,
    }
}
