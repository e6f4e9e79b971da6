//! A session's record, for programs that keep it themselves or want it saved now.

use tokio::time::Instant;

use super::{
    Session,
    state::{Found, logged_out},
    waiting::Waiting,
};
use crate::{
    error::{Error, ErrorKind},
    store::{Record, Saved},
};

/// Whoever is overtaken so often gives up.
const ROUNDS: u32 = 8;

impl Session {
    /// What is needed to go on with this login later, or in another process; `None` where there is no login, or nothing but the
    /// session's own credentials. It holds no password.
    ///
    /// [`SessionBuilder::record`](crate::SessionBuilder::record) goes on from it. **Save it again whenever the token changes**: many
    /// servers give a new refresh token with each refresh, and an old one that comes again ends the whole login. A
    /// [store](crate::SessionBuilder::store) does that by itself, before the new token is used.
    ///
    /// ```
    /// use secrecy::ExposeSecret;
    /// use tower_reauth::{Record, Session, TokenSet, grant_fn};
    ///
    /// # fn grant() -> impl tower_reauth::Grant {
    /// #     grant_fn(|_| async { Ok(TokenSet::new("a-token")?.with_lifetime(std::time::Duration::from_secs(3600))) })
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
    /// let session = Session::new(grant());
    /// session.token().await?;
    /// let text = session.record().expect("there is a token").to_json();
    ///
    /// // In another process:
    /// let session = Session::builder(grant()).record(Record::from_json(text.expose_secret())?)?.build();
    /// assert_eq!(session.token().await?.token_set().access_token().expose_secret(), "a-token");
    /// # Ok(()) }
    /// ```
    pub fn record(&self) -> Option<Record> {
        let head = self.head();
        let now = Instant::now();
        crate::clock::look(now);
        head.inner.read(|state| {
            let login = state.login.as_ref()?;
            let record = Record { dpop: head.inner.settings.thumbprint(), ..login.record(now) };
            (!record.is_empty()).then_some(record)
        })
    }

    /// Saves what the session holds in its [store](crate::SessionBuilder::store), unless it stands there already. A session saves
    /// each new token set by itself: this is for the end of a login that was done elsewhere, and for the end of a program.
    ///
    /// # Errors
    /// [`ErrorKind::Store`] if the store failed, or there is none. [`ErrorKind::LoggedOut`] if there is no login any more.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or on one without timers.
    ///
    /// # Cancel safety
    /// What was begun may be saved or not. Nothing else is lost.
    pub async fn save(&self) -> Result<(), Error> {
        self.head().save_own().await
    }

    async fn save_own(&self) -> Result<(), Error> {
        let name = self.inner.name();
        for _ in 0..ROUNDS {
            // A renewal that is under way saves what it brings.
            let landing = self.inner.read(|state| {
                let flight = state.login.as_ref()?.flight()?;
                Some(Waiting::new(flight, &self.inner, self.inner.settings.flight_limit))
            });
            if let Some(landing) = landing {
                let _ = landing.await;
            }
            let shelf = self.inner.read(|state| state.shelf().cloned());
            let shelf = shelf.ok_or_else(|| Error::new(ErrorKind::Store, "the session has no store"))?;
            let epoch = self.epoch()?;
            self.inner.listen(&shelf);
            let found = shelf.load(name).await?;
            let now = Instant::now();
            let to_save = self.inner.change(|state| {
                let login = state.login.as_mut().filter(|login| login.epoch == epoch).ok_or_else(logged_out)?;
                let known = login.known().ok_or_else(logged_out)?;
                match known.judge(found.as_ref(), login.has_own_credential()) {
                    Found::Same => login.note(found.as_ref(), shelf.claimant, now),
                    Found::Foreign(error) => return Err(error),
                    // Taken in below, and nothing is left to save.
                    Found::News(_) | Found::Ended | Found::Nobody => return Ok(None),
                }
                let known = login.known().ok_or_else(logged_out)?;
                let stands_there = found.as_ref().map(Record::version).filter(|_| !known.unsaved);
                let is_there = stands_there.is_some() && stands_there == known.version();
                let (seen, record) = (known.seen(), login.record(now));
                let is_empty = record.is_empty();
                Ok::<_, Error>((!is_there && !is_empty).then_some((record, seen)))
            })?;
            let Some((record, seen)) = to_save else {
                if let Some(found) = found {
                    self.inner.take_in(&shelf, epoch, &found);
                }
                return self.epoch().map(|_| ());
            };
            match shelf.save(name, &record, seen).await? {
                Saved::Saved => {
                    // Its lease goes with it, without the lock.
                    let _done =
                        shelf.pending(|pending| pending.take_if(|pending| pending.record.version <= record.version));
                    self.inner.change(|state| {
                        let login = state.login.as_mut().filter(|login| login.epoch == epoch);
                        if let Some(known) = login.and_then(|login| login.known_mut()) {
                            known.brings(&record, false);
                        }
                    });
                    return Ok(());
                }
                Saved::Overtaken(newer) => self.inner.take_in(&shelf, epoch, &newer),
            }
        }
        Err(Error::store("other processes saved something newer again and again"))
    }
}
