//! What happens to a call that needs more than one good send: wait for a token, renew, drain, replay.
//!
//! A [`Recovery`] begins either before the first send, because there is no token, or after a response that may be a
//! rejection. It moves from step to step in one loop, and ends with the answer to the last attempt, with the original
//! rejection, or with an error where nothing was sent (invariant 8).
//!
//! 1. The call belongs to the login that it began with. Nothing is sent for it with a token of another one (invariant 6).
//! 2. A rejection is kept whole until its replay really goes, and where all of it was read, until that is answered: the
//!    inner service may find then that it has no room.
//! 3. While it waits for anything, it holds no readiness of the inner service.
//! 4. While it waits for a renewal, its turn or readiness, it reads the rejection to its end, and lets the body go. Nothing
//!    that the renewal or the replay may need waits with it: a worker of the server, a place in the pool, the window of an
//!    HTTP/2 connection. A rejection that is too long to be kept goes to the caller, who can read it.
//! 5. A call that can't be replayed waits for nothing after its rejection: the caller gets that at once.
//! 6. A call whose token is bound to a key has a proof for each attempt. What its answer says of the proof comes first: see `prove`.
//! 7. All its waits end within one waiting time (invariant 12), in which the inner service's answers do not count.

mod call;
mod hand_back;
mod look;
mod prove;
mod step;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::{runtime::Handle, time::Instant};
use tower::BoxError;
use tower_service::Service;

pub(super) use self::step::First;
use self::{
    call::{Call, End, Next},
    hand_back::HandBack,
    prove::Ticket,
    step::{Step, StepProjection},
};
use super::{
    extensions::RenewalFailed,
    kept::Kept,
    proof::{Proofs, Signing},
    response_body::ResponseBody,
    sent::Sent,
    shared::Shared,
};
use crate::{
    asked::Challenge,
    challenge::classify::Verdict,
    dpop::Proof,
    error::{Error, ErrorKind},
    identity::Generation,
    metrics,
    replay::Replay,
    session::{Route, Session},
};

pin_project! {
    pub(in crate::middleware) struct Recovery<S, B, R>
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

impl<S, B, R> Recovery<S, B, R>
where
    S: Service<Request<B>>,
    B: Replay,
    R: Body,
{
    /// For a request that can't be sent yet.
    pub(in crate::middleware) fn first(
        shared: Arc<Shared<S>>,
        session: Session,
        request: Request<B>,
        first: First,
        epoch: Generation,
        origin: usize,
        replay: bool,
    ) -> Self {
        let route = Route::of(&request);
        let call = Call {
            shared,
            session,
            epoch,
            since: Instant::now(),
            origin,
            route,
            first: Some(Box::new((request, first))),
            replay,
            kept: None,
            response: None,
            read: None,
            challenge: Challenge::new(),
            sent: Generation::NONE,
            replays: 0,
            asks_again: false,
            free_replay: true,
            parked: None,
            proofs: None,
        };
        Self { call, step: Step::Ask }
    }

    /// For a response that does not simply pass.
    pub(in crate::middleware) fn answered(
        sent: Sent<S, B>,
        response: Response<ResponseBody<R>>,
        verdict: Verdict,
    ) -> Self {
        let route = sent.kept.as_ref().map_or(Route::UNKNOWN, Kept::route);
        let call = Self::call(sent, route, Some(response));
        Self { call, step: Step::Judge { verdict: Some(verdict) } }
    }

    /// For a request that was just sent, with this proof, and whose response is to be told to the session whatever it says.
    pub(in crate::middleware) fn sent(sent: Sent<S, B>, future: S::Future, route: Route, proof: Option<Proof>) -> Self {
        let mut call = Self::call(sent, route, None);
        call.proofs = proof.map(Proofs::sent).map(Box::new);
        Self { call, step: Step::Send { future, at: Instant::now() } }
    }

    /// For a request, kept already, whose first proof is signed elsewhere.
    pub(in crate::middleware) fn signing(
        sent: Sent<S, B>,
        request: Request<B>,
        route: Route,
        signing: Signing,
    ) -> Self {
        let generation = sent.generation;
        let mut call = Self::call(sent, route, None);
        call.first = Some(Box::new((request, First::Token)));
        call.replay = false;
        Self { call, step: Step::Sign { signing, generation, limit: None } }
    }

    fn call(sent: Sent<S, B>, route: Route, response: Option<Response<ResponseBody<R>>>) -> Call<S, B, R> {
        let Sent { shared, chosen, kept, generation, epoch, origin } = sent;
        let session = shared.config.source.session(chosen);
        Call {
            shared,
            session,
            epoch,
            since: Instant::now(),
            origin,
            route,
            first: None,
            replay: kept.is_some(),
            kept,
            response,
            read: None,
            challenge: Challenge::new(),
            sent: generation,
            replays: 0,
            asks_again: false,
            free_replay: true,
            parked: None,
            proofs: None,
        }
    }
}

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
        let standby = call.session.standby();
        let _entered = standby.as_ref().map(Handle::enter);
        loop {
            let next: Next<S, S::Future, R> = match this.step.as_mut().project() {
                StepProjection::Judge { verdict } => call.judge(verdict.take().unwrap_or(Verdict::Pass)),
                StepProjection::Ask => call.ask(),
                StepProjection::Wait { waiting } => match waiting.poll(cx) {
                    Poll::Ready(landing) => call.landed(landing),
                    Poll::Pending => {
                        ready!(call.poll_read_ahead(cx));
                        call.pass_on()
                    }
                },
                StepProjection::Turn { at } => {
                    if at.poll(cx).is_ready() {
                        Ok(Step::Ask)
                    } else {
                        ready!(call.poll_read_ahead(cx));
                        call.pass_on()
                    }
                }
                StepProjection::Look { limit, at_most } => {
                    let verdict = ready!(call.poll_look(limit, *at_most, cx));
                    call.judge(verdict)
                }
                StepProjection::Drain { limit } => {
                    ready!(call.poll_drain(limit, cx));
                    Ok(call.release())
                }
                StepProjection::Release { limit } => {
                    if call.poll_released(limit, cx).is_ready() {
                        Ok(Step::HandBack { hand_back: HandBack::new(call.waited()) })
                    } else {
                        ready!(call.poll_read_ahead(cx));
                        call.pass_on()
                    }
                }
                StepProjection::HandBack { hand_back } => {
                    ready!(hand_back.poll(cx));
                    Ok(call.ready())
                }
                StepProjection::Line { look } => {
                    if call.poll_line(cx).is_ready() {
                        call.go_on()
                    } else if look.poll(cx).is_ready() {
                        call.look_at_line()
                    } else {
                        ready!(call.poll_read_ahead(cx));
                        call.pass_on()
                    }
                }
                StepProjection::Sign { signing, generation, limit } => match signing.as_mut().poll(cx) {
                    Poll::Ready(Ok(proof)) => {
                        call.signed(proof, *generation);
                        Ok(call.ready())
                    }
                    Poll::Ready(Err(error)) => Err(call.end(error)),
                    Poll::Pending if call.poll_read_ahead(cx).is_ready() => call.pass_on(),
                    Poll::Pending => {
                        ready!(call.poll_no_place(limit, cx));
                        let why = "the key did not sign a proof within the waiting time";
                        Err(call.end(Error::new(ErrorKind::WaitedTooLong, why)))
                    }
                },
                StepProjection::Ready { service, limit } => match service.poll_ready(cx) {
                    Poll::Ready(Ok(())) => match call.ticket(cx) {
                        Ok(Ticket::Send(authorization)) => call
                            .request(authorization)
                            .map(|request| Step::Send { future: service.call(request), at: Instant::now() }),
                        Ok(Ticket::Sign(signing, generation)) => Ok(Step::Sign { signing, generation, limit: None }),
                        Err(end) => Err(end),
                    },
                    // Nothing was sent.
                    Poll::Ready(Err(error)) => Err(call.end(Error::service(error))),
                    Poll::Pending if call.poll_read_ahead(cx).is_ready() => call.pass_on(),
                    Poll::Pending => {
                        ready!(call.poll_no_place(limit, cx));
                        let why = "the inner service did not accept the request within the waiting time";
                        Err(call.end(Error::new(ErrorKind::WaitedTooLong, why)))
                    }
                },
                StepProjection::Send { future, at } => match ready!(future.poll(cx)) {
                    Ok(response) => call.answered(response, at.elapsed()),
                    Err(error) => Err(call.failed(Error::service(error))),
                },
            };
            match next {
                Ok(step) => this.step.set(step),
                Err(end) => {
                    // What the step holds, a place in a queue perhaps, goes with it.
                    this.step.set(Step::Ask);
                    if let Ok(response) = &end {
                        let failed = response.extensions().get::<RenewalFailed>();
                        let healed = failed.is_none_or(|failed| failed.error().kind().is_insufficient());
                        metrics::recovered(call.was_rejected(), healed);
                    }
                    return Poll::Ready(end);
                }
            }
        }
    }
}
