//! The layer as a middleware of reqwest-middleware's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Extensions, StatusCode};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, Result};
use tower_reauth::{Error, ErrorKind, NoReplay, Origins, ReauthLayer, RenewalFailed, Session, TokenSet, grant_fn};

use super::{World, client};

/// Counts what passes, and writes the count into the extensions.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

#[derive(Clone, Debug, PartialEq)]
struct Passed(usize);

#[async_trait::async_trait]
impl Middleware for Count {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        extensions.insert(Passed(self.0.fetch_add(1, Ordering::Relaxed) + 1));
        next.run(request, extensions).await
    }
}

/// Tells the response what the rest of the chain wrote into the extensions.
struct Tell;

#[async_trait::async_trait]
impl Middleware for Tell {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let mut response = next.run(request, extensions).await?;
        response.extensions_mut().extend(extensions.clone());
        Ok(response)
    }
}

impl World {
    fn with_middleware(&self) -> ClientWithMiddleware {
        ClientBuilder::new(self.client.clone()).with(self.api.clone()).build()
    }
}

#[tokio::test]
async fn call_with_a_dead_token_is_replayed() {
    let world = World::with_a_dead_token().await;
    let response = world.with_middleware().post(world.orders()).body("2 pears").send().await.unwrap();
    assert_eq!((response.status(), response.url().as_str()), (StatusCode::CREATED, &*world.orders()));
    assert_eq!(response.text().await.unwrap(), "2 pears");
    assert_eq!(world.placed_and_rejected(), (1, 1));
}

#[tokio::test]
async fn form_in_memory_is_replayed() {
    let world = World::with_a_dead_token().await;
    let form = reqwest::multipart::Form::new().text("picture", "p".repeat(100 * 1024));
    let request = world.client.post(world.orders()).multipart(form).build().unwrap();
    let response = world.with_middleware().execute(request).await.unwrap();
    assert_eq!((response.status(), world.placed_and_rejected()), (StatusCode::CREATED, (1, 1)));
}

#[tokio::test]
async fn middleware_before_it_sees_one_request_and_one_after_it_each_attempt() {
    let world = World::with_a_dead_token().await;
    let (before, after) = (Count::default(), Count::default());
    let client = ClientBuilder::new(world.client.clone())
        .with(Tell)
        .with(before.clone())
        .with(world.api.clone())
        .with(after.clone())
        .build();
    let response = client.get(world.orders()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!((before.0.load(Ordering::Relaxed), after.0.load(Ordering::Relaxed)), (1, 2));
    // What a later middleware wrote is there for an earlier one.
    assert_eq!(response.extensions().get::<Passed>(), Some(&Passed(2)));
}

#[tokio::test]
async fn extensions_speak_to_the_layer() {
    let world = World::with_a_dead_token().await;
    let response = world.with_middleware().get(world.orders()).with_extension(NoReplay).send().await.unwrap();
    let cause = response.extensions().get::<RenewalFailed>().unwrap().error().kind();
    assert_eq!((response.status(), cause), (StatusCode::UNAUTHORIZED, ErrorKind::NotReplayable));
}

#[tokio::test]
async fn error_of_the_chain_comes_as_it_is() {
    let world = World::new().await;
    world.session.token().await.unwrap();
    let (client, url) = (world.with_middleware(), world.orders());
    world.gateway.stop().await.unwrap();
    let error = client.get(url).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}

#[tokio::test]
async fn error_of_this_crate_is_found_in_that_of_the_chain() {
    let session = Session::new(grant_fn(async |_| Err::<TokenSet, _>(Error::new(ErrorKind::Refused, "no such user"))));
    let layer = ReauthLayer::new(session, Origins::only("https://orders.example").unwrap());
    let client = ClientBuilder::new(client()).with(layer).build();
    let error = client.get("https://orders.example/").send().await.unwrap_err();
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Refused));
}

#[tokio::test(start_paused = true)]
async fn time_out_of_the_builder_ends_a_wait_for_a_token() {
    let session =
        Session::new(grant_fn(async |_| std::future::pending::<std::result::Result<TokenSet, Error>>().await));
    let layer = ReauthLayer::new(session, Origins::only("https://orders.example").unwrap());
    let client = ClientBuilder::new(client()).with(layer).build();
    let started = tokio::time::Instant::now();
    let request = client.get("https://orders.example/").timeout(Duration::from_secs(10));
    let error = request.send().await.unwrap_err();
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Service));
    assert_eq!(started.elapsed().as_secs(), 10);
}

/// Gives up after a second, and tries once more.
struct Impatient;

#[async_trait::async_trait]
impl Middleware for Impatient {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let again = request.try_clone().unwrap();
        match tokio::time::timeout(Duration::from_secs(1), next.clone().run(request, extensions)).await {
            Ok(result) => result,
            Err(_) => next.run(again, extensions).await,
        }
    }
}

/// Hangs once, then answers with the user whom the extensions name.
#[derive(Default)]
struct HangsOnce(AtomicUsize);

#[async_trait::async_trait]
impl Middleware for HangsOnce {
    async fn handle(&self, _: Request, extensions: &mut Extensions, _: Next<'_>) -> Result<Response> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            std::future::pending::<()>().await;
        }
        let user = extensions.get::<u64>().map_or("nobody".to_owned(), u64::to_string);
        Ok(http::Response::new(user).into())
    }
}

#[tokio::test(start_paused = true)]
async fn extensions_are_there_for_another_try_after_a_call_that_was_dropped() {
    let session = Session::new(grant_fn(async |_| TokenSet::new("token")));
    let layer = ReauthLayer::new(session, Origins::only("https://orders.example").unwrap());
    let client = ClientBuilder::new(client()).with(Impatient).with(layer).with(HangsOnce::default()).build();
    let response = client.get("https://orders.example/").with_extension(7_u64).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "7");
}
