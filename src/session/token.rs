//! The token itself, for programs that ask for it.

use std::{fmt, sync::Arc};

use tokio::time::Instant;

use super::{
    Session,
    need::{Answer, Need},
    state::{Login, logged_out},
};
use crate::{
    error::{Error, ErrorKind},
    identity::Generation,
    token::TokenSet,
};

/// A token that a session holds, with its generation.
#[derive(Clone)]
pub struct Token {
    tokens: Arc<TokenSet>,
    generation: Generation,
}

impl Session {
    /// The current token. It is fetched first if there is none, or if it is about to expire.
    ///
    /// # Errors
    /// The reason why there is no token: see [`ErrorKind`].
    ///
    /// # Cancel safety
    /// Safe. A token request that is under way goes on, and its answer is kept.
    pub async fn token(&self) -> Result<Token, Error> {
        let now = Instant::now();
        if self.authorization(now)?.is_none() {
            let epoch = self.epoch()?;
            if let Err(error) = self.obtain(Need::Token).await
                && self.last_resort(epoch).is_none()
            {
                return Err(error);
            }
        }
        self.current()
    }

    /// Renews the token, because the token of this generation was rejected. Joins a renewal that is under way. Does nothing if
    /// there is a newer token already.
    ///
    /// # Errors
    /// [`ErrorKind::SameToken`] if the server gave out the rejected token again. Otherwise as [`token`](Session::token).
    ///
    /// # Cancel safety
    /// Safe. A renewal that is under way goes on, and its answer is kept.
    pub async fn renew(&self, rejected: Generation) -> Result<Token, Error> {
        self.obtain(Need::Rejected { generation: rejected, from: None, claims: None }).await?;
        let token = self.current()?;
        if token.generation == rejected {
            return Err(Error::new(ErrorKind::SameToken, "the server gave out the same token again"));
        }
        Ok(token)
    }

    async fn obtain(&self, need: Need<'_>) -> Result<(), Error> {
        let epoch = self.epoch()?;
        let since = Instant::now();
        loop {
            match self.ask(need, epoch, since) {
                Answer::Ready => return Ok(()),
                Answer::Wait(flight) => match flight.await {
                    Err(_) if self.waits_on(need, since) => {}
                    landing => return landing.map(|_| ()),
                },
                Answer::After(flight) => drop(flight.await),
                Answer::At(turn) => self.inner.timed(|| tokio::time::sleep_until(turn)).await,
                Answer::Failed(error) => return Err(error),
            }
        }
    }

    fn current(&self) -> Result<Token, Error> {
        self.inner.read(|state| {
            let tokens = state.login.as_ref().and_then(Login::token_set).ok_or_else(logged_out)?;
            Ok(Token { tokens: Arc::new(tokens), generation: state.generation() })
        })
    }
}

impl Token {
    /// The token set.
    pub fn token_set(&self) -> &TokenSet {
        &self.tokens
    }

    /// The number of this token, for [`Session::renew`].
    pub fn generation(&self) -> Generation {
        self.generation
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("tokens", &self.tokens).field("generation", &self.generation).finish()
    }
}
