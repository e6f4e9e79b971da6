//! What happens to a call that needs more than one good send: wait for a token, renew, drain, replay.
//!
//! A [`Recovery`] begins either before the first send, because there is no token, or after a response that may be a
//! rejection. It moves from step to step in one loop, and ends with the answer to the last attempt, with the original
//! rejection, or with an error where nothing was sent (invariant 8).
//!
//! 1. The call belongs to the login that it began with. Nothing is sent for it with a token of another one (invariant 6).
//! 2. A rejection is kept whole until its replay really goes.
//! 3. While it waits for anything, it holds no readiness of the inner service.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::BoxError;
use tower_service::Service;

use crate::{
    Challenge, Error, ErrorKind, Head, RenewalFailed, Replay, ResponseBody, Seen, Verdict, events,
    future::Sent,
    layer::Parked,
    replay::{BufferPool, KeptHead},
    response_body::Look,
    service::Cold,
    session::{Answer, Authorization, Generation, Need, Waiting},
};

/// How much of a body a classifier sees, and for how long it is waited for.
const LOOK_LIMIT: usize = 64 * 1024;
const LOOK_TIME: Duration = Duration::from_secs(1);
/// How long a rejection's body is read before its replay.
const DRAIN_TIME: Duration = Duration::from_millis(100);

/// What a replay starts from.
pub(crate) struct Kept<B: Replay> {
    pub(crate) head: KeptHead,
    pub(crate) body: B::Kept,
}

/// Why a request waits before its first send.
#[derive(Clone, Copy)]
pub(crate) enum First {
    Token,
    FreshToken,
    Renewal { since: Generation },
}

pin_project! {
    pub(crate) struct Recovery<S, B, R>
    where
        S: Service<Request<B>>,
        B: Replay,
        R: Body,
    {
        call: Call<S, B, R>,
        #[pin]
        step: Step<S, S::Future>,
    }
}

/// What is known of the call, whatever its step.
struct Call<S, B: Replay, R: Body> {
    cold: Arc<Cold<S>>,
    epoch: Generation,
    origin: usize,
    // The request that was not sent yet, and why.
    first: Option<(Request<B>, First)>,
    replay: bool,
    kept: Option<Kept<B>>,
    // The response that the caller gets if there is no better one.
    response: Option<Response<ResponseBody<R>>>,
    claims: Option<Box<str>>,
    // What the last attempt was sent with.
    sent: Generation,
    replays: u32,
    // One replay is free, where others had renewed the token already.
    free_replay: bool,
    parked: Option<Parked>,
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, F> {
        /// What does this response say?
        Judge { verdict: Option<Verdict> },
        /// What does the session say?
        Ask,
        /// For a flight. `again`: it brings something else than what is needed, so ask again when it has landed.
        Wait { #[pin] waiting: Waiting, again: bool },
        /// For a turn among those who are damped.
        Turn { #[pin] at: Sleep },
        /// Into the body, for what the head does not tell.
        Look { #[pin] limit: Sleep, at_most: usize },
        /// The rejection's body, so that its connection is free for the replay.
        Drain { #[pin] limit: Sleep },
        /// Once, for the connection's task to hand the connection back to its pool.
        Yield { done: bool },
        Ready { service: S },
        Send { #[pin] future: F },
    }
}

impl<S, B, R> Recovery<S, B, R>
where
    S: Service<Request<B>>,
    B: Replay,
    R: Body,
{
    /// For a request that can't be sent yet.
    pub(crate) fn first(
        cold: Arc<Cold<S>>,
        request: Request<B>,
        first: First,
        epoch: Generation,
        origin: usize,
        replay: bool,
    ) -> Self {
        let call = Call {
            cold,
            epoch,
            origin,
            first: Some((request, first)),
            replay,
            kept: None,
            response: None,
            claims: None,
            sent: Generation::NONE,
            replays: 0,
            free_replay: true,
            parked: None,
        };
        Self { call, step: Step::Ask }
    }

    /// For a response that does not simply pass.
    pub(crate) fn answered(sent: Sent<S, B>, response: Response<ResponseBody<R>>, verdict: Verdict) -> Self {
        let Sent { cold, kept, generation, epoch, origin } = sent;
        let call = Call {
            cold,
            epoch,
            origin,
            first: None,
            replay: kept.is_some(),
            kept,
            response: Some(response),
            claims: None,
            sent: generation,
            replays: 0,
            free_replay: true,
            parked: None,
        };
        Self { call, step: Step::Judge { verdict: Some(verdict) } }
    }
}

/// How a call ends.
type End<R> = Result<Response<ResponseBody<R>>, Error>;
/// `Ok` goes on with a step, `Err` ends the call.
type Next<S, F, R> = Result<Step<S, F>, End<R>>;

impl<S, B, R> Future for Recovery<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    type Output = End<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let call = this.call;
        loop {
            let next: Next<S, S::Future, R> = match this.step.as_mut().project() {
                StepProjection::Judge { verdict } => call.judge(verdict.take().unwrap_or(Verdict::Pass)),
                StepProjection::Ask => call.ask(),
                StepProjection::Wait { waiting, again } => {
                    let landing = ready!(waiting.poll(cx));
                    if *again { Ok(Step::Ask) } else { call.landed(landing) }
                }
                StepProjection::Turn { at } => {
                    ready!(at.poll(cx));
                    Ok(Step::Ask)
                }
                StepProjection::Look { limit, at_most } => {
                    let verdict = ready!(call.poll_look(limit, *at_most, cx));
                    call.judge(verdict)
                }
                StepProjection::Drain { limit } => {
                    ready!(call.poll_drain(limit, cx));
                    Ok(Step::Yield { done: false })
                }
                StepProjection::Yield { done } => {
                    if !*done {
                        *done = true;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Ok(Step::Ready { service: call.cold.service() })
                }
                StepProjection::Ready { service } => {
                    ready!(service.poll_ready(cx)).map_err(Error::service)?;
                    call.request().map(|request| Step::Send { future: service.call(request) })
                }
                StepProjection::Send { future } => {
                    let response = ready!(future.poll(cx)).map_err(Error::service)?;
                    let response = response.map(ResponseBody::plain);
                    let verdict = call.cold.config.classify.head(&Head::of(&response));
                    call.response = Some(response);
                    call.judge(verdict)
                }
            };
            match next {
                Ok(step) => this.step.set(step),
                Err(end) => return Poll::Ready(end),
            }
        }
    }
}

impl<S, B: Replay, R: Body> Call<S, B, R>
where
    S: Service<Request<B>> + Clone,
{
    /// Before the first send, or after a rejection: how to come by a token.
    fn ask(&mut self) -> Next<S, S::Future, R> {
        let config = &self.cold.config;
        let need = match &self.first {
            Some((_, First::Token)) => Need::Token,
            Some((_, First::FreshToken)) => Need::FreshToken,
            Some((_, First::Renewal { since })) => Need::Renewal { since: *since },
            None => Need::Rejected {
                generation: self.sent,
                origin: config.origins.get(self.origin),
                claims: self.claims.as_deref(),
            },
        };
        match config.session.ask(need, Some(self.epoch)) {
            Answer::Ready => self.go_on(),
            Answer::Wait(waiting) => Ok(self.wait(waiting, false)),
            Answer::After(waiting) => Ok(self.wait(waiting, true)),
            Answer::At(turn) => Ok(Step::Turn { at: tokio::time::sleep_until(turn) }),
            Answer::Failed(error) => self.give_up(error),
        }
    }

    fn wait(&mut self, waiting: Waiting, again: bool) -> Step<S, S::Future> {
        if let (Some(kept), None) = (&mut self.kept, &self.parked) {
            kept.head.shrink();
            // Invariant 12: over the layer's budget the renewal goes on, but this request will not be replayed.
            match self.cold.config.park(kept.head.size() + B::size(&kept.body)) {
                Some(parked) => self.parked = Some(parked),
                None => self.kept = None,
            }
        }
        Step::Wait { waiting, again }
    }

    fn landed(&mut self, landing: Result<Generation, Error>) -> Next<S, S::Future, R> {
        match landing {
            Ok(generation) if self.first.is_none() && generation == self.sent => {
                self.unproductive();
                self.give_up(Error::new(ErrorKind::SameToken, "the renewal brought the same token again"))
            }
            Ok(_) => self.go_on(),
            Err(error) => self.give_up(error),
        }
    }

    /// There is a token to go on with.
    fn go_on(&mut self) -> Next<S, S::Future, R> {
        let limit = self.cold.config.drain_limit;
        let Some(response) = self.response.take() else { return Ok(Step::Ready { service: self.cold.service() }) };
        if self.kept.is_none() {
            self.response = Some(response);
            return self.give_up(Error::new(ErrorKind::NotReplayable, "the request could not be kept for a replay"));
        }
        let empty = response.body().is_end_stream();
        let too_long = response.body().size_hint().lower() > limit as u64;
        self.response = Some(response.map(ResponseBody::into_looked));
        Ok(if empty || too_long {
            Step::Yield { done: false }
        } else {
            Step::Drain { limit: tokio::time::sleep(DRAIN_TIME) }
        })
    }

    /// There will be no better answer than the one that is there, if there is one.
    fn give_up(&mut self, error: Error) -> Next<S, S::Future, R> {
        let session = &self.cold.config.session;
        match (self.response.take(), &self.first) {
            (Some(mut response), _) => {
                events::passed_on(session.id(), &error);
                response.extensions_mut().insert(RenewalFailed::new(error));
                Err(Ok(response))
            }
            // Invariant 4: a token that may still work is tried before the call fails.
            (None, Some((_, First::Token | First::FreshToken))) if session.last_resort(self.epoch).is_some() => {
                Ok(Step::Ready { service: self.cold.service() })
            }
            (None, _) => Err(Err(error)),
        }
    }

    fn judge(&mut self, verdict: Verdict) -> Next<S, S::Future, R> {
        let Some(mut response) = self.response.take() else {
            return Err(Err(Error::new(ErrorKind::Service, "the response is gone")));
        };
        response.body_mut().forget_seen();
        match verdict {
            Verdict::Pass => {
                let config = &self.cold.config;
                if let (1.., Some(origin)) = (self.replays, config.origins.get(self.origin)) {
                    config.session.productive(self.epoch, origin);
                }
                Err(Ok(response))
            }
            Verdict::Look { at_most } => {
                self.response = Some(response.map(ResponseBody::into_looked));
                Ok(Step::Look { limit: tokio::time::sleep(LOOK_TIME), at_most: at_most.min(LOOK_LIMIT) })
            }
            Verdict::Reject(challenge) => {
                self.response = Some(response);
                self.rejected(&challenge)
            }
        }
    }

    fn rejected(&mut self, challenge: &Challenge) -> Next<S, S::Future, R> {
        let config = &self.cold.config;
        self.claims = challenge.claims().map(Into::into);
        if let (Some(response), Some(origin)) = (&self.response, config.origins.get(self.origin)) {
            events::rejected(config.session.id(), self.sent, response.status(), origin);
        }
        let renewed_by_others = config.session.generation() != self.sent;
        if config.max_replays == 0 {
            self.kept = None;
        } else if self.replays >= config.max_replays && !(renewed_by_others && self.free_replay) {
            if !renewed_by_others {
                self.unproductive();
            }
            return self.give_up(Error::new(ErrorKind::RejectedAgain, "the new token was rejected as well"));
        }
        if renewed_by_others && self.free_replay {
            self.free_replay = false;
        } else {
            self.replays += 1;
        }
        Ok(Step::Ask)
    }

    fn unproductive(&self) {
        let config = &self.cold.config;
        if let Some(origin) = config.origins.get(self.origin) {
            config.session.unproductive(self.epoch, origin, self.sent);
        }
    }

    /// The request that goes out now, with the token of this very moment.
    fn request(&mut self) -> Result<Request<B>, End<R>> {
        let config = &self.cold.config;
        // Invariant 6: the last look at the session before anything is sent.
        let Authorization { header, generation, .. } = match config.session.authorization_of(self.epoch) {
            Ok(authorization) => authorization,
            Err(error) => return Err(self.end(error)),
        };
        let request = match self.first.take() {
            Some((request, _)) => {
                let (request, kept) = Kept::keep(request, self.replay, config.replay_limit);
                self.kept = kept;
                Some(request)
            }
            None => self.kept.as_mut().and_then(Kept::again),
        };
        let Some(mut request) = request else {
            return Err(self.end(Error::new(ErrorKind::NotReplayable, "the request's body can't be had again")));
        };
        if self.response.take().is_some() {
            events::replayed(config.session.id(), generation, self.replays);
        }
        self.parked = None;
        self.sent = generation;
        request.headers_mut().insert(&config.header, header);
        Ok(request)
    }

    fn end(&mut self, error: Error) -> End<R> {
        self.first = None;
        match self.give_up(error) {
            Err(end) => end,
            // Without a first request there is nothing to go on with.
            Ok(_) => Err(Error::new(ErrorKind::Service, "the call went on after its end")),
        }
    }

    fn poll_look(&mut self, limit: Pin<&mut Sleep>, at_most: usize, cx: &mut Context<'_>) -> Poll<Verdict> {
        let Some(response) = &mut self.response else { return Poll::Ready(Verdict::Pass) };
        let out_of_time = limit.poll(cx).is_ready();
        loop {
            let last = match response.body_mut().poll_look(cx, at_most) {
                Poll::Ready(Look::More) => response.body().is_full(at_most.max(1)),
                Poll::Ready(Look::End) => true,
                Poll::Pending if out_of_time => true,
                Poll::Pending => return Poll::Pending,
            };
            let (data, trailers) = response.body().seen();
            let verdict = self.cold.config.classify.body(&Head::of(response), &Seen::new(data, trailers, last));
            match verdict {
                Verdict::Look { .. } if !last => {}
                // The head alone decides, and it asked for a look.
                Verdict::Look { .. } => return Poll::Ready(Verdict::Pass),
                decided => return Poll::Ready(decided),
            }
        }
    }

    fn poll_drain(&mut self, limit: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(response) = &mut self.response else { return Poll::Ready(()) };
        let out_of_time = limit.poll(cx).is_ready();
        loop {
            match response.body_mut().poll_look(cx, 0) {
                Poll::Ready(Look::More) if !response.body().is_full(self.cold.config.drain_limit) => {}
                Poll::Pending if !out_of_time => return Poll::Pending,
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<B: Replay> Kept<B> {
    /// Keeps what a replay needs, and gives the request back.
    pub(crate) fn keep(request: Request<B>, replay: bool, limit: usize) -> (Request<B>, Option<Self>) {
        if !replay {
            return (request, None);
        }
        let head = KeptHead::keep(&request, BufferPool::take());
        let (parts, body) = request.into_parts();
        let (body, kept) = body.keep(limit);
        let request = Request::from_parts(parts, body);
        match kept {
            Some(body) => (request, Some(Self { head, body })),
            None => {
                BufferPool::give(head.into_buffer());
                (request, None)
            }
        }
    }

    /// The same request once more.
    fn again(&mut self) -> Option<Request<B>> {
        let head = self.head.restore()?;
        Some(Request::from_parts(head, B::again(&mut self.body)?))
    }
}
