//! The metadata of one issuer: fetched when it is needed, once for all who need it, and kept.
//!
//! 1. One fetch at a time. Whoever has no metadata waits for it, and shares its failure. If the one who fetches is dropped, the
//!    next one who waits goes on.
//! 2. Metadata at hand is used until better metadata is there, for ever if need be. Nobody waits then but the one who fetches.
//! 3. A fetch holds no place of the endpoint's `concurrency`, and no guard but its own across an `.await`.
//! 4. Nothing of the credentials is sent: each failure is temporary (invariant 5).
//! 5. Secrets go only to origins that were allowed, or that the first metadata named.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout_at},
};

use super::{
    issuer::Issuer,
    metadata::Metadata,
    step::Step,
    transport::{Deadline, Transport},
};
use crate::{
    error::{Error, ErrorKind},
    events,
    origin::{Origin, Origins},
};

/// For so long it is used without another look.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// What is at hand is not fetched again more often than that; longer than a fetch, so that there is one at a time.
const PAUSE: Duration = Duration::from_secs(60);
/// After a failure, where nothing is at hand.
const PAUSE_WITHOUT: Duration = Duration::from_secs(1);

pub(super) struct MetadataCache {
    issuer: Issuer,
    /// Besides the issuer's own.
    allowed: Option<Origins>,
    state: Mutex<State>,
    fetching: AsyncMutex<()>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// Of the last fetch, while nothing is known.
    failure: Option<Failure>,
}

struct Known {
    metadata: Metadata,
    /// Those that the first metadata named.
    origins: Vec<Origin>,
    fetched: Instant,
    tried: Instant,
    /// The server seems to have moved.
    doubted: bool,
    /// What was said of the fetches that failed since the last one that did not.
    told: Option<ErrorKind>,
}

enum Look {
    Ready(Result<Metadata, Error>),
    Due,
    Nothing,
}

struct Failure {
    error: Error,
    until: Instant,
}

impl MetadataCache {
    pub(super) fn new(issuer: Issuer, allowed: Option<Origins>) -> Self {
        Self { issuer, allowed, state: Mutex::default(), fetching: AsyncMutex::new(()) }
    }

    pub(super) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(super) fn may_revoke(&self) -> bool {
        self.with(|state| {
            state.known.as_ref().is_none_or(|known| {
                known.metadata.usual.revocation.is_some() || known.metadata.mutual_tls.revocation.is_some()
            })
        })
    }

    /// Has it fetched again with the next request, if that was not done just now.
    pub(super) fn doubt(&self) {
        self.with(|state| {
            if let Some(known) = &mut state.known {
                known.doubted = true;
            }
        });
    }

    /// The metadata, fetched first where that is due.
    ///
    /// # Errors
    /// Says that nothing was sent; only where no metadata is at hand.
    ///
    /// # Cancel safety
    /// Safe: another caller fetches it then.
    pub(super) async fn metadata(&self, transport: &Transport, timeout: Duration) -> Result<Metadata, Error> {
        let (deadline, _fetching);
        match self.look() {
            Look::Ready(answer) => return answer,
            // What is at hand is due, and others use it meanwhile.
            Look::Due => (deadline, _fetching) = (self.deadline(timeout)?, None),
            Look::Nothing => {
                deadline = self.deadline(timeout)?;
                let Ok(guard) = timeout_at(deadline.at, self.fetching.lock()).await else {
                    let why = "another request's attempt took too long";
                    return Err(self.issuer.step().error(ErrorKind::TimedOut, why).not_sent());
                };
                // Others may have fetched it while this one waited.
                if let Look::Ready(answer) = self.look() {
                    return answer;
                }
                _fetching = Some(guard);
            }
        }
        let fetched = self.issuer.fetch(transport, deadline).await;
        match fetched.and_then(|(metadata, step)| self.check(metadata, &step)) {
            Ok(metadata) => {
                self.keep(metadata.clone());
                events::metadata_read(self.issuer.text(), metadata.usual.token.uri().authority());
                Ok(metadata)
            }
            Err(error) => self.fail(error.not_sent()),
        }
    }

    fn deadline(&self, timeout: Duration) -> Result<Deadline, Error> {
        self.issuer.deadline(timeout).map_err(Error::not_sent)
    }

    /// What there is now. Metadata is due for one caller only.
    fn look(&self) -> Look {
        let now = Instant::now();
        self.with(|state| match (&mut state.known, &state.failure) {
            (Some(known), _) if known.is_due(now) => {
                known.tried = now;
                Look::Due
            }
            (Some(known), _) => Look::Ready(Ok(known.metadata.clone())),
            // For those who waited as well: their turn comes at once.
            (None, Some(failure)) if now < failure.until => Look::Ready(Err(failure.error_at(now))),
            (None, _) => Look::Nothing,
        })
    }

    fn keep(&self, metadata: Metadata) {
        let now = Instant::now();
        self.with(|state| {
            state.failure = None;
            let origins = match state.known.take() {
                Some(known) => known.origins,
                None => metadata.origins().cloned().collect(),
            };
            state.known = Some(Known { metadata, origins, fetched: now, tried: now, doubted: false, told: None });
        });
    }

    /// Goes on with what is at hand, if there is any.
    fn fail(&self, error: Error) -> Result<Metadata, Error> {
        let now = Instant::now();
        let at_hand = self.with(|state| match &mut state.known {
            Some(known) => {
                let first = known.told.replace(error.kind()) != Some(error.kind());
                Some((known.metadata.clone(), first))
            }
            None => {
                let until = now + error.retry_after().unwrap_or(PAUSE_WITHOUT);
                state.failure = Some(Failure { error: error.clone(), until });
                None
            }
        });
        let Some((metadata, first)) = at_hand else { return Err(error) };
        events::metadata_not_renewed(self.issuer.text(), &error, first);
        Ok(metadata)
    }

    /// Passes on metadata whose endpoints are all where they may be.
    fn check(&self, metadata: Metadata, step: &Step<'_>) -> Result<Metadata, Error> {
        let named = self.with(|state| state.known.as_ref().map(|known| known.origins.clone()));
        let is_allowed = |origin: &&Origin| {
            let is_named = named.as_ref().map_or(self.allowed.is_none(), |named| named.contains(origin));
            let is_listed = self.allowed.as_ref().is_some_and(|allowed| allowed.contains(origin));
            is_named || is_listed || *origin == self.issuer.address().origin()
        };
        let Some(origin) = metadata.origins().find(|origin| !is_allowed(origin)) else { return Ok(metadata) };
        let why = if named.is_some() { "has moved an endpoint to" } else { "has an endpoint at" };
        // A host's name may be as long as an answer.
        let origin: String = origin.to_string().chars().take(200).collect();
        let remedy = "if that is right, allow it with `TokenEndpoint::endpoint_origins`";
        Err(step.error(ErrorKind::Discovery, format_args!("the metadata {why} {origin}; {remedy}")))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    fn is_due(&self, now: Instant) -> bool {
        (self.doubted || now >= self.fetched + LIFETIME) && now >= self.tried + PAUSE
    }
}

impl Failure {
    fn error_at(&self, now: Instant) -> Error {
        let error = self.error.clone();
        match error.retry_after() {
            Some(_) => error.with_retry_after(self.until - now),
            None => error,
        }
    }
}
