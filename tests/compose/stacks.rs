//! Other layers on either side of this one.

use std::fmt::Debug;

use http::{
    StatusCode,
    header::{AUTHORIZATION, LOCATION},
};
use http_body::Body;
use tower::{buffer::BufferLayer, limit::ConcurrencyLimitLayer, retry, timeout::TimeoutLayer, timeout::error::Elapsed};
use tower_http::{
    add_extension::AddExtensionLayer, follow_redirect::FollowRedirectLayer,
    sensitive_headers::SetSensitiveHeadersLayer, trace::TraceLayer,
};
use tower_reauth::Error;

use super::*;

/// Fetches, uses and renews a token through this stack, which is used as a clone for each call and as one service.
async fn heals<S, R>(world: &World, mut api: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Debug> + Clone,
    R: Body,
{
    for round in 1..=2 {
        for _ in 0..3 {
            assert_eq!(api.clone().oneshot(get("/orders")).await.expect("an answer").status(), 200);
            assert_eq!(call(&mut api, post("/orders", "two")).await.expect("an answer").status(), 200);
        }
        assert_eq!(world.issuer.token_requests(), round);
        world.issuer.revoke_all();
    }
    assert_eq!(world.resource.count_of(401), 1);
    assert!(world.resource.seen().iter().all(|seen| seen.headers[AUTHORIZATION].is_sensitive()));
}

#[tokio::test(start_paused = true)]
async fn concurrency_limit_on_either_side() {
    for_every_credential(async |world| {
        let stack = ServiceBuilder::new()
            .layer(ConcurrencyLimitLayer::new(1))
            .layer(world.layer())
            .layer(ConcurrencyLimitLayer::new(1));
        heals(&world, stack.service(world.resource.clone())).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn buffer_on_either_side() {
    for_every_credential(async |world| {
        let stack = ServiceBuilder::new()
            .layer(BufferLayer::<Request<Full<Bytes>>>::new(1))
            .layer(world.layer())
            .layer(BufferLayer::<Request<Full<Bytes>>>::new(1));
        heals(&world, stack.service(world.resource.clone())).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn timeout_on_either_side() {
    for_every_credential(async |world| {
        let stack = ServiceBuilder::new()
            .layer(TimeoutLayer::new(Duration::from_secs(60)))
            .layer(world.layer())
            .layer(TimeoutLayer::new(Duration::from_secs(10)));
        heals(&world, stack.service(world.resource.clone())).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn trace_and_sensitive_headers_and_extensions_on_either_side() {
    for_every_credential(async |world| {
        let stack = ServiceBuilder::new()
            .layer(SetSensitiveHeadersLayer::new([AUTHORIZATION]))
            .layer(TraceLayer::new_for_http())
            .layer(AddExtensionLayer::new("outside"))
            .layer(world.layer())
            .layer(AddExtensionLayer::new(7_u8))
            .layer(SetSensitiveHeadersLayer::new([AUTHORIZATION]))
            .layer(TraceLayer::new_for_http());
        heals(&world, stack.service(world.resource.clone())).await;
        // What was put into the extensions outside is there on the replay as well.
        assert!(world.resource.seen().iter().all(|seen| seen.extensions.get::<&str>() == Some(&"outside")));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn timeout_inside_is_an_error_of_the_inner_service_and_costs_no_renewal() {
    for_every_credential(async |world| {
        world.resource.hold("/slow", &Gate::closed());
        let stack = ServiceBuilder::new().layer(world.layer()).layer(TimeoutLayer::new(Duration::from_secs(10)));
        let error = stack.service(world.resource.clone()).oneshot(get("/slow")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service);
        assert!(std::error::Error::source(&error).unwrap().is::<Elapsed>());
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (1, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn timeout_outside_drops_the_call_and_the_token_is_kept() {
    for_every_credential(async |world| {
        world.issuer.next(Answer::tokens().after(Duration::from_secs(20)));
        let stack = ServiceBuilder::new().layer(TimeoutLayer::new(Duration::from_secs(5))).layer(world.layer());
        let api = stack.service(world.resource.clone());
        assert!(api.clone().oneshot(get("/orders")).await.unwrap_err().is::<Elapsed>());
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(api.oneshot(get("/orders")).await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (1, 1));
    })
    .await;
}

/// Tries once more after an error, and mends the connection first.
#[derive(Clone)]
struct Once {
    resource: Resource,
    left: usize,
}

impl<T, E> retry::Policy<Request<Full<Bytes>>, T, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Full<Bytes>>, result: &mut Result<T, E>) -> Option<Ready<()>> {
        result.as_ref().err()?;
        self.left = self.left.checked_sub(1)?;
        self.resource.judge_at("/");
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn retry_on_either_side() {
    for_every_credential(async |world| {
        let once = || retry::RetryLayer::new(Once { resource: world.resource.clone(), left: 1 });
        let stack = ServiceBuilder::new().layer(once()).layer(world.layer()).layer(once());
        heals(&world, stack.service(world.resource.clone())).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn retry_of_a_broken_connection_uses_the_same_token_on_either_side() {
    for_every_credential(async |world| {
        let once = || retry::RetryLayer::new(Once { resource: world.resource.clone(), left: 1 });
        let outside = ServiceBuilder::new().layer(once()).layer(world.layer()).service(world.resource.clone());
        let inside = ServiceBuilder::new().layer(world.layer()).layer(once()).service(world.resource.clone());
        world.resource.break_at("/");
        assert_eq!(outside.oneshot(get("/orders")).await.unwrap().status(), 200);
        world.resource.break_at("/");
        assert_eq!(inside.oneshot(get("/orders")).await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 1);
        assert_eq!(world.resource.tokens(), vec![Some(world.issuer.last_access_token()); 4]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_an_error_and_costs_no_renewal() {
    for_every_credential(async |world| {
        world.resource.break_at("/");
        let error = world.get("/orders").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service);
        assert!(std::error::Error::source(&error).unwrap().is::<std::io::Error>());
        world.resource.judge_at("/");
        world.get("/orders").await.unwrap();
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

fn redirect(to: &'static str) -> impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static {
    move || {
        let response = Response::builder().status(StatusCode::FOUND).header(LOCATION, to);
        response.body(Full::default()).expect("valid headers")
    }
}

#[tokio::test(start_paused = true)]
async fn redirect_within_the_origin_carries_the_token_and_is_healed() {
    for_every_credential(async |world| {
        world.resource.answer_with("/moved", redirect("/orders"));
        let stack = ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(world.layer());
        let api = stack.service(world.resource.clone());
        assert_eq!(api.clone().oneshot(get("/moved")).await.unwrap().status(), 200);
        world.issuer.revoke_all();
        assert_eq!(api.oneshot(get("/moved")).await.unwrap().status(), 200);
        assert_eq!((world.issuer.token_requests(), world.resource.count()), (2, 5));
        assert!(world.resource.tokens().iter().all(Option::is_some));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn redirect_to_another_origin_goes_without_the_token() {
    let elsewhere = ["https://other.example/orders", "https://api.example:8443/orders", "http://api.example/orders"];
    for place in elsewhere {
        for_every_credential(async |world| {
            world.resource.answer_with("/moved", redirect(place));
            world.resource.answer(place, 200);
            let stack = ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(world.layer());
            let api = stack.service(world.resource.clone());
            assert_eq!(api.oneshot(get("/moved")).await.unwrap().status(), 200);
            assert_eq!((world.resource.count(), world.resource.count_at(place)), (2, 1));
            assert!(!world.resource.last().headers.contains_key(AUTHORIZATION));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_ours_keeps_its_kind_through_other_layers() {
    for_every_credential(async |world| {
        world.session.forget();
        let stack = ServiceBuilder::new()
            .layer(TimeoutLayer::new(Duration::from_secs(60)))
            .layer(BufferLayer::<Request<Full<Bytes>>>::new(8))
            .layer(world.layer());
        let error: BoxError = stack.service(world.resource.clone()).oneshot(get("/orders")).await.unwrap_err();
        assert_eq!(Error::find(&*error).unwrap().kind(), ErrorKind::LoggedOut);
    })
    .await;
}
