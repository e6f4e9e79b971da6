//! The token itself, for programs that ask for it.

use std::{fmt, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{
    Session,
    need::{Answer, Need},
    state::logged_out,
};
use crate::{
    asked::Challenge,
    clock,
    error::{Error, ErrorKind},
    identity::Generation,
    token::TokenSet,
};

/// A token that a session holds, with its generation.
#[derive(Clone)]
pub struct Token {
    tokens: Arc<TokenSet>,
    generation: Generation,
    expires_at: Option<SystemTime>,
}

impl Session {
    /// The current token. It is fetched first if there is none, or if it [counts as expired](Session#when-a-token-is-renewed).
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
        self.obtain(Need::Rejected { generation: rejected, from: None, challenge: Challenge::NONE }).await?;
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
        let now = Instant::now();
        clock::look(now);
        self.inner.read(|state| {
            let login = state.login.as_ref().ok_or_else(logged_out)?;
            let tokens = Arc::new(login.token_set().ok_or_else(logged_out)?);
            Ok(Token { tokens, generation: login.generation(), expires_at: login.expires_at(now) })
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

    /// When the token ends, on the wall clock; `None` where its lifetime is not known.
    ///
    /// It is for other programs and for people: a cookie's age, a page, a helper that takes a token and its end. To send a
    /// request, don't compare it: a layer, and [`Session::token`], renew in time.
    ///
    /// The [lifetime](TokenSet::with_lifetime) counts on the monotonic clock, to which the time is added that the machine
    /// slept; see [`Session`]. This is what was left of it when `token` or `renew` returned, from the wall clock's time at that
    /// moment on. So it holds after a sleep, too: the wall clock goes on then. Where somebody sets that clock, this time is
    /// wrong by as much, and the next `Token` is right again. Two tokens of one [`generation`](Token::generation) may differ by
    /// a little.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_reauth::{Session, TokenSet, grant_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
    /// let hour = Duration::from_secs(3600);
    /// let session = Session::new(grant_fn(move |_| async move { Ok(TokenSet::new("a-token")?.with_lifetime(hour)) }));
    /// let end = session.token().await?.expires_at().expect("the lifetime is known");
    /// assert!(end.duration_since(SystemTime::now()).is_ok_and(|left| left <= hour));
    /// # Ok(()) }
    /// ```
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("tokens", &self.tokens)
            .field("generation", &self.generation)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{ops::RangeInclusive, time::Duration};

    use tokio::time::advance;

    use super::*;
    use crate::grant::grant_fn;

    const HOUR: Duration = Duration::from_secs(3600);

    fn session() -> Session {
        Session::new(grant_fn(|_| async { Ok(TokenSet::new("token")?.with_lifetime(HOUR)) }))
    }

    /// The end of the token, and the times of day between which it lies if so much of its life is left.
    async fn end(session: &Session, left: Duration) -> (SystemTime, RangeInclusive<SystemTime>) {
        let before = clock::date();
        let token = session.token().await.unwrap();
        (token.expires_at().unwrap(), before + left..=clock::date() + left)
    }

    #[tokio::test(start_paused = true)]
    async fn token_ends_when_its_life_is_over_and_a_sleep_belongs_to_it() {
        let session = session();
        for (passes, sleeps, left) in [(0, 0, 3600), (600, 0, 3000), (2, 1000, 1998), (2, 0, 1996)] {
            clock::test::sleeps(Duration::from_secs(sleeps));
            advance(Duration::from_secs(passes)).await;
            let (end, range) = end(&session, Duration::from_secs(left)).await;
            // A sleep is what the two clocks differ by, and they are real ones here.
            let tolerance = Duration::from_secs(1);
            let range = *range.start() - tolerance..=*range.end() + tolerance;
            assert!(range.contains(&end), "{end:?} is not in {range:?}");
        }
        assert_eq!(session.token().await.unwrap().generation(), session.generation());
    }

    #[tokio::test(start_paused = true)]
    async fn token_of_unknown_life_has_no_end() {
        let session = Session::new(grant_fn(|_| async { TokenSet::new("token") }));
        assert_eq!(session.token().await.unwrap().expires_at(), None);
    }
}
