//! What binds a session: its key, and what it has learned of the servers that it proves it to.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, HeaderValue, header::HeaderName};

use super::{
    At, DpopKey, Line, Proof, Wanted,
    memory::{Memory, readable},
    proof,
};
use crate::{clock::server::told, error::Error};

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A session's key, and what servers said. Shared by all clones of the session and all that are derived from it.
pub(crate) struct Binding {
    key: DpopKey,
    allow_bearer: bool,
    memory: Mutex<Memory>,
}

impl Binding {
    pub(crate) fn new(key: DpopKey, allow_bearer: bool) -> Self {
        Self { key, allow_bearer, memory: Mutex::default() }
    }

    /// The proof for one attempt, by the nonce that the server gave last and by its clock.
    ///
    /// # Errors
    /// [`ErrorKind::Dpop`](crate::ErrorKind::Dpop): the key did not sign. Nothing was sent.
    ///
    /// # Cancel safety
    /// Safe: a proof that nobody sends is good for nothing else.
    pub(crate) async fn proof(&self, wanted: Wanted<'_>) -> Result<Proof, Error> {
        let (nonce, ahead) = self.with(|memory| memory.of(wanted.at));
        let value = proof::make(&self.key, wanted, nonce.as_ref(), ahead).await?;
        Ok(Proof { value, nonce, ahead })
    }

    /// As [`proof`](Binding::proof), of a key in memory.
    pub(crate) fn proof_at_once(&self, wanted: Wanted<'_>) -> Option<Result<Proof, Error>> {
        if !self.signs_at_once() {
            return None;
        }
        match pin!(self.proof(wanted)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(proof) => Some(proof),
            Poll::Pending => None,
        }
    }

    /// Whether the key is in memory, so that nobody waits for a proof.
    pub(crate) fn signs_at_once(&self) -> bool {
        self.key.is_here()
    }

    /// Whether an answer brings another nonce than the one in this proof. What the session knows by now may be another answer's.
    pub(crate) fn gives_another(proof: &Proof, headers: &HeaderMap) -> bool {
        nonce_in(headers).is_some_and(|nonce| proof.nonce.as_ref() != Some(nonce))
    }

    /// Keeps the nonce of an answer, whatever its status. Says whether it is news.
    pub(crate) fn heard(&self, at: At<'_>, headers: &HeaderMap) -> bool {
        nonce_in(headers).is_some_and(|nonce| self.with(|memory| memory.hears(at, nonce)))
    }

    /// This proof was answered by the wish for another nonce. Says whether there is another one than it had: by the answer itself, and
    /// where that gives none, by what is known.
    pub(crate) fn asked(&self, at: At<'_>, proof: &Proof, headers: &HeaderMap) -> bool {
        let given = nonce_in(headers);
        self.with(|memory| {
            memory.wants(at, proof.nonce.as_ref(), given);
            // In one breath: a late answer in between might have brought back what this proof had.
            Self::gives_another(proof, headers) || memory.of(at) != (proof.nonce.clone(), proof.ahead)
        })
    }

    /// Whether a nonce became known since this proof was made without one.
    pub(crate) fn has_first_nonce(&self, at: At<'_>, proof: &Proof) -> bool {
        proof.nonce.is_none() && self.with(|memory| memory.of(at)).0.is_some()
    }

    /// This proof was refused. By the `Date` of the answer the next one is dated otherwise; says by how many seconds the clocks
    /// differ, where that is news.
    pub(crate) fn refused(&self, at: At<'_>, proof: &Proof, headers: &HeaderMap) -> Option<i64> {
        self.with(|memory| memory.refused(at, proof.ahead, headers))
    }

    /// Where calls take turns for this server's nonces.
    pub(crate) fn line(&self, at: At<'_>) -> Arc<Line> {
        self.with(|memory| memory.line(at))
    }

    /// What this proof was dated by is believed no longer. Says whether that was another clock than ours.
    pub(crate) fn doubt(&self, at: At<'_>, proof: &Proof) -> bool {
        self.with(|memory| memory.doubt(at, proof.ahead));
        proof.ahead != 0
    }

    /// By how many seconds the clock of whoever gave this answer is ahead of ours, if that is enough for a proof to be refused.
    pub(crate) fn clock_differs(headers: &HeaderMap) -> Option<i64> {
        Memory::differs(headers)
    }

    /// By how many seconds the clock of whoever gave this answer is ahead of the one that the proof was dated by, if it tells.
    pub(crate) fn differs(&self, proof: &Proof, headers: &HeaderMap) -> Option<i64> {
        Some(told(headers)? - proof.ahead)
    }

    /// Whether another proof for the same would have another nonce, or be dated by another clock, than this one.
    pub(crate) fn has_news(&self, at: At<'_>, proof: &Proof) -> bool {
        self.with(|memory| memory.of(at)) != (proof.nonce.clone(), proof.ahead)
    }

    /// The key's (RFC 7638).
    pub(crate) fn thumbprint(&self) -> &str {
        self.key.thumbprint()
    }

    /// Whether a server may answer with a bearer token.
    pub(crate) fn allows_bearer(&self) -> bool {
        self.allow_bearer
    }

    fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Of several lines the last one that can be sent back counts.
fn nonce_in(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get_all(DPOP_NONCE).iter().rfind(|nonce| readable(nonce))
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("key", &self.key)
            .field("allow_bearer", &self.allow_bearer)
            .finish_non_exhaustive()
    }
}
