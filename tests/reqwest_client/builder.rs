//! `send_through` in the place of `send`.

use bytes::BytesMut;
use futures::{StreamExt, future::join_all};
use http::{Request, Response, StatusCode, Version};
use serde_json::{Value, json};
use tower::util::MapRequestLayer;
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_reauth::{
    Error, ErrorKind, NoReplay, Origins, ReauthLayer, RenewalFailed, SendThrough, Session, TokenSet, grant_fn,
};

use super::{Seen, World, api, client, server, status};

const ORDERS: &str = "https://orders.example/orders";

#[tokio::test]
async fn json_goes_out_and_comes_back_although_the_token_died() {
    let World { gateway, client, api, .. } = &World::with_a_dead_token().await;
    let order = json!({ "pears": 2 });
    let response = client.post(gateway.url("/orders")).json(&order).send_through(api).await.unwrap();
    assert_eq!((response.status(), response.url().as_str()), (StatusCode::CREATED, &*gateway.url("/orders")));
    assert_eq!(response.remote_addr(), Some(gateway.address()));
    assert_eq!(response.json::<Value>().await.unwrap(), order);
    assert_eq!((gateway.gateway().orders(), gateway.counters().rejected), (1, 1));
}

#[tokio::test]
async fn large_body_is_replayed_and_its_answer_streams() {
    let world = World::with_a_dead_token().await;
    let order = "pear ".repeat(200_000);
    let response = world.client.post(world.orders()).body(order.clone()).send_through(&world.api).await.unwrap();
    let mut stream = response.bytes_stream();
    let mut echo = BytesMut::new();
    while let Some(piece) = stream.next().await {
        echo.extend(piece.unwrap());
    }
    assert_eq!(echo, order);
    assert_eq!(world.placed_and_rejected(), (1, 1));
}

#[tokio::test]
async fn stream_is_recorded_and_replayed() {
    let world = World::with_a_dead_token().await;
    let order = reqwest::Body::wrap_stream(futures::stream::iter(["4 ", "pears"].map(Ok::<_, Error>)));
    let response = world.client.post(world.orders()).body(order).send_through(&world.api).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "4 pears");
    assert_eq!(world.placed_and_rejected(), (1, 1));
}

#[tokio::test]
async fn crowd_with_a_dead_token_makes_one_renewal() {
    let world = World::with_a_dead_token().await;
    let before = world.gateway.counters().token_requests("password");
    // Spawned: the future borrows neither the client nor the layer.
    let calls = (0..50).map(|_| tokio::spawn(world.client.get(world.orders()).send_through(&world.api)));
    for response in join_all(calls.collect::<Vec<_>>()).await {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(world.gateway.counters().token_requests("password"), before + 1);
}

#[tokio::test]
async fn replay_has_the_query_the_headers_and_the_version_of_the_builder() {
    let seen = Seen::default();
    let server =
        server(&seen, |head| status(if head.headers["authorization"] == "Bearer token-1" { 401 } else { 200 }));
    let request =
        client().get(ORDERS).query(&[("fruit", "pear & plum")]).header("x-trace", "7").version(Version::HTTP_2);
    request.send_through(&(api(), server)).await.unwrap().error_for_status().unwrap();
    assert_eq!(seen.tokens(), [Some("Bearer token-1".to_owned()), Some("Bearer token-2".to_owned())]);
    for (uri, trace, version) in seen.all(|head| (head.uri.to_string(), head.headers["x-trace"].clone(), head.version))
    {
        assert_eq!(uri, format!("{ORDERS}?fruit=pear+%26+plum"));
        assert_eq!((trace.to_str().unwrap(), version), ("7", Version::HTTP_2));
    }
}

#[tokio::test]
async fn settings_of_the_builders_client_hold() {
    let World { gateway, api, .. } = &World::with_a_dead_token().await;
    let headers = http::HeaderMap::from_iter([(http::header::CONTENT_TYPE, "text/fruit".parse().unwrap())]);
    let client = reqwest::Client::builder().default_headers(headers).build().unwrap();
    let response = client.post(gateway.url("/orders")).body("2 pears").send_through(api).await.unwrap();
    assert_eq!(
        (response.status(), response.headers()["content-type"].to_str().unwrap()),
        (StatusCode::CREATED, "text/fruit")
    );
}

#[tokio::test]
async fn answer_of_the_api_is_reqwests_error_with_the_url() {
    let world = World::new().await;
    let url = world.gateway.url("/nothing");
    let response = world.client.get(&url).send_through(&world.api).await.unwrap();
    assert!(response.extensions().get::<RenewalFailed>().is_none());
    let error = response.error_for_status().unwrap_err();
    assert_eq!((error.status(), error.url().unwrap().as_str()), (Some(StatusCode::NOT_FOUND), &*url));
}

#[tokio::test]
async fn rejection_that_is_not_healed_is_an_answer_with_its_cause() {
    let world = World::with_a_dead_token().await;
    world.gateway.gateway().set_outage(true);
    let response = world.client.get(world.orders()).send_through(&world.api).await.unwrap();
    let cause = response.extensions().get::<RenewalFailed>().unwrap().error().kind();
    assert_eq!((response.status(), cause), (StatusCode::UNAUTHORIZED, ErrorKind::Unavailable));
    assert!(response.text().await.unwrap().contains("ams:fault"));
}

#[tokio::test]
async fn request_that_was_not_sent_is_an_error_of_this_crate() {
    let session = Session::new(grant_fn(async |_| Err::<TokenSet, _>(Error::new(ErrorKind::Refused, "no such user"))));
    let api = ReauthLayer::new(session, Origins::only("https://orders.example").unwrap());
    let seen = Seen::default();
    let error = client().get(ORDERS).send_through(&(api, server(&seen, |_| status(200)))).await.unwrap_err();
    assert_eq!((error.kind(), seen.tokens().len()), (ErrorKind::Refused, 0));
}

#[tokio::test]
async fn request_that_cannot_be_built_is_reqwests_error_below_ours() {
    let error = client().get(ORDERS).header("x trace", "7").send_through(&api()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<reqwest::Error>());
    assert!(source.is_some_and(reqwest::Error::is_builder), "{error:?}");
}

#[tokio::test]
async fn request_to_another_origin_goes_bare() {
    let seen = Seen::default();
    let layers = (api(), server(&seen, |_| status(200)));
    for url in [ORDERS, "https://elsewhere.example/orders", "http://orders.example/orders"] {
        client().get(url).send_through(&layers).await.unwrap();
    }
    assert_eq!(seen.tokens(), [Some("Bearer token-1".to_owned()), None, None]);
}

#[tokio::test]
async fn request_with_an_authorization_of_its_own_goes_as_it_is() {
    let seen = Seen::default();
    let layers = (api(), server(&seen, |_| status(401)));
    client().get(ORDERS).bearer_auth("mine").send_through(&layers).await.unwrap();
    client().get("https://me:secret@orders.example/").send_through(&layers).await.unwrap();
    assert_eq!(seen.tokens(), [Some("Bearer mine".to_owned()), Some("Basic bWU6c2VjcmV0".to_owned())]);
}

#[tokio::test]
async fn redirect_that_a_layer_follows_takes_no_token_to_another_host() {
    let seen = Seen::default();
    let server = server(&seen, |head| match head.uri.host() {
        Some("orders.example") => Response::builder()
            .status(302)
            .header("location", "https://elsewhere.example/")
            .body(String::new())
            .unwrap(),
        _ => status(200),
    });
    let own_header = api().header("x-token").unwrap();
    let response =
        client().get(ORDERS).send_through(&(FollowRedirectLayer::new(), (own_header, server))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(seen.all(|head| head.headers.contains_key("x-token")), [true, false]);
}

#[tokio::test]
async fn layer_around_it_says_what_the_builder_cannot() {
    let seen = Seen::default();
    let no_replay = MapRequestLayer::new(|mut request: Request<reqwest::Body>| {
        request.extensions_mut().insert(NoReplay);
        request
    });
    let response =
        client().get(ORDERS).send_through(&(no_replay, (&api(), server(&seen, |_| status(401))))).await.unwrap();
    let cause = response.extensions().get::<RenewalFailed>().unwrap().error().kind();
    assert_eq!((response.status(), cause), (StatusCode::UNAUTHORIZED, ErrorKind::NotReplayable));
    assert_eq!(seen.tokens().len(), 1);
}
