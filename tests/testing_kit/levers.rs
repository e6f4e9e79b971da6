//! What a test does to the servers.

use std::{io, time::Duration};

use tokio::time::{Instant, advance};

use super::*;

#[tokio::test(start_paused = true)]
async fn scripted_answer_comes_before_that_of_its_grant_type_and_that_before_the_one_for_all() {
    let issuer = Issuer::new();
    issuer.always(Answer::error(400, "for_all"));
    issuer.always_to("password", Answer::error(400, "for_passwords"));
    issuer.next(Answer::error(400, "first"));
    issuer.next(Answer::error(400, "second"));
    for (grant_type, code) in [
        ("password", "first"),
        ("client_credentials", "second"),
        ("client_credentials", "for_all"),
        ("password", "for_passwords"),
    ] {
        let refusal = ask(&issuer, &format!("grant_type={grant_type}")).await.unwrap_err();
        assert_eq!(refusal, format!(r#"{{"error":"{code}"}}"#));
    }
    assert_eq!((issuer.token_requests(), issuer.token_requests_of("password")), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn revoked_and_expired_access_tokens_are_dead_and_their_refresh_tokens_are_not() {
    for kill in [
        (|issuer, _| issuer.revoke_all()) as fn(&Issuer, &str),
        |issuer, _| issuer.expire_all(),
        |issuer, token| issuer.revoke(token),
    ] {
        let issuer = Issuer::new();
        let pair = log_in(&issuer, "alice").await;
        let resource = Resource::new(&issuer);
        assert_eq!(resource.clone().oneshot(with_token("/", &pair.access)).await.unwrap().status(), 200);
        kill(&issuer, &pair.access);
        assert_eq!(resource.clone().oneshot(with_token("/", &pair.access)).await.unwrap().status(), 401);
        assert!(refresh(&issuer, &pair).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_is_down_refuses_and_is_the_same_when_it_comes_up() {
    let issuer = Issuer::new();
    let resource = Resource::new(&issuer);
    let pair = log_in(&issuer, "alice").await;
    issuer.go_down();
    let error = issuer.clone().oneshot(form_to(TOKEN_URI, "grant_type=password")).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    // One server is down, and not the other.
    assert_eq!(resource.clone().oneshot(with_token("/", &pair.access)).await.unwrap().status(), 200);
    resource.go_down();
    let error = resource.clone().oneshot(with_token("/", &pair.access)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!((issuer.token_requests(), resource.count()), (1, 1));
    issuer.come_up();
    resource.come_up();
    assert!(refresh(&issuer, &pair).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn connection_on_which_a_request_waits_breaks_when_the_server_goes_down() {
    never_hangs(async {
        let issuer = Issuer::new();
        let resource = Resource::new(&issuer);
        let gate = Gate::closed();
        resource.hold("/", &gate);
        issuer.next(Answer::never());
        let asks = tokio::spawn(issuer.clone().oneshot(form_to(TOKEN_URI, "grant_type=password")));
        let calls = tokio::spawn(resource.clone().oneshot(get("/")));
        issuer.arrived(1).await;
        gate.arrived(1).await;
        issuer.go_down();
        resource.go_down();
        assert_eq!(asks.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(calls.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn resource_answers_next_and_at_its_places_as_it_was_told() {
    let issuer = Issuer::new();
    issuer.accept("good");
    let resource = Resource::new(&issuer);
    resource.answer("/down", 503);
    resource.delay("/slow", Duration::from_secs(3));
    resource.next(|| Response::builder().status(418).body(Full::default()).unwrap());
    let status = async |path: &str| resource.clone().oneshot(with_token(path, "good")).await.unwrap().status();
    assert_eq!(status("/orders").await, 418);
    assert_eq!(status("/orders").await, 200);
    assert_eq!(status("/down").await, 503);
    let start = Instant::now();
    assert_eq!(status("/slow").await, 200);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    resource.judge_at("/down");
    assert_eq!(status("/down").await, 200);
    assert_eq!((resource.count(), resource.count_at("/down"), resource.count_of(200)), (5, 2, 3));
}

#[tokio::test(start_paused = true)]
async fn resource_reads_the_token_where_and_how_it_was_told() {
    let issuer = Issuer::new();
    issuer.accept("good");
    let resource = Resource::new(&issuer);
    resource.header("x-auth-token".parse().unwrap());
    resource.scheme(tower_reauth::Scheme::bare());
    for (value, status) in [("good", 200), ("Bearer good", 401)] {
        let mut request = get("/");
        request.headers_mut().insert("x-auth-token", value.parse().unwrap());
        assert_eq!(resource.clone().oneshot(request).await.unwrap().status(), status, "{value}");
    }
    assert_eq!(resource.clone().oneshot(with_token("/", "good")).await.unwrap().status(), 401);
}

#[tokio::test(start_paused = true)]
async fn most_token_requests_at_one_time_are_counted() {
    let issuer = Issuer::new();
    let gate = Gate::closed();
    issuer.always(Answer::tokens().behind(&gate));
    let asks: Vec<_> = (0..3)
        .map(|number| {
            let issuer = issuer.clone();
            tokio::spawn(async move { log_in(&issuer, &format!("owner-{number}")).await })
        })
        .collect();
    gate.arrived(3).await;
    gate.open();
    for ask in asks {
        ask.await.unwrap();
    }
    advance(Duration::from_secs(1)).await;
    log_in(&issuer, "alice").await;
    assert_eq!((issuer.peak(), issuer.token_requests(), gate.arrivals()), (3, 4, 4));
}
