//! Proofs of possession (RFC 9449) of a call whose token is bound to a key: one for each attempt, and what its answer says of it.
//!
//! 1. A proof is made when the inner service is ready, so that it is as young as can be, and has the newest nonce. A key that signs
//!    elsewhere may need the very place that the service reserved: it signs first, and the service is asked again.
//! 2. Every answer is asked for a nonce, whatever its status. What it says of the proof comes before what it says of the token.
//! 3. An answer that asks for a nonce says nothing of the token. Nothing is renewed, no origin cools down, and it takes nothing from
//!    the replays that a renewal may need.
//! 4. A request is sent again with a nonce [`NONCES`] times at most, each time only if there is another nonce than it had. From the
//!    second time on the calls to that origin take turns (`middleware/line.rs`): a server that gives a new nonce for every few
//!    requests would refuse nearly all of a crowd, over and over.
//! 5. It is sent again once with another date, where the server's clock differs.

use std::{
    ops::ControlFlow,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    super::{
        line::Line,
        proof::{Ready, Signing, at, put, sign},
        response_body::ResponseBody,
    },
    call::{Call, End, Next},
    step::Step,
};
use crate::{
    challenge::{
        classify::{Head, WithProof},
        proof::{About, about},
    },
    dpop::Proof,
    error::{Error, ErrorKind},
    events,
    identity::Generation,
    replay::Replay,
    scheme::Scheme,
    session::Authorization,
};

/// How many times one call is sent again since the server wants another nonce.
const NONCES: u32 = 16;
/// From here on the clocks may be why a server rejects, though it does not say so. It is what servers tolerate that tolerate much.
const FAR_OFF: u64 = 30;

/// What is sent next.
pub(super) enum Ticket {
    Send(Authorization),
    /// Nothing, before that is there.
    Sign(Signing, Generation),
}

/// What an answer means for the request that it answers.
enum Told {
    /// Nothing: the token may still be rejected.
    Nothing,
    Again,
    /// Again, when it is this call's turn.
    InTurn,
    Over(Error),
}

impl<S, B: Replay, R: Body> Call<S, B, R>
where
    S: Service<Request<B>> + Clone,
{
    /// The token of this very moment, with the proof that it needs.
    pub(super) fn ticket(&mut self, cx: &mut Context<'_>) -> Result<Ticket, End<R>> {
        // Invariant 6: the last look at the session before anything is sent.
        let authorization = match self.session.authorization_of(self.epoch) {
            Ok(authorization) => authorization,
            Err(error) => return Err(self.end(error)),
        };
        let generation = authorization.generation;
        if Scheme::is_bound(&authorization.header) {
            let proofs = self.proofs.get_or_insert_default();
            if !proofs.is_ready(generation) {
                let signing = self.sign(&authorization.header);
                match signing.map(|mut signing| (signing.as_mut().poll(cx), signing)) {
                    Ok((Poll::Ready(Ok(proof)), _)) => self.signed(proof, generation),
                    Ok((Poll::Ready(Err(error)), _)) | Err(error) => return Err(self.end(error)),
                    Ok((Poll::Pending, signing)) => return Ok(Ticket::Sign(signing, generation)),
                }
            }
        } else if let Some(proofs) = &mut self.proofs {
            (proofs.next, proofs.sent) = (None, None);
        }
        Ok(Ticket::Send(self.shared.config.dress(authorization)))
    }

    fn sign(&self, header: &HeaderValue) -> Result<Signing, Error> {
        let Some(line) = self.request_line() else {
            return Err(Error::new(ErrorKind::NotReplayable, "the request cannot be had again"));
        };
        sign(&self.shared.config, &self.session, self.origin, line, header.clone())
    }

    /// Method and path of what is sent next.
    fn request_line(&self) -> Option<(Method, Box<str>)> {
        if let Some((request, _)) = self.first.as_deref() {
            return Some((request.method().clone(), request.uri().path().into()));
        }
        let (method, target) = self.kept.as_ref()?.head.method_and_target()?;
        let path = str::from_utf8(target).ok()?.split('?').next()?;
        Some((Method::from_bytes(method).ok()?, path.into()))
    }

    /// A proof is there for the attempt that comes next.
    pub(super) fn signed(&mut self, proof: Proof, generation: Generation) {
        self.proofs.get_or_insert_default().next = Some(Ready { proof, generation, made: Instant::now() });
    }

    /// Puts what [`ticket`](Self::ticket) made into the request.
    pub(super) fn prove(&mut self, headers: &mut HeaderMap) -> Result<(), Error> {
        if let Some(proofs) = &mut self.proofs
            && let Some(Ready { proof, .. }) = proofs.next.take()
        {
            put(&self.shared.config, headers, &proof)?;
            proofs.sent = Some(proof);
        }
        Ok(())
    }

    /// What an answer says of the proof, if it says anything; else it is the response to judge.
    pub(super) fn hears(
        &mut self,
        mut response: Response<ResponseBody<R>>,
    ) -> ControlFlow<Next<S, S::Future, R>, Response<ResponseBody<R>>> {
        if self.proofs.as_ref().is_none_or(|proofs| proofs.sent.is_none()) {
            return ControlFlow::Continue(response);
        }
        let told = self.told(&response);
        if let Told::Nothing = told {
            if response.status().as_u16() >= 400 {
                response.extensions_mut().insert(WithProof);
            }
            return ControlFlow::Continue(response);
        }
        self.response = Some(response);
        ControlFlow::Break(match told {
            Told::Nothing | Told::Again => self.go_on(),
            Told::InTurn => self.stand_in_line(),
            Told::Over(error) => self.give_up(error),
        })
    }

    fn told(&mut self, response: &Response<ResponseBody<R>>) -> Told {
        let config = &self.shared.config;
        let (Some(binding), Some(origin), Some(proofs)) =
            (self.session.dpop(), config.origins.get(self.origin), self.proofs.as_deref_mut())
        else {
            return Told::Nothing;
        };
        let Some(proof) = &proofs.sent else { return Told::Nothing };
        // First of all: the next request has it, whatever becomes of this one.
        binding.heard(at(origin), response.headers());
        match about(&Head::of(response)) {
            About::Nothing => {
                proofs.place = None;
                config.lines.passes(self.origin);
                Told::Nothing
            }
            About::Nonce => {
                events::nonce_asked(self.session.name(), origin);
                let in_vain = config.lines.refuses(self.origin, proofs.place.as_mut());
                if !binding.has_news(at(origin), proof) {
                    let why = "the API wants a nonce, and gives none but the one that it refused";
                    return Told::Over(Error::new(ErrorKind::Dpop, why));
                }
                if self.kept.is_none() {
                    let why = "the API wants a nonce, and the request cannot be sent again; the next one has it";
                    return Told::Over(Error::new(ErrorKind::NotReplayable, why));
                }
                if proofs.nonces >= NONCES || (in_vain && proofs.nonces > 0) {
                    return Told::Over(Error::new(ErrorKind::Dpop, "the API wants another nonce each time"));
                }
                proofs.nonces += 1;
                // The whole crowd of a server that was not known to want nonces goes on at once.
                let is_first = proofs.nonces == 1 && proofs.place.is_none() && !config.lines.is_busy(self.origin);
                if is_first { Told::Again } else { Told::InTurn }
            }
            About::Proof => {
                proofs.place = None;
                let differs = binding.differs(proof, response.headers());
                match self.is_dated_otherwise(response.headers()) {
                    true => Told::Again,
                    false => Told::Over(refused(differs)),
                }
            }
        }
    }

    /// Whether a proof with another date is worth an attempt: the server's clock differs from the one that this one was dated by.
    fn is_dated_otherwise(&mut self, headers: &HeaderMap) -> bool {
        let (Some(binding), Some(origin), Some(proofs)) =
            (self.session.dpop(), self.shared.config.origins.get(self.origin), self.proofs.as_deref_mut())
        else {
            return false;
        };
        let Some(proof) = &proofs.sent else { return false };
        // In any case: what was believed and did not help is believed no more.
        if let Some(ahead) = binding.refused(at(origin), proof, headers) {
            events::api_clock_differs(self.session.name(), origin, ahead);
        }
        let is_first = !std::mem::replace(&mut proofs.dated_again, true);
        is_first && self.kept.is_some() && binding.has_news(at(origin), proof)
    }

    /// Whether a rejection that names another reason, or none, may be for the clocks: not every server says it.
    pub(super) fn may_be_the_clocks(&mut self) -> bool {
        let (Some(binding), Some(response)) = (self.session.dpop(), &self.response) else { return false };
        let Some(proof) = self.proofs.as_ref().and_then(|proofs| proofs.sent.as_ref()) else { return false };
        let headers = response.headers().clone();
        binding.differs(proof, &headers).is_some_and(|seconds| seconds.unsigned_abs() > FAR_OFF)
            && self.is_dated_otherwise(&headers)
    }

    fn stand_in_line(&mut self) -> Next<S, S::Future, R> {
        let (lines, origin) = (self.shared.config.lines.clone(), self.origin);
        let proofs = self.proofs.get_or_insert_default();
        proofs.place.get_or_insert_with(|| lines.place(origin));
        let look = tokio::time::sleep(self.left(Line::LOOK));
        self.wait(|| Step::Line { look })
    }

    /// A while has passed in the line.
    pub(super) fn look_at_line(&mut self) -> Next<S, S::Future, R> {
        if self.left(Line::LOOK).is_zero() {
            return self
                .give_up(Error::new(ErrorKind::Dpop, "the API's nonces changed faster than this call's turn came"));
        }
        self.stand_in_line()
    }

    pub(super) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let place = self.proofs.as_mut().and_then(|proofs| proofs.place.as_mut());
        place.map_or(Poll::Ready(()), |place| place.poll(cx))
    }
}

/// `differs`: by how many seconds the server's clock is ahead of the one that the proof was dated by, if the answer tells.
fn refused(differs: Option<i64>) -> Error {
    let clocks = match differs {
        Some(0) => "the clocks agree".to_owned(),
        Some(seconds) if seconds < 0 => format!("by its `Date` its clock is {} s behind", seconds.unsigned_abs()),
        Some(seconds) => format!("by its `Date` its clock is {seconds} s ahead"),
        None => "it says no `Date`, so compare the clocks yourself".to_owned(),
    };
    Error::new(ErrorKind::Dpop, format!("the API refused the proof; {clocks}"))
}
