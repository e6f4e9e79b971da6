//! Case 75: places in a pool, which the rejection of a call may hold, and which its replay may not find.

use std::{
    convert::Infallible,
    error::Error as StdError,
    future::{pending, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use futures::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt, buffer::Buffer, limit::GlobalConcurrencyLimitLayer,
    load_shed::error::Overloaded, service_fn,
};
use tower_reauth::{ErrorKind, TokenEndpoint};

use super::*;

type Page = UnsyncBoxBody<Bytes, Infallible>;

/// Lives as long as the place in the pool is taken.
struct Held {
    page: Page,
    _place: OwnedSemaphorePermit,
}

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.page).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.page.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.page.size_hint()
    }
}

/// Where a pool lets its callers wait.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Queue {
    Ready,
    Call,
}

/// A pool whose places live as long as the bodies of its answers; the issuer and the resource are behind it.
struct Pool {
    issuer: Issuer,
    resource: Resource,
    page: fn() -> Page,
    queue: Queue,
    places: Arc<Semaphore>,
    asked: Option<BoxFuture<'static, OwnedSemaphorePermit>>,
    place: Option<OwnedSemaphorePermit>,
}

impl Pool {
    fn new(world: &World, queue: Queue, page: fn() -> Page) -> Self {
        let (issuer, resource) = (world.issuer.clone(), world.resource.clone());
        Self { issuer, resource, page, queue, places: Arc::new(Semaphore::new(1)), asked: None, place: None }
    }
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        let (issuer, resource, places) = (self.issuer.clone(), self.resource.clone(), self.places.clone());
        Self { issuer, resource, places, page: self.page, queue: self.queue, asked: None, place: None }
    }
}

async fn place(places: Arc<Semaphore>) -> OwnedSemaphorePermit {
    places.acquire_owned().await.expect("never closed")
}

impl Service<Request<Full<Bytes>>> for Pool {
    type Response = Response<Held>;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Response<Held>, Broken>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.queue == Queue::Ready && self.place.is_none() {
            let asked = self.asked.get_or_insert_with(|| Box::pin(place(self.places.clone())));
            self.place = Some(ready!(asked.as_mut().poll(cx)));
            self.asked = None;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let (mut issuer, mut resource) = (self.issuer.clone(), self.resource.clone());
        let (taken, places, page) = (self.place.take(), self.places.clone(), self.page);
        Box::pin(async move {
            let _place = match taken {
                Some(place) => place,
                None => place(places).await,
            };
            let response = match request.uri().host() {
                Some("issuer.example") => issuer.call(request).await?,
                _ => resource.call(request).await?,
            };
            let rejected = response.status() == 401;
            Ok(response.map(|body| Held { page: if rejected { page() } else { body.boxed_unsync() }, _place }))
        })
    }
}

fn short() -> Page {
    Full::from("rejected").boxed_unsync()
}

fn empty() -> Page {
    Full::default().boxed_unsync()
}

fn long() -> Page {
    Full::from(vec![b'x'; 500 * 1024]).boxed_unsync()
}

/// Comes over five seconds.
fn slow() -> Page {
    StreamBody::new(futures::stream::unfold(0, |piece| async move {
        sleep(SECOND).await;
        (piece < 5).then_some((Ok(Frame::data(Bytes::from_static(b"piece"))), piece + 1))
    }))
    .boxed_unsync()
}

fn endless() -> Page {
    let start = futures::stream::once(async { Ok(Frame::data(Bytes::from_static(b"start"))) });
    StreamBody::new(futures::StreamExt::chain(start, futures::stream::pending())).boxed_unsync()
}

#[tokio::test(start_paused = true)]
async fn replay_and_renewal_get_the_place_that_the_rejection_held() {
    for queue in [Queue::Ready, Queue::Call] {
        for page in [empty, short, long, slow] {
            let world = World::new(Kind::ClientCredentials);
            let pool = Pool::new(&world, queue, page);
            let endpoint = TokenEndpoint::new(pool.clone(), TOKEN_URI).unwrap();
            let endpoint = endpoint.client_auth(tower_reauth::ClientAuth::basic(CLIENT_ID, CLIENT_SECRET));
            let session = tower_reauth::Session::new(world.kind.grant_at(endpoint, &world.issuer, USERNAME));
            let world = world.with_session(session);
            let api = world.layer().layer(pool);
            with_dead_token(&world).await;
            let start = Instant::now();
            let answer = never_hangs(api.oneshot(get("/orders"))).await.unwrap();
            assert_eq!(answer.status(), 200, "{queue:?}");
            assert!(start.elapsed() < 10 * SECOND);
            assert_eq!(world.issuer.token_requests(), 2);
        }
    }
}

/// The token was renewed by others, so that there is no renewal to wait for.
#[tokio::test(start_paused = true)]
async fn replay_without_a_renewal_gets_the_place_that_its_rejection_held() {
    for page in [empty, short, long, slow] {
        let world = World::new(Kind::ClientCredentials);
        let api = world.layer().layer(Pool::new(&world, Queue::Ready, page));
        with_dead_token(&world).await;
        let gate = Gate::closed();
        world.resource.hold("/", &gate);
        let call = tokio::spawn(api.oneshot(get("/orders")));
        gate.arrived(1).await;
        let token = world.session.token().await.unwrap();
        world.session.renew(token.generation()).await.unwrap();
        gate.open();
        assert_eq!(never_hangs(call).await.unwrap().unwrap().status(), 200);
    }
}

/// A rejection that takes the only place for as long as it lives, and lives for ever.
#[tokio::test(start_paused = true)]
async fn rejection_that_never_ends_and_holds_the_place_of_its_replay_reaches_the_caller_in_time() {
    let world = World::new(Kind::ClientCredentials);
    let api = world.layer().layer(Pool::new(&world, Queue::Ready, endless));
    with_dead_token(&world).await;
    let start = Instant::now();
    let response = never_hangs(api.oneshot(get("/orders"))).await.unwrap();
    assert_eq!(failure(&response).kind(), ErrorKind::WaitedTooLong);
    assert_eq!(start.elapsed().as_secs(), 30);
    let frame = response.into_body().frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "start");
}

/// A resource behind a limit whose only place is taken by somebody else while a rejected call waits for its renewal.
struct Taken {
    world: World,
    places: Arc<Semaphore>,
}

impl Taken {
    async fn new() -> Self {
        let world = World::new(Kind::ClientCredentials);
        with_dead_token(&world).await;
        world.resource.reject_with(|| Response::builder().status(401).body(Full::from("the page")).unwrap());
        Self { world, places: Arc::new(Semaphore::new(1)) }
    }

    fn limit(&self) -> GlobalConcurrencyLimitLayer {
        GlobalConcurrencyLimitLayer::with_semaphore(self.places.clone())
    }

    /// One call, while whose renewal the place goes.
    async fn call<S, R, T>(&self, service: S, then: impl AsyncFnOnce(Pin<&mut S::Future>) -> T) -> T
    where
        S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = tower_reauth::Error>,
    {
        let gate = Gate::closed();
        self.world.issuer.next(Answer::tokens().behind(&gate));
        let mut service = service;
        let mut call = pin!(poll_fn(|cx| service.poll_ready(cx)).await.map(|()| service.call(get("/orders"))).unwrap());
        tokio::select! {
            _ = &mut call => panic!("it waits for its renewal"),
            () = gate.arrived(1) => {}
        }
        let place = self.places.clone().acquire_owned().await.unwrap();
        gate.open();
        let answer = then(call).await;
        drop(place);
        answer
    }
}

async fn is_rejection<R>(response: Response<R>, kind: ErrorKind)
where
    R: Body<Error: std::fmt::Debug>,
{
    assert_eq!(failure(&response).kind(), kind);
    assert_eq!(text(response).await, "the page");
}

fn is_overloaded(error: &Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        if error.is::<Overloaded>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[tokio::test(start_paused = true)]
async fn replay_that_is_shed_gives_the_original_rejection() {
    let taken = Taken::new().await;
    let shed = ServiceBuilder::new().load_shed().layer(taken.limit()).service(taken.world.resource.clone());
    let api = taken.world.layer().layer(shed.clone());
    let buffered = taken.world.layer().layer(Buffer::new(shed, 8));
    let start = Instant::now();
    let response = taken.call(api, async |call| call.await.unwrap()).await;
    assert!(is_overloaded(failure(&response)));
    is_rejection(response, ErrorKind::Service).await;
    // The same from behind a channel, where it comes later.
    taken.world.issuer.revoke_all();
    let response = taken.call(buffered, async |call| call.await.unwrap()).await;
    assert!(is_overloaded(failure(&response)));
    is_rejection(response, ErrorKind::Service).await;
    assert_eq!((start.elapsed(), taken.world.resource.count()), (Duration::ZERO, 2));
}

/// A service of a user's own that has no room says so with our error.
#[tokio::test(start_paused = true)]
async fn replay_that_was_not_sent_gives_the_original_rejection() {
    let taken = Taken::new().await;
    let (resource, sent) = (taken.world.resource.clone(), Arc::new(Mutex::new(0)));
    let service = service_fn(move |request: Request<Full<Bytes>>| {
        let (call, is_first) = (resource.clone().oneshot(request), {
            let mut sent = sent.lock().unwrap();
            *sent += 1;
            *sent == 1
        });
        async move {
            if is_first {
                Ok(call.await?)
            } else {
                Err(BoxError::from(Error::new(ErrorKind::Unavailable, "full").not_sent()))
            }
        }
    });
    let response = taken.call(taken.world.layer().layer(service), async |call| call.await.unwrap()).await;
    is_rejection(response, ErrorKind::Unavailable).await;
}

#[tokio::test(start_paused = true)]
async fn replay_over_a_pool_that_stays_full_gives_the_original_rejection_within_the_waiting_time() {
    let taken = Taken::new().await;
    let api = taken.world.layer().layer(taken.limit().layer(taken.world.resource.clone()));
    let start = Instant::now();
    let places = taken.places.clone();
    taken
        .call(api, async |mut call| {
            let response = never_hangs(call.as_mut()).await.unwrap();
            assert_eq!(start.elapsed().as_secs(), 30);
            is_rejection(response, ErrorKind::WaitedTooLong).await;
            // The call that has ended is still there, and waits in no queue.
            places.add_permits(1);
            tokio::time::timeout(SECOND, places.acquire()).await.expect("the place is free").unwrap().forget();
        })
        .await;
    assert_eq!(taken.world.resource.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn place_that_comes_in_time_is_taken_for_the_replay() {
    let taken = Taken::new().await;
    let api = taken.world.layer().layer(taken.limit().layer(taken.world.resource.clone()));
    let places = taken.places.clone();
    let start = Instant::now();
    let response = taken
        .call(api, async |call| {
            let free = async {
                sleep(25 * SECOND).await;
                places.add_permits(1);
            };
            tokio::join!(call, free).0.unwrap()
        })
        .await;
    assert_eq!((response.status().as_u16(), start.elapsed().as_secs()), (200, 25));
}

#[tokio::test(start_paused = true)]
async fn first_send_without_a_place_is_an_error_within_the_waiting_time() {
    let taken = Taken::new().await;
    taken.world.session.login(taken.world.grant());
    let api = taken.world.layer().layer(taken.limit().layer(taken.world.resource.clone()));
    let start = Instant::now();
    let error = taken.call(api, async |call| never_hangs(call).await.map(|_| ()).unwrap_err()).await;
    assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::WaitedTooLong, 30));
    assert_eq!(taken.world.resource.count(), 0);
}

/// Ready as long as it is not closed.
#[derive(Clone)]
struct Closable {
    resource: Resource,
    closed: Arc<Mutex<bool>>,
}

impl Service<Request<Full<Bytes>>> for Closable {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Full<Bytes>>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(if *self.closed.lock().unwrap() { Err(io::Error::other("closed").into()) } else { Ok(()) })
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let call = self.resource.clone().oneshot(request);
        Box::pin(async { Ok(call.await?) })
    }
}

#[tokio::test(start_paused = true)]
async fn service_that_is_closed_before_the_replay_gives_the_original_rejection() {
    let taken = Taken::new().await;
    let closed = Arc::new(Mutex::new(false));
    let service = Closable { resource: taken.world.resource.clone(), closed: closed.clone() };
    let api = taken.world.layer().layer(service);
    let closes = async |call: Pin<&mut _>| {
        *closed.lock().unwrap() = true;
        call.await
    };
    is_rejection(taken.call(api.clone(), closes).await.unwrap(), ErrorKind::Service).await;
    // Before its first send there is no rejection; a token that may still work changes nothing about that.
    *closed.lock().unwrap() = false;
    taken.world.issuer.revoke_all();
    let mut request = get("/orders");
    request.extensions_mut().insert(tower_reauth::ForceRenewal);
    taken.world.session.login(taken.world.grant());
    let error = taken.call(api, closes).await.unwrap_err();
    assert_eq!((error.kind(), taken.world.resource.count()), (ErrorKind::Service, 1));
}

#[tokio::test(start_paused = true)]
async fn replay_that_breaks_after_it_was_sent_is_an_error() {
    let taken = Taken::new().await;
    let resource = taken.world.resource.clone();
    let error = taken
        .call(taken.world.layer().layer(taken.world.resource.clone()), async |call| {
            resource.break_at("/");
            call.await.map(|_| ()).unwrap_err()
        })
        .await;
    assert_eq!((error.kind(), resource.count()), (ErrorKind::Service, 2));
}

/// The layer's budget is free again once the call is answered, and what a replay under way keeps counts in it.
#[tokio::test(start_paused = true)]
async fn rejection_is_kept_within_the_budget_until_its_replay_is_answered() {
    let world = World::new(Kind::ClientCredentials);
    with_dead_token(&world).await;
    let page = || Response::builder().status(401).body(Full::from(vec![b'x'; 40 * 1024])).unwrap();
    world.resource.reject_with(page);
    let hang = Arc::new(Mutex::new(true));
    let (resource, hangs) = (world.resource.clone(), hang.clone());
    let inner = service_fn(move |request: Request<Full<Bytes>>| {
        let (call, hangs) = (resource.clone().oneshot(request), hangs.clone());
        async move {
            let response: Response<Full<Bytes>> = call.await?;
            if response.status() == 200 && *hangs.lock().unwrap() {
                pending::<()>().await;
            }
            Ok::<_, Broken>(response)
        }
    });
    let api = world.layer().parked_limit(200 * 1024).layer(inner);
    let replayed = tokio::spawn(api.clone().oneshot(get("/orders")));
    never_hangs(world.resource.arrived(2)).await;
    *hang.lock().unwrap() = false;
    // The new token is a good one.
    assert_eq!(api.clone().oneshot(get("/orders")).await.unwrap().status(), 200);
    world.issuer.revoke_all();
    // There is room for this one and its rejection, and not for that of the other one besides.
    let large = || post("/orders", vec![b'x'; 130 * 1024]);
    assert_eq!(failure(&api.clone().oneshot(large()).await.unwrap()).kind(), ErrorKind::NotReplayable);
    sleep(SECOND).await;
    replayed.abort();
    // Beyond any pause of the origin, whose last token nobody tried.
    sleep(61 * SECOND).await;
    world.issuer.revoke_all();
    assert_eq!(api.oneshot(large()).await.unwrap().status(), 200);
}
