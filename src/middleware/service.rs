//! The middleware itself: [`Reauth`].

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower::BoxError;
use tower_service::Service;

use super::{
    config::Config,
    future::ResponseFuture,
    kept::Kept,
    plan::{Plan, Wishes},
    recovery::{First, Recovery},
    response_body::ResponseBody,
    sent::Sent,
    shared::Shared,
};
use crate::{
    clock,
    error::Error,
    replay::Replay,
    session::{Authorization, Route, Session},
};

/// The service that [`ReauthLayer`](crate::ReauthLayer) makes: the inner service, with tokens.
///
/// The request's body type does not change, so clients such as hyper-util's are wrapped as they are. Clones are cheap.
///
/// A call carries the token that the session holds at that moment. Once [`logout`](crate::Session::logout) or
/// [`login`](crate::Session::login) has returned, no call carries a token of the old login. No call carries an older token
/// than one that was already used for an answer, or returned by [`token`](crate::Session::token) or
/// [`renew`](crate::Session::renew).
///
/// # Responses and errors
/// - `Ok` is the server's last answer. If it is a rejection that could not be healed, it has
///   [`RenewalFailed`](crate::RenewalFailed) in its extensions.
/// - `Err` with [`ErrorKind::Service`](crate::ErrorKind::Service) is the inner service's error.
/// - `Err` with any other kind says that the request was not sent: there was no token to send it with.
///
/// # Cancel safety
/// Dropping a call's future cancels the call, but not a renewal that it started or waits for.
pub struct Reauth<S> {
    inner: S,
    shared: Arc<Shared<S>>,
    // A private copy of the token of a layer's one session, good while the generation is the session's (invariant 10).
    cached: Option<Authorization>,
    use_of: Use,
}

/// Calls on one service share reference counts with nobody from the second call on: a count that two threads touch for
/// every call costs more than everything else here. A service that is cloned for each call is spared the copies, of the
/// token too.
#[derive(Clone, Copy)]
enum Use {
    Fresh,
    Once,
    Private,
}

impl<S: Clone> Reauth<S> {
    pub(super) fn new(inner: S, config: Config) -> Self {
        let shared = Arc::new(Shared::new(inner.clone(), config));
        Self { inner, shared, cached: None, use_of: Use::Fresh }
    }

    /// For a service that was not private yet.
    #[cold]
    fn used_again(&mut self) {
        if let Use::Fresh = self.use_of {
            self.use_of = Use::Once;
            return;
        }
        self.shared = Arc::new(Shared::new(self.shared.service(), self.shared.config.clone()));
        self.cached = None;
        self.use_of = Use::Private;
    }

    /// Makes sure that `cached` is the token for a request that goes out now, or nothing where there is none; says whether
    /// the token is due for a renewal.
    fn update_cached(&mut self) -> Result<bool, Error> {
        if let (Some(cached), Some(session)) = (&self.cached, self.shared.config.source.the_one())
            && session.allows_copy_of(cached.generation)
            && cached.fresh_until.is_none_or(|until| Instant::now() < until)
        {
            return Ok(false);
        }
        self.look_up()
    }

    #[cold]
    fn look_up(&mut self) -> Result<bool, Error> {
        let config = &self.shared.config;
        if matches!(self.use_of, Use::Private) || config.scheme.is_own() {
            return self.look_up_own();
        }
        self.cached = None;
        let Some(session) = config.source.the_one() else { return Ok(false) };
        let now = Instant::now();
        self.cached = session.authorization(now)?;
        let Some(authorization) = &mut self.cached else { return Ok(false) };
        if let Some(until) = &mut authorization.fresh_until {
            *until = now;
        }
        Ok(authorization.care)
    }

    /// As `look_up`, and with a header value of this service's own.
    #[inline(never)]
    fn look_up_own(&mut self) -> Result<bool, Error> {
        let before = self.cached.take();
        let config = &self.shared.config;
        let Some(session) = config.source.the_one() else { return Ok(false) };
        let now = Instant::now();
        self.cached = session.authorization(now)?;
        let Some(authorization) = &mut self.cached else { return Ok(false) };
        // The same token has the same generation: what was made for it is as good as ever.
        authorization.header = match before.filter(|before| before.generation == authorization.generation) {
            Some(before) => before.header,
            None => config.scheme.copy(&authorization.header),
        };
        // No longer than a look at the clocks holds: the machine may sleep meanwhile.
        let holds = if matches!(self.use_of, Use::Private) { clock::LOOK } else { Duration::ZERO };
        authorization.fresh_until = authorization.fresh_until.map(|until| until.min(now + holds));
        Ok(authorization.care)
    }
}

impl<S, B, R> Service<Request<B>> for Reauth<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Error;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Error::service)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, mut body) = request.into_parts();
        let (Wishes { chosen, renewal, replay }, origin) = match self.shared.config.plan(&mut head) {
            Plan::Authorize { wishes, origin } => (wishes, origin),
            // The caller polled `inner` ready: that holds for the one call made here.
            Plan::Bare => return ResponseFuture::bare(self.inner.call(Request::from_parts(head, body))),
            Plan::Fail(error) => return self.fail(error),
        };
        if !matches!(self.use_of, Use::Private) {
            self.used_again();
        }
        if renewal {
            let session = self.session(chosen);
            let first = First::Renewal { since: session.generation() };
            return self.recover(session, Request::from_parts(head, body), first, origin, replay);
        }
        let among_many;
        let (current, due) = match &chosen {
            None => match self.update_cached() {
                Ok(due) => (self.cached.as_ref(), due),
                Err(error) => return self.fail(error),
            },
            Some(session) => {
                let now = Instant::now();
                among_many = match session.authorization(now) {
                    Ok(authorization) => authorization.map(|authorization| self.shared.config.dress(authorization)),
                    Err(error) => return self.fail(error),
                };
                (among_many.as_ref(), among_many.as_ref().is_some_and(|current| current.care))
            }
        };
        let Some(current) = current else {
            return self.recover(self.session(chosen), Request::from_parts(head, body), First::Token, origin, replay);
        };
        let config = &self.shared.config;
        let kept = if replay { Kept::keep(&head, &mut body, config.replay_limit) } else { None };
        if due {
            let current = current.clone();
            return self.call_with_care(Request::from_parts(head, body), kept, current, chosen, origin, replay);
        }
        head.headers.insert(&config.header, current.header.clone());
        let (generation, epoch) = (current.generation, current.epoch);
        let future = self.inner.call(Request::from_parts(head, body));
        ResponseFuture::sent(future, Sent { shared: self.shared.clone(), chosen, kept, generation, epoch, origin })
    }
}

impl<S: Clone> Reauth<S> {
    fn session(&self, chosen: Option<Session>) -> Session {
        self.shared.config.source.session(chosen)
    }

    /// For a call whose token is due for a renewal, or whose answer is to be told to the session.
    #[cold]
    fn call_with_care<B, R>(
        &mut self,
        request: Request<B>,
        kept: Option<Kept<B>>,
        current: Authorization,
        chosen: Option<Session>,
        origin: usize,
        replay: bool,
    ) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        B: Replay,
        R: Body,
    {
        let session = self.session(chosen.clone());
        let Authorization { header, generation, epoch, .. } = current;
        let (watched, due) = session.is_watched_or_due(epoch, Instant::now());
        if due && kept.is_none() {
            return self.recover(session, request, First::FreshToken, origin, replay);
        }
        let (mut head, body) = request.into_parts();
        head.headers.insert(&self.shared.config.header, header);
        let route = Route::of(&head);
        let future = self.inner.call(Request::from_parts(head, body));
        let sent = Sent { shared: self.shared.clone(), chosen, kept, generation, epoch, origin };
        if watched {
            ResponseFuture::recovering(Recovery::sent(sent, future, route))
        } else {
            ResponseFuture::sent(future, sent)
        }
    }

    /// For a call that waits before its first send. What `inner` reserved when it was polled ready, a place under a
    /// concurrency limit perhaps, is given back first: the renewal may need that very place.
    #[cold]
    fn recover<B, R>(
        &mut self,
        session: Session,
        request: Request<B>,
        first: First,
        origin: usize,
        replay: bool,
    ) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        B: Replay,
        R: Body,
    {
        match session.epoch() {
            Ok(epoch) => {
                self.inner = self.shared.service();
                let shared = self.shared.clone();
                ResponseFuture::recovering(Recovery::first(shared, session, request, first, epoch, origin, replay))
            }
            Err(error) => self.fail(error),
        }
    }

    /// For a call that ends unsent: the place goes back as well.
    fn fail<B, R>(&mut self, error: Error) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        B: Replay,
        R: Body,
    {
        self.inner = self.shared.service();
        ResponseFuture::failed(error)
    }
}

impl<S: Clone> Clone for Reauth<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone(), cached: self.cached.clone(), use_of: Use::Fresh }
    }
}

impl<S: fmt::Debug> fmt::Debug for Reauth<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reauth")
            .field("inner", &self.inner)
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}
