//! The middleware itself: [`Reauth`].

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower::BoxError;
use tower_service::Service;

use super::{
    config::Config,
    future::ResponseFuture,
    kept::Kept,
    places,
    plan::{Plan, Wishes},
    proof,
    recovery::{First, Recovery},
    response_body::ResponseBody,
    sent::Sent,
    shared::Shared,
};
use crate::{
    error::Error,
    identity::Generation,
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
    // Boxed, since all that are cloned for one call have none: a task that holds two of them is smaller by as much.
    cached: Option<Box<Authorization>>,
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

/// What a request goes out with.
struct Pass {
    header: HeaderValue,
    generation: Generation,
    epoch: Generation,
}

impl From<&Authorization> for Pass {
    #[inline]
    fn from(authorization: &Authorization) -> Self {
        let Authorization { header, generation, epoch, .. } = authorization;
        Self { header: header.clone(), generation: *generation, epoch: *epoch }
    }
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
        self.use_of = Use::Private;
    }

    /// The token from a copy, if there is a good one: the session's lock is not taken.
    #[inline(always)]
    fn at_hand(&self) -> Option<Pass> {
        let config = &self.shared.config;
        let session = config.source.the_one()?;
        match self.use_of {
            Use::Private => self.cached.as_deref().filter(|cached| cached.is_good_for(session)).map(Pass::from),
            Use::Fresh | Use::Once => config.places.copy(session, |copy| copy.into()),
        }
    }

    /// The token from the session, and a copy for the calls to come.
    fn look_up(&mut self, chosen: Option<&Session>) -> Result<Option<Authorization>, Error> {
        let now = Instant::now();
        let config = &self.shared.config;
        let Some(session) = chosen.or_else(|| config.source.the_one()) else { return Ok(None) };
        // Invariant 9: whatever comes, the older copy is good for nothing.
        let mut before = self.cached.take();
        let Some(authorization) = session.authorization(now)? else { return Ok(None) };
        Ok(Some(match self.use_of {
            _ if chosen.is_some() => config.dress(authorization),
            Use::Private => {
                let authorization = places::private(&config.scheme, before.as_deref().cloned(), authorization, now);
                let kept = authorization.clone();
                match &mut before {
                    Some(place) => **place = kept,
                    None => before = Some(Box::new(kept)),
                }
                self.cached = before;
                authorization
            }
            Use::Fresh | Use::Once => config.places.keep(session, &config.scheme, authorization, now),
        }))
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
        // In parts: a request that is changed as a whole is moved once more.
        let (mut head, mut body) = request.into_parts();
        let (wishes, origin) = match self.shared.config.plan(&mut head) {
            Plan::Authorize { wishes, origin } => (wishes, origin),
            // The caller polled `inner` ready: that holds for the one call made here.
            Plan::Bare => return ResponseFuture::bare(self.inner.call(Request::from_parts(head, body))),
            Plan::Fail(error) => return self.fail(error),
        };
        if !matches!(self.use_of, Use::Private) {
            self.used_again();
        }
        let at_hand = if wishes.chosen.is_none() && !wishes.renewal { self.at_hand() } else { None };
        let Some(pass) = at_hand else {
            return self.call_asking(Request::from_parts(head, body), wishes, origin);
        };
        let config = &self.shared.config;
        let kept = if wishes.replay { Kept::keep(&head, &mut body, config.replay_limit) } else { None };
        let Pass { header, generation, epoch } = pass;
        if !config.put(&mut head.headers, header) {
            drop(kept);
            return self.unauthorized(Request::from_parts(head, body), config.plan_own());
        }
        let future = self.inner.call(Request::from_parts(head, body));
        let shared = self.shared.clone();
        ResponseFuture::sent(future, Sent { shared, chosen: None, kept, generation, epoch, origin })
    }
}

impl<S: Clone> Reauth<S> {
    fn session(&self, chosen: Option<Session>) -> Session {
        self.shared.config.source.session(chosen)
    }

    /// For a request that goes without a token, or not at all.
    #[cold]
    fn unauthorized<B, R>(&mut self, request: Request<B>, plan: Plan) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        B: Replay,
        R: Body,
    {
        match plan {
            Plan::Fail(error) => self.fail(error),
            // The caller polled `inner` ready: that holds for the one call made here.
            _ => ResponseFuture::bare(self.inner.call(request)),
        }
    }

    /// For a call of one session among many, and for all that is rare.
    #[cold]
    fn call_asking<B, R>(&mut self, request: Request<B>, wishes: Wishes, origin: usize) -> ResponseFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        B: Replay,
        R: Body,
    {
        let config = &self.shared.config;
        // First of all: the session is not asked for a request that goes as it is.
        if request.headers().contains_key(&config.header) {
            return self.unauthorized(request, config.plan_own());
        }
        let Wishes { chosen, renewal, replay } = wishes;
        if renewal {
            let session = self.session(chosen);
            let first = First::Renewal { since: session.generation() };
            return self.recover(session, request, first, origin, replay);
        }
        let current = match self.look_up(chosen.as_ref()) {
            Ok(Some(current)) => current,
            Ok(None) => return self.recover(self.session(chosen), request, First::Token, origin, replay),
            Err(error) => return self.fail(error),
        };
        let config = &self.shared.config;
        let (mut head, mut body) = request.into_parts();
        let kept = if replay { Kept::keep(&head, &mut body, config.replay_limit) } else { None };
        if current.care {
            return self.call_with_care(Request::from_parts(head, body), kept, current, chosen, origin, replay);
        }
        let Authorization { header, generation, epoch, .. } = current;
        head.headers.insert(&config.header, header);
        let future = self.inner.call(Request::from_parts(head, body));
        let shared = self.shared.clone();
        ResponseFuture::sent(future, Sent { shared, chosen, kept, generation, epoch, origin })
    }

    /// For a call whose token is due for a renewal, or whose answer is to be told to the session.
    #[cold]
    fn call_with_care<B, R>(
        &mut self,
        mut request: Request<B>,
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
        let config = &self.shared.config;
        let route = Route::of(&request);
        let sent = Sent { shared: self.shared.clone(), chosen, kept, generation, epoch, origin };
        // The one place where a first send gets its proof: of a token that is bound to a key, every call takes care.
        let proof = match proof::begin(config, &session, origin, &request, &header) {
            None => None,
            Some(Err(error)) => return self.fail(error),
            Some(Ok(mut signing)) => match proof::now(&session, &mut signing) {
                Poll::Ready(Ok(proof)) if session.generation() == generation => Some(proof),
                // Invariant 6: a signer may take its time without waiting. Who logged out meanwhile sends nothing.
                Poll::Ready(Ok(proof)) => {
                    self.inner = self.shared.service();
                    let signing = Box::pin(std::future::ready(Ok(proof)));
                    return ResponseFuture::recovering(Recovery::signing(sent, request, route, signing));
                }
                Poll::Ready(Err(error)) => return self.fail(error),
                Poll::Pending => {
                    // What `inner` reserved goes back: whoever signs may need that very place.
                    self.inner = self.shared.service();
                    return ResponseFuture::recovering(Recovery::signing(sent, request, route, signing));
                }
            },
        };
        if let Some(proof) = &proof
            && let Err(error) = proof::put(config, request.headers_mut(), proof)
        {
            return self.fail(error);
        }
        request.headers_mut().insert(&config.header, header);
        let future = self.inner.call(request);
        // What comes back says something of the proof, whatever became of the login meanwhile.
        if watched || proof.is_some() {
            ResponseFuture::recovering(Recovery::sent(sent, future, route, proof))
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
        Self { inner: self.inner.clone(), shared: self.shared.clone(), cached: None, use_of: Use::Fresh }
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
