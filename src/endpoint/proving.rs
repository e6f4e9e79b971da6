//! The proofs of a token request (RFC 9449 §5): one for each attempt, and another attempt where the server asks for another proof.
//!
//! 1. A proof is made when the request is: servers take none that is older than a few seconds. A key that lives elsewhere signs before
//!    the request has its place, as a client's assertion is signed, and again where it waited too long for that.
//! 2. A server may ask for a nonce, or refuse a proof that is dated by another clock than its own. Each is answered once. That is no
//!    attempt of its own for whoever counts them: the server looked at the proof, and not at what was sent with it.
//! 3. The nonce of every answer is kept, and of a good one too.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::time::{Instant, timeout_at};

use super::{TokenEndpoint, step::Step, transport::Deadline};
use crate::{
    context::GrantContext,
    dpop::{At, Binding, Proof, Server, Wanted},
    error::{Error, ErrorKind, TokenVerdict},
    events,
};

pub(super) const DPOP: HeaderName = HeaderName::from_static("dpop");

const ASKS_FOR_A_NONCE: &str = "use_dpop_nonce";
const REFUSES_THE_PROOF: &str = "invalid_dpop_proof";

/// A proof that is older when it is sent may be refused for that alone.
const YOUNG: Duration = Duration::from_secs(2);

/// The proof of the attempt that is under way, and what is left to be answered.
pub(crate) struct Proving<'a> {
    binding: Option<&'a Binding>,
    proof: Option<(Proof, Instant)>,
    /// It was sent when it was not young any more.
    aged: bool,
    nonce: bool,
    date: bool,
}

impl<'a> Proving<'a> {
    pub(crate) fn of(context: &'a GrantContext) -> Self {
        Self { binding: context.dpop(), proof: None, aged: false, nonce: true, date: true }
    }

    /// For a request that proves nothing.
    pub(super) fn nothing() -> Self {
        Self { binding: None, proof: None, aged: false, nonce: false, date: false }
    }

    /// Whether the request is to be sent once more, with another proof.
    pub(crate) fn again<T>(&mut self, answer: &Result<T, Error>) -> bool {
        let Err(error) = answer else { return false };
        if self.binding.is_none() || error.known_verdict() != Some(TokenVerdict::Nonce) {
            return false;
        }
        let left = if error.oauth_code() == Some(ASKS_FOR_A_NONCE) { &mut self.nonce } else { &mut self.date };
        std::mem::take(left)
    }

    /// The answer when all that can be proved was proved. One who asks for nonces again and again has looked at no credential, so that
    /// none counts as sent (invariant 5): it may be several machines, each with nonces of its own.
    pub(crate) fn end<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        answer.map_err(|error| match error.known_verdict() {
            Some(TokenVerdict::Nonce) if self.binding.is_some() => {
                let asks = error.oauth_code() == Some(ASKS_FOR_A_NONCE);
                error.with_verdict(if asks { TokenVerdict::Unsent } else { TokenVerdict::NotAllowed })
            }
            _ => error,
        })
    }

    /// The value of the header for a request that goes out now.
    ///
    /// # Errors
    /// Says that nothing was sent.
    pub(super) fn header(&mut self, step: &Step<'_>) -> Result<Option<HeaderValue>, Error> {
        if let Some(proof) = self.binding.and_then(|binding| binding.proof_at_once(wanted(step))) {
            self.proof = Some((proof?, Instant::now()));
        }
        self.aged = self.is_stale();
        Ok(self.proof.as_ref().map(|(proof, _)| proof.value.clone()))
    }

    /// Whether it waited too long for its turn.
    pub(super) fn is_stale(&self) -> bool {
        self.proof.as_ref().is_some_and(|(_, at)| at.elapsed() > YOUNG)
    }

    /// Keeps what the head of an answer says.
    pub(super) fn hears(&self, step: &Step<'_>, headers: &HeaderMap) {
        if let Some(binding) = self.binding {
            binding.heard(at(step), headers);
        }
    }

    /// What this failure is to a session whose tokens are bound: where another proof may help, its verdict is
    /// [`Nonce`](TokenVerdict::Nonce).
    pub(super) fn judge(&self, step: &Step<'_>, error: Error, headers: &HeaderMap) -> Error {
        let (Some(binding), Some((proof, _))) = (self.binding, &self.proof) else { return error };
        let why = match error.oauth_code() {
            Some(ASKS_FOR_A_NONCE) => {
                // Again: the body may have been slow, and what another request has brought meanwhile is older.
                binding.heard(at(step), headers);
                "the server asks for a nonce in the DPoP proof, and does not give one that it takes".to_owned()
            }
            Some(REFUSES_THE_PROOF) => {
                if let Some(ahead) = binding.refused(at(step), proof, headers) {
                    events::clock_differs(step.address().uri().authority(), ahead);
                }
                match Binding::clock_differs(headers) {
                    Some(ahead) if ahead < 0 => {
                        format!("the server refused the DPoP proof, and its clock is {} s behind ours", -ahead)
                    }
                    Some(ahead) => {
                        format!("the server refused the DPoP proof, and its clock is {ahead} s ahead of ours")
                    }
                    None => {
                        "the server refused the DPoP proof, and the clocks do not differ by what its answer says".into()
                    }
                }
            }
            _ => return error,
        };
        let is_news = match error.oauth_code() {
            Some(ASKS_FOR_A_NONCE) => Binding::gives_another(proof, headers),
            _ => self.aged,
        };
        let helps = is_news || binding.has_news(at(step), proof);
        let verdict = if helps { TokenVerdict::Nonce } else { TokenVerdict::NotAllowed };
        let mut told = step.error(ErrorKind::Dpop, why).with_verdict(verdict);
        if let Some(status) = error.status() {
            told = told.with_status(status);
        }
        if let Some(code) = error.oauth_code() {
            told = told.with_oauth_code(code);
        }
        told.with_source(error)
    }
}

impl TokenEndpoint {
    /// Has the proof of the next attempt signed by a key that lives elsewhere.
    ///
    /// # Errors
    /// Says that nothing was sent.
    pub(super) async fn prove(&self, step: &Step<'_>, proving: &mut Proving<'_>) -> Result<(), Error> {
        let Some(binding) = proving.binding.filter(|binding| !binding.signs_at_once()) else { return Ok(()) };
        let deadline = Deadline::after(step, self.settings.timeout)?;
        match timeout_at(deadline.at, binding.proof(wanted(step))).await {
            Ok(proof) => proving.proof = Some((proof?, Instant::now())),
            Err(_) => {
                let why = "not sent, since the DPoP proof was not signed in time";
                return Err(step.error(ErrorKind::Dpop, why).not_sent());
            }
        }
        Ok(())
    }
}

fn wanted<'a>(step: &Step<'a>) -> Wanted<'a> {
    Wanted { at: at(step), method: &Method::POST, path: step.address().uri().path(), token: None }
}

fn at<'a>(step: &Step<'a>) -> At<'a> {
    At { server: Server::Issuer, origin: step.address().origin() }
}

#[cfg(feature = "dpop")]
#[cfg(test)]
mod tests;
