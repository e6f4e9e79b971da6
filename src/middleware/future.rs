//! The future of a call: the good path inline, everything else in one box.

#[cfg(feature = "tonic")]
use std::any::TypeId;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::BoxError;
use tower_service::Service;

use super::{recovery::Recovery, response_body::ResponseBody, sent::Sent};
use crate::{
    challenge::classify::{Head, Verdict},
    error::Error,
    metrics,
    replay::Replay,
};

const ENDED: &str = "a future is not polled after it has ended";

pin_project! {
    /// The future of a call through [`Reauth`](crate::Reauth).
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<B>>,
        B: Replay,
        R: Body,
    {
        #[pin]
        state: State<S, B, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, R>
    where
        S: Service<Request<B>>,
        B: Replay,
        R: Body,
    {
        /// Sent with a token, and perhaps to be sent again.
        Sent { #[pin] future: S::Future, sent: Option<Sent<S, B>> },
        /// Sent as it came.
        Bare { #[pin] future: S::Future },
        /// Never locked: the mutex keeps this future `Sync` where what is inside is not.
        Recovering { recovery: Mutex<Pin<Box<Recovery<S, B, R>>>> },
        Failed { error: Option<Error> },
    }
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Replay,
    R: Body,
{
    #[inline(always)]
    pub(super) fn sent(future: S::Future, sent: Sent<S, B>) -> Self {
        Self { state: State::Sent { future, sent: Some(sent) } }
    }

    pub(super) fn bare(future: S::Future) -> Self {
        Self { state: State::Bare { future } }
    }

    pub(super) fn recovering(recovery: Recovery<S, B, R>) -> Self {
        Self { state: State::recovering(recovery) }
    }

    pub(super) fn failed(error: Error) -> Self {
        metrics::failed(&error);
        Self { state: State::Failed { error: Some(error) } }
    }
}

impl<S, B, R> State<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Replay,
    R: Body,
{
    fn recovering(recovery: Recovery<S, B, R>) -> Self {
        Self::Recovering { recovery: Mutex::new(Box::pin(recovery)) }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Sent { future, sent } => {
                    let response = ready!(future.poll(cx)).map_err(failed_inside)?;
                    let known = sent.as_ref().expect(ENDED);
                    let verdict = known.shared.config.classify.head(&Head::of(&response));
                    if matches!(verdict, Verdict::Pass) {
                        known.shared.config.passed.count();
                        *sent = None;
                        return Poll::Ready(Ok(response.map(ResponseBody::plain)));
                    }
                    let sent = sent.take().expect(ENDED);
                    State::recovering(Recovery::answered(sent, response.map(ResponseBody::plain), verdict))
                }
                StateProjection::Bare { future } => {
                    let response = ready!(future.poll(cx)).map_err(failed_inside)?;
                    metrics::bare();
                    return Poll::Ready(Ok(response.map(ResponseBody::plain)));
                }
                StateProjection::Recovering { recovery } => {
                    let recovery = recovery.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
                    return recovery.as_mut().poll(cx).map(|end| end.inspect_err(metrics::failed).map_err(told::<B>));
                }
                StateProjection::Failed { error } => {
                    return Poll::Ready(Err(told::<B>(error.take().expect(ENDED))));
                }
            };
            // The inner future goes here, and with it what it reserved: a replay may need that very place.
            state.set(next);
        }
    }
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<B>>,
    B: Replay,
    R: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Sent { .. } => "sent",
            State::Bare { .. } => "bare",
            State::Recovering { .. } => "recovering",
            State::Failed { .. } => "failed",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}

#[cold]
fn failed_inside(error: impl Into<BoxError>) -> Error {
    let error = Error::service(error);
    metrics::failed(&error);
    error
}

/// The error as the caller is told it. One who sends tonic's body is a gRPC client, and looks for a status in it.
#[cfg_attr(
    not(feature = "tonic"),
    expect(clippy::extra_unused_type_parameters, reason = "tonic's body is the one to know")
)]
fn told<B: Replay>(error: Error) -> Error {
    #[cfg(feature = "tonic")]
    if TypeId::of::<B::Kept>() == TypeId::of::<<tonic::body::Body as Replay>::Kept>() {
        return error.for_grpc();
    }
    error
}
