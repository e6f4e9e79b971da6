//! The proofs of a token request (RFC 9449 §5): one for each attempt, and another attempt where the server asks for another proof.
//!
//! 1. A proof is made before the request has its place, as a client's assertion is, and again where it waited too long for that.
//! 2. A server may ask for a nonce, or refuse a proof that is dated by another clock than its own. Each is answered once. That is no
//!    attempt of its own for whoever counts them: the server looked at the proof, and not at what was sent with it.
//! 3. The nonce of every answer is kept, and of a good one too.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::time::{Instant, timeout_at};

use super::{TokenEndpoint, client_auth::FRESH, step::Step, transport::Deadline};
use crate::{
    context::GrantContext,
    dpop::{At, Binding, Proof, Server, Wanted},
    error::{Error, ErrorKind, TokenVerdict},
    events,
};

pub(super) const DPOP: HeaderName = HeaderName::from_static("dpop");

const ASKS_FOR_A_NONCE: &str = "use_dpop_nonce";
const REFUSES_THE_PROOF: &str = "invalid_dpop_proof";

/// The proof of the attempt that is under way, and what is left to be answered.
pub(crate) struct Proving<'a> {
    binding: Option<&'a Binding>,
    proof: Option<(Proof, Instant)>,
    nonce: bool,
    date: bool,
}

impl<'a> Proving<'a> {
    pub(crate) fn of(context: &'a GrantContext) -> Self {
        Self { binding: context.dpop(), proof: None, nonce: true, date: true }
    }

    /// For a request that proves nothing.
    pub(super) fn nothing() -> Self {
        Self { binding: None, proof: None, nonce: false, date: false }
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

    /// The answer when all that can be proved was proved. One who asks for nonces again and again is in trouble.
    pub(crate) fn end<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        answer.map_err(|error| match error.known_verdict() {
            Some(TokenVerdict::Nonce) if self.binding.is_some() => {
                let asks = error.oauth_code() == Some(ASKS_FOR_A_NONCE);
                error.with_verdict(if asks { TokenVerdict::Broken { page: false } } else { TokenVerdict::NotAllowed })
            }
            _ => error,
        })
    }

    /// The value of the header, where there is one.
    pub(super) fn header(&self) -> Option<&HeaderValue> {
        self.proof.as_ref().map(|(proof, _)| &proof.value)
    }

    /// Whether it waited too long for its turn.
    pub(super) fn is_stale(&self) -> bool {
        self.proof.as_ref().is_some_and(|(_, at)| at.elapsed() > FRESH)
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
        let verdict = if binding.has_news(at(step), proof) { TokenVerdict::Nonce } else { TokenVerdict::NotAllowed };
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
    /// Makes the proof of the next attempt.
    ///
    /// # Errors
    /// Says that nothing was sent.
    pub(super) async fn prove(&self, step: &Step<'_>, proving: &mut Proving<'_>) -> Result<(), Error> {
        let Some(binding) = proving.binding else { return Ok(()) };
        let deadline = Deadline::after(step, self.settings.timeout)?;
        let path = step.address().uri().path();
        let wanted = Wanted { at: at(step), method: &Method::POST, path, token: None };
        match timeout_at(deadline.at, binding.proof(wanted)).await {
            Ok(proof) => proving.proof = Some((proof?, Instant::now())),
            Err(_) => {
                let why = "not sent, since the DPoP proof was not signed in time";
                return Err(step.error(ErrorKind::Dpop, why).not_sent());
            }
        }
        Ok(())
    }
}

fn at<'a>(step: &Step<'a>) -> At<'a> {
    At { server: Server::Issuer, origin: step.address().origin() }
}
