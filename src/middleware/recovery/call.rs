//! What is known of a call that needs more than one good send, and what is decided by it.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body::Body;
use tokio::time::{Instant, sleep, sleep_until};
use tower_service::Service;

use super::{
    super::{
        budget::Parked, extensions::RenewalFailed, kept::Kept, proof::Proofs, response_body::ResponseBody,
        shared::Shared,
    },
    step::{First, Step},
};
use crate::{
    asked::Challenge,
    challenge::classify::{Head, Verdict},
    error::{Error, ErrorKind},
    events,
    identity::Generation,
    metrics,
    replay::Replay,
    session::{Answer, Authorization, Need, Route, Session, Waiting},
    timer,
};

/// How much of a body a classifier sees, and for how long it is waited for.
const LOOK_LIMIT: usize = 64 * 1024;
const LOOK_TIME: Duration = Duration::from_secs(1);
/// How long a rejection's body is read before its replay.
const DRAIN_TIME: Duration = Duration::from_millis(100);
/// How long a replay waits for the rejected attempt to let go of a body that it can't be made to give up.
const RELEASE_TIME: Duration = Duration::from_secs(1);

/// How a call ends.
pub(super) type End<R> = Result<Response<ResponseBody<R>>, Error>;
/// `Ok` goes on with a step, `Err` ends the call.
pub(super) type Next<S, F, R> = Result<Step<S, F>, End<R>>;

/// What is known of the call, whatever its step.
pub(super) struct Call<S, B: Replay, R: Body> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) session: Session,
    pub(super) epoch: Generation,
    // When this call began to wait, later by the time that the inner service took for its answers.
    pub(super) since: Instant,
    pub(super) origin: usize,
    pub(super) route: Route,
    // The request that was not sent yet, and why. Boxed: a crowd that waits with rejected ones has none.
    pub(super) first: Option<Box<(Request<B>, First)>>,
    pub(super) replay: bool,
    pub(super) kept: Option<Kept<B>>,
    // The response that the caller gets if there is no better one; of a replay under way, the one before.
    pub(super) response: Option<Response<ResponseBody<R>>>,
    // When its end was read, in microseconds after `since`, if that was while the call waited.
    pub(super) read: Option<u32>,
    // Of the last rejection.
    pub(super) challenge: Challenge,
    // What the last attempt was sent with.
    pub(super) sent: Generation,
    pub(super) replays: u32,
    // What the call waits for brings something else than it needs: it asks again when that has landed.
    pub(super) asks_again: bool,
    // One replay is free, where others had renewed the token already.
    pub(super) free_replay: bool,
    pub(super) parked: Option<Parked>,
    pub(super) proofs: Option<Box<Proofs>>,
}

impl<S, B: Replay, R: Body> Call<S, B, R>
where
    S: Service<Request<B>> + Clone,
{
    /// Before the first send, or after a rejection: how to come by a token.
    pub(super) fn ask(&mut self) -> Next<S, S::Future, R> {
        match self.session.ask(self.need(), self.epoch, self.since) {
            Answer::Ready => self.go_on(),
            Answer::Wait(waiting) => self.wait_for(waiting, false),
            Answer::After(waiting) => self.wait_for(waiting, true),
            Answer::At(turn) => self.wait(|| Step::Turn { at: sleep_until(turn) }),
            Answer::Failed(error) => self.give_up(error),
        }
    }

    fn need(&self) -> Need<'_> {
        match self.first.as_deref() {
            Some((_, First::Token)) => Need::Token,
            Some((_, First::FreshToken)) => Need::FreshToken,
            Some((_, First::Renewal { since })) => Need::Renewal { since: *since },
            None => Need::Rejected {
                generation: self.sent,
                from: self.shared.config.origins.get(self.origin).map(|origin| (origin, self.route)),
                challenge: &self.challenge,
            },
        }
    }

    fn wait_for(&mut self, waiting: Waiting, asks_again: bool) -> Next<S, S::Future, R> {
        self.asks_again = asks_again;
        self.wait(|| Step::Wait { waiting })
    }

    /// A rejected call that can't be replayed has nothing to wait for.
    pub(super) fn wait(&mut self, step: impl FnOnce() -> Step<S, S::Future>) -> Next<S, S::Future, R> {
        if self.response.is_some() && !self.has_room() {
            return self.pass_on();
        }
        self.response = self.response.take().map(|response| response.map(ResponseBody::let_go));
        Ok(step())
    }

    pub(super) fn landed(&mut self, landing: Result<Generation, Error>) -> Next<S, S::Future, R> {
        match landing {
            Ok(_) if self.asks_again => Ok(Step::Ask),
            // Invariant 12: a flight that is waited for in vain ends the call, whatever it brings.
            Err(error) if self.asks_again && error.kind() != ErrorKind::WaitedTooLong => Ok(Step::Ask),
            Ok(generation) if self.first.is_none() && generation == self.sent => {
                self.note_rejection();
                self.give_up(Error::new(ErrorKind::SameToken, "the renewal brought the same token again"))
            }
            Ok(_) => self.go_on(),
            Err(_) if self.session.waits_on(self.need(), self.since) => Ok(Step::Ask),
            Err(error) => self.give_up(error),
        }
    }

    /// There is a token to go on with.
    pub(super) fn go_on(&mut self) -> Next<S, S::Future, R> {
        if self.response.is_some() && self.kept.is_none() {
            return self.pass_on();
        }
        let Some(response) = self.response.take() else { return Ok(self.ready()) };
        let empty = response.body().is_end_stream();
        let too_long = response.body().size_hint().lower() > self.shared.config.drain_limit as u64;
        self.response = Some(response.map(ResponseBody::let_go));
        Ok(if empty || too_long { self.release() } else { Step::Drain { limit: sleep(self.left(DRAIN_TIME)) } })
    }

    pub(super) fn release(&self) -> Step<S, S::Future> {
        Step::Release { limit: sleep(self.left(RELEASE_TIME)) }
    }

    pub(super) fn ready(&self) -> Step<S, S::Future> {
        Step::Ready { service: self.shared.service(), limit: None }
    }

    /// The rejection, now: its request is not sent again. The renewal is for those who come later.
    pub(super) fn pass_on(&mut self) -> Next<S, S::Future, R> {
        self.give_up(Error::new(ErrorKind::NotReplayable, "the request cannot be sent again"))
    }

    /// There will be no better answer than the one that is there, if there is one.
    pub(super) fn give_up(&mut self, error: Error) -> Next<S, S::Future, R> {
        let session = &self.session;
        match (self.response.take(), self.first.as_deref()) {
            (Some(mut response), _) => {
                events::passed_on(session.name(), &error);
                response.extensions_mut().insert(RenewalFailed::new(error, std::mem::take(&mut self.challenge)));
                Err(Ok(response))
            }
            // Invariant 4: a token that may still work is tried before the call fails.
            (None, Some((_, First::Token | First::FreshToken))) if session.last_resort(self.epoch).is_some() => {
                Ok(self.ready())
            }
            (None, _) => Err(Err(error)),
        }
    }

    pub(super) fn judge(&mut self, verdict: Verdict) -> Next<S, S::Future, R> {
        let Some(mut response) = self.response.take() else {
            return Err(Err(Error::new(ErrorKind::Service, "the response is gone")));
        };
        response.body_mut().forget_seen();
        match verdict {
            Verdict::Pass => {
                self.note_pass();
                Err(Ok(response))
            }
            Verdict::InsufficientScope(challenge) => {
                self.note_pass();
                let error = Error::insufficient(ErrorKind::InsufficientScope, challenge.clone());
                events::wider_scope_asked(self.session.name(), &error);
                response.extensions_mut().insert(RenewalFailed::new(error, challenge));
                Err(Ok(response))
            }
            Verdict::InsufficientUserAuthentication(challenge) => {
                self.note_pass();
                let error = Error::insufficient(ErrorKind::InsufficientUserAuthentication, challenge.clone());
                events::stronger_login_asked(self.session.name(), &error);
                response.extensions_mut().insert(RenewalFailed::new(error, challenge));
                Err(Ok(response))
            }
            Verdict::DpopOnly(challenge) => {
                self.note_pass();
                let why = "the API takes only tokens that are bound to a key (DPoP), and this one is a bearer token";
                let error = Error::new(ErrorKind::Dpop, why);
                events::proof_wanted(self.session.name(), &error);
                response.extensions_mut().insert(RenewalFailed::new(error, challenge));
                Err(Ok(response))
            }
            Verdict::Look { at_most } => {
                // A look takes a timer; without one the head alone decides.
                let Some(limit) = timer::sleep_until(Instant::now() + self.left(LOOK_TIME)) else {
                    return Err(Ok(response));
                };
                self.response = Some(response.map(ResponseBody::into_looked));
                Ok(Step::Look { limit, at_most: at_most.min(LOOK_LIMIT) })
            }
            Verdict::Reject(challenge) => {
                self.response = Some(response);
                self.rejected(challenge)
            }
        }
    }

    pub(super) fn rejected(&mut self, challenge: Challenge) -> Next<S, S::Future, R> {
        let config = &self.shared.config;
        self.challenge = challenge;
        if let (Some(response), Some(origin)) = (&self.response, config.origins.get(self.origin)) {
            events::rejected(self.session.name(), self.sent, response.status(), origin);
        }
        if self.may_be_the_proof() {
            return self.go_on();
        }
        let config = &self.shared.config;
        let renewed_by_others = self.session.generation() != self.sent;
        metrics::rejected(!renewed_by_others);
        if config.max_replays == 0 {
            self.kept = None;
        } else if self.replays >= config.max_replays && !(renewed_by_others && self.free_replay) {
            if self.was_dated_by_a_suspicion() {
                return self.go_on();
            }
            self.note_rejection();
            return self.give_up(Error::new(ErrorKind::RejectedAgain, "the new token was rejected as well"));
        }
        // What will be sent again shows by that whether a renewal helps.
        if !self.has_room() {
            self.note_rejection();
        }
        if renewed_by_others && self.free_replay {
            self.free_replay = false;
        } else {
            self.replays += 1;
        }
        Ok(Step::Ask)
    }

    pub(super) fn was_rejected(&self) -> bool {
        self.replays > 0 || !self.free_replay
    }

    fn note_pass(&self) {
        if let Some(origin) = self.shared.config.origins.get(self.origin) {
            self.session.passed_at(self.epoch, origin, self.route, self.sent);
        }
    }

    fn note_rejection(&self) {
        if let Some(origin) = self.shared.config.origins.get(self.origin) {
            self.session.rejected_at(self.epoch, origin, self.route, self.sent);
        }
    }

    /// The request that goes out now, with the token of this very moment.
    pub(super) fn request(&mut self, authorization: Authorization) -> Result<Request<B>, End<R>> {
        let config = &self.shared.config;
        let Authorization { header, generation, adopted, .. } = authorization;
        let request = match self.first.take().map(|first| *first) {
            Some((request, _)) if !self.replay => Some(request),
            Some((request, _)) => {
                let (head, mut body) = request.into_parts();
                self.kept = Kept::keep(&head, &mut body, config.replay_limit);
                Some(Request::from_parts(head, body))
            }
            None => self.kept.as_mut().and_then(Kept::again),
        };
        let Some(mut request) = request else {
            return Err(self.end(Error::new(ErrorKind::NotReplayable, "the request's body cannot be had again")));
        };
        self.parked = None;
        if adopted && generation != self.sent && self.response.is_some() && self.free_replay {
            // Others have renewed it: if it is dead as well, there is a renewal to come.
            self.free_replay = false;
            self.replays = self.replays.saturating_sub(1);
        }
        if let Some(response) = self.response.take() {
            events::replayed(self.session.name(), generation, self.replays);
            // One whose connection is free stays until the replay is answered, if there is room for it.
            self.parked = config.budget.park(response.body().held()).filter(|_| response.body().is_whole());
            self.response = self.parked.is_some().then_some(response);
        }
        self.sent = generation;
        request.headers_mut().insert(&config.header, header);
        match self.prove(request.headers_mut()) {
            Ok(()) => Ok(request),
            Err(error) => Err(self.end(error)),
        }
    }

    /// What the request that goes out was answered with.
    pub(super) fn answered(&mut self, response: Response<R>, took: Duration) -> Next<S, S::Future, R> {
        self.since += took;
        self.read = None;
        self.parked = None;
        let response = match self.hears(response.map(ResponseBody::plain)) {
            ControlFlow::Continue(response) => response,
            ControlFlow::Break(next) => return next,
        };
        let verdict = self.shared.config.classify.head(&Head::of(&response));
        self.response = Some(response);
        self.judge(verdict)
    }

    /// The inner service failed.
    pub(super) fn failed(&mut self, error: Error) -> End<R> {
        if error.is_shed() { self.end(error) } else { Err(error) }
    }

    /// There will be nothing to send. The caller gets the rejection, if there is one.
    pub(super) fn end(&mut self, error: Error) -> End<R> {
        self.first = None;
        match self.give_up(error) {
            Err(end) => end,
            // Without a first request there is nothing to go on with.
            Ok(_) => Err(Error::new(ErrorKind::Service, "the call went on after its end")),
        }
    }
}
