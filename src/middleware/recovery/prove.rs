//! Proofs of possession (RFC 9449) of a call whose token is bound to a key: one for each attempt, and what its answer says of it.
//!
//! 1. A proof is made when the inner service is ready, so that it is as young as can be, and has the newest nonce. A key that signs
//!    elsewhere may need the very place that the service reserved: it signs first, and the service is asked again.
//! 2. Every answer is asked for a nonce, whatever its status. What it says of the proof comes before what it says of the token.
//! 3. An answer that asks for a nonce says nothing of the token. Nothing is renewed, no origin cools down, and it takes nothing from
//!    the replays that a renewal may need.
//! 4. A request is sent again with a nonce [`NONCES`] times at most, each time only if there is another nonce than it had. From the
//!    second time on the calls to that origin take turns (`dpop/line.rs`): a server that gives a new nonce for every few
//!    requests would refuse nearly all of a crowd, over and over.
//! 5. Where the proof was refused it is sent again once, with another one: by the server's clock if that differs, and younger than the
//!    first, which may have waited below the layer or have been sent twice there.
//! 6. A rejection that says nothing of the proof may be for the clocks all the same, or for a first nonce. Each is tried once for a
//!    token, before that is renewed. A date that did not help is dropped: it may be another machine's.

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
        proof::{Ready, Signing, at, put, sign},
        response_body::ResponseBody,
    },
    call::{Call, End, Next},
    step::Step,
};
use crate::{
    challenge::{
        classify::{Head, WithProof},
        proof::{About, about, names_the_token},
    },
    dpop::{At, Binding, Line, Proof},
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
    /// Nothing that helps: the rejection before it stands.
    Rejected,
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
            return Err(Error::new(ErrorKind::NotReplayable, "the request cannot be had again").not_sent());
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
            Told::Rejected => {
                let challenge = std::mem::take(&mut self.challenge);
                self.rejected(challenge)
            }
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
        // First of all: the next request has the nonce, whatever becomes of this one.
        let about = about(&Head::of(response));
        let is_news = match about {
            About::Nonce => binding.asked(at(origin), proof, response.headers()),
            About::Nothing | About::Proof => binding.heard(at(origin), response.headers()),
        };
        match about {
            About::Nothing => {
                binding.line(at(origin)).passes(proofs.place.take());
                Told::Nothing
            }
            About::Nonce => {
                events::nonce_asked(self.session.name(), origin);
                let line = binding.line(at(origin));
                let in_vain = line.refuses(proofs.place.as_mut());
                if !is_news {
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
                let is_first = proofs.nonces == 1 && proofs.place.is_none() && !line.is_busy();
                if is_first { Told::Again } else { Told::InTurn }
            }
            About::Proof => {
                proofs.place = None;
                let differs = binding.differs(proof, response.headers());
                let was_suspected = proofs.suspected == Some(self.sent);
                let is_first = !proofs.made_again;
                proofs.made_again |= !was_suspected;
                self.learn_the_time(response.headers());
                match self.kept.is_some() {
                    true if was_suspected => Told::Rejected,
                    true if is_first => Told::Again,
                    _ => Told::Over(refused(differs)),
                }
            }
        }
    }

    /// The last proof was refused. What was believed of the server's clock and did not help is believed no more.
    fn learn_the_time(&self, headers: &HeaderMap) {
        if let Some((binding, at, proof)) = self.last_proof()
            && let Some(ahead) = binding.refused(at, proof, headers)
        {
            events::api_clock_differs(self.session.name(), at.origin, ahead);
        }
    }

    fn last_proof(&self) -> Option<(&Binding, At<'_>, &Proof)> {
        let origin = self.shared.config.origins.get(self.origin)?;
        Some((self.session.dpop()?, at(origin), self.proofs.as_ref()?.sent.as_ref()?))
    }

    /// Whether a rejection that names another reason, or none, may be for the proof: not every server says it.
    pub(super) fn may_be_the_proof(&mut self) -> bool {
        let (Some((binding, at, proof)), Some(response)) = (self.last_proof(), &self.response) else { return false };
        if self.kept.is_none() {
            return false;
        }
        if binding.has_first_nonce(at, proof) && !names_the_token(response.headers()) {
            let proofs = self.proofs.get_or_insert_default();
            proofs.nonces += 1;
            return proofs.nonces <= NONCES;
        }
        if self.is_suspected() {
            // It was not for that.
            binding.doubt(at, proof);
            return false;
        }
        if binding.differs(proof, response.headers()).is_none_or(|seconds| seconds.unsigned_abs() <= FAR_OFF) {
            return false;
        }
        self.learn_the_time(response.headers());
        let is_dated_otherwise = binding.has_news(at, proof);
        self.suspect();
        is_dated_otherwise
    }

    /// Whether a token that was rejected once more may be good all the same: a clock that somebody had learned dated its proof. From
    /// here on ours does.
    pub(super) fn was_dated_by_a_suspicion(&mut self) -> bool {
        let Some((binding, at, proof)) = self.last_proof() else { return false };
        if self.is_suspected() || self.kept.is_none() || !binding.doubt(at, proof) {
            return false;
        }
        self.suspect();
        true
    }

    fn is_suspected(&self) -> bool {
        self.proofs.as_ref().is_some_and(|proofs| proofs.suspected == Some(self.sent))
    }

    /// Once for each token.
    fn suspect(&mut self) {
        if let Some(proofs) = &mut self.proofs {
            proofs.suspected = Some(self.sent);
        }
    }

    fn stand_in_line(&mut self) -> Next<S, S::Future, R> {
        if let (Some(binding), Some(origin), Some(proofs)) =
            (self.session.dpop(), self.shared.config.origins.get(self.origin), &mut self.proofs)
        {
            proofs.place.get_or_insert_with(|| binding.line(at(origin)).place());
        }
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
