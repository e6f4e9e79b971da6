//! What is said to `tracing`, and how often. Every test begins with a [`Trace`]; the secrets are in `secrets.rs`.

use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use futures::future::join_all;
use http::header::HOST;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::advance;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    ClientCredentialsGrant, Error, ErrorKind, Grant, GrantContext, Origins, PasswordGrant, ReauthLayer,
    RefreshTokenGrant, Revoke, Session, Sessions, TokenEndpoint, TokenSet, grant_fn,
};
use tracing::Instrument;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn refused_credential_is_reported_once_however_often_calls_ask() {
    let trace = Trace::start();
    // Sent once, or once more to make sure.
    for (kind, sends, told) in [(Kind::Password, 1, 1), (Kind::RefreshToken, 2, 1), (Kind::Custom, 2, 2)] {
        let (started, failed, refused) = counts(&trace);
        let world = World::new(kind);
        world.issuer.always(Answer::error(400, "invalid_grant"));
        for _ in 0..100 {
            world.get("/orders").await.unwrap_err();
            advance(MINUTE).await;
        }
        assert_eq!(counts(&trace), (started + sends, failed + sends, refused + told), "{kind:?}: {:?}", trace.lines());
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_is_passed_over_or_forgotten_is_told_with_its_code() {
    let trace = Trace::start();
    let world = World::new(Kind::Password);
    for (code, message) in
        [("invalid_request", "refresh token passed over"), ("invalid_grant", "refresh token refused")]
    {
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        world.issuer.next(Answer::error(400, code));
        world.get("/orders").await.unwrap();
        let events = trace.events(message);
        assert!(events.len() == 1 && events[0].contains(code), "{events:?}");
    }
}

fn counts(trace: &Trace) -> (usize, usize, usize) {
    let count = |message| trace.events(message).len();
    (count("renewal started"), count("renewal failed"), count("credentials refused"))
}

#[tokio::test(start_paused = true)]
async fn damping_is_reported_with_its_remedy() {
    let trace = Trace::start();
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    for _ in 0..11 {
        assert!(trace.events("renewals damped").is_empty());
        world.issuer.revoke_all();
        world.get("/orders").await.unwrap();
    }
    let events = trace.events("renewals damped");
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].starts_with("WARN") && events[0].contains("`device_`"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn revocation_is_reported_whether_it_works_or_fails_even_when_nobody_waits_for_it() {
    let trace = Trace::start();
    for (answer, message) in [(Answer::status(200, ""), "tokens revoked"), (Answer::broken(), "revocation failed")] {
        let world = World::new(Kind::ClientCredentials);
        world.get("/orders").await.unwrap();
        world.issuer.next_revocation(answer);
        drop(world.session.logout());
        assert!(world.session.shutdown(MINUTE).await);
        assert_eq!(trace.events(message).len(), 1, "{message}");
    }
    assert_eq!(trace.events("logged out").len(), 2);
}

/// A grant whose logout works or fails.
struct Own(bool);

impl Grant for Own {
    async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
        TokenSet::new("token")
    }

    fn revoke(&self) -> Option<Revoke> {
        Some(Revoke::new(self.0, async |works, _| {
            works.then_some(()).ok_or_else(|| Error::new(ErrorKind::Transport, "the appliance is gone"))
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn logout_of_a_grants_own_is_reported_as_a_revocation_is() {
    let trace = Trace::start();
    for (works, message) in [(true, "tokens revoked"), (false, "revocation failed")] {
        let session = Session::new(Own(works));
        session.token().await.unwrap();
        drop(session.logout());
        assert!(session.shutdown(MINUTE).await);
        assert_eq!(trace.events(message).len(), 1, "{message}");
    }
    assert!(trace.events("revocation failed")[0].contains("the appliance is gone"));
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key(&'static str);

const SECRET_KEY: &str = "alice-0815";

/// Whatever can be told of a session from INFO on: login, renewals that work and fail in all ways, damping, a cool-down, logout.
async fn story(world: &World, call: impl AsyncFn(), log_out: impl AsyncFn()) {
    let call = async || {
        call().await;
        advance(MINUTE).await;
    };
    call().await;
    for answer in [Answer::broken(), Answer::panic(), Answer::never(), Answer::status(503, "busy")] {
        world.issuer.revoke_all();
        world.issuer.next(answer);
        call().await;
        advance(5 * MINUTE).await;
    }
    world.issuer.revoke_all();
    world.issuer.revoke_refresh_tokens();
    call().await;
    world.resource.reject_at("/orders");
    call().await;
    world.resource.judge_at("/orders");
    advance(5 * MINUTE).await;
    world.issuer.revoke_all();
    world.issuer.next(Answer::error(400, "invalid_grant"));
    call().await;
    world.issuer.next_revocation(Answer::broken());
    log_out().await;
    world.session.login(world.grant());
    call().await;
    log_out().await;
}

#[tokio::test(start_paused = true)]
async fn every_event_from_info_on_names_its_session() {
    let trace = Trace::start();
    for_every_credential(async |world| {
        let call = async || drop(world.get("/orders").await);
        story(&world, call, async || drop(world.session.logout().await)).await;
    })
    .await;
    let told = trace.told();
    for message in ["token acquired", "renewal failed", "refresh token refused", "logged in", "logged out"] {
        assert!(told.iter().any(|line| line.contains(message)), "{message} in: {told:#?}");
    }
    for line in told {
        assert!(line.contains(" session=") && !line.contains(" key="), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_event_from_info_on_names_its_session_among_many_by_a_hash_of_its_key() {
    let trace = Trace::start();
    for_every_credential(async |world| {
        let sessions = Sessions::new();
        let layer = ReauthLayer::new(sessions.clone(), Origins::only(ORIGIN).unwrap());
        let api = layer.layer(world.resource.clone());
        let key = Key(SECRET_KEY);
        let put = || drop(sessions.insert(key.clone(), world.session.clone()));
        put();
        // What was told before names no key: there was none.
        let before = trace.told().len();
        let call = async || {
            let mut request = get("/orders");
            request.extensions_mut().insert(key.clone());
            drop(api.clone().oneshot(request).await);
        };
        let log_out = async || {
            drop(sessions.logout(&key).await);
            put();
        };
        story(&world, call, log_out).await;
        let told = trace.told().split_off(before);
        assert!(told.len() > 10, "{told:#?}");
        for line in told {
            assert!(line.contains(" session="), "{line}");
            let (_, key) = line.split_once(" key=").unwrap_or_else(|| panic!("no key in: {line}"));
            assert!(key.find(|letter: char| !letter.is_ascii_hexdigit()) == Some(16), "{line}");
        }
    })
    .await;
    assert!(trace.lines().iter().all(|line| !line.contains(SECRET_KEY)));
}

#[tokio::test(start_paused = true)]
async fn keys_are_told_apart_and_the_same_key_is_told_alike() {
    let trace = Trace::start();
    let world = World::new(Kind::Password);
    let sessions = Sessions::new();
    for name in ["alice", "bob", "alice"] {
        sessions.insert(Key(name), Session::new(world.grant()));
        drop(sessions.logout(&Key(name)).await);
    }
    let key = |line: &String| line.split(' ').find(|field| field.starts_with("key=")).map(str::to_owned);
    let keys: Vec<_> = trace.events("logged out").iter().map(key).collect();
    assert!(keys[0].is_some() && keys[0] == keys[2] && keys[0] != keys[1], "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn thousand_callers_who_fail_with_one_flight_are_one_line() {
    let trace = Trace::start();
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.issuer.revoke_all();
        for sent_before in [true, false] {
            if !sent_before {
                world.session.login(world.grant());
            }
            let before = trace.told().len();
            world.issuer.next(Answer::broken().after(MINUTE / 6));
            join_all((0..1000).map(|_| world.get("/orders"))).await;
            let told = trace.told().split_off(before);
            assert_eq!(told.len(), 1, "{told:#?}");
            assert!(told[0].starts_with("WARN") && told[0].contains("renewal failed"), "{told:?}");
            advance(MINUTE).await;
        }
    })
    .await;
    assert!(trace.events("rejection passed on").len() >= 1000);
}

#[tokio::test]
async fn refused_connection_is_told_in_one_line_by_the_error_and_by_the_event() {
    let trace = Trace::start();
    // Nobody listens at a port that was given back.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let endpoint = TokenEndpoint::new(client.clone(), &format!("http://{address}/token")).unwrap();
    let no_token = Session::new(ClientCredentialsGrant::new(endpoint));
    let no_api = Session::new(grant_fn(async |_| TokenSet::new("a-token")));
    for session in [no_token, no_api] {
        let layer = ReauthLayer::new(session, Origins::only(format!("http://{address}")).unwrap());
        let error = layer.layer(client.clone()).oneshot(get(&format!("http://{address}/orders"))).await.unwrap_err();
        let told = error.to_string();
        assert_eq!(told.matches("Connection refused").count(), 1, "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let failed = trace.events("renewal failed");
    assert!(failed.len() == 1 && failed[0].contains("Connection refused"), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn crowd_that_is_damped_is_one_line() {
    let trace = Trace::start();
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    for _ in 0..10 {
        world.issuer.revoke_all();
        world.get("/orders").await.unwrap();
    }
    world.issuer.revoke_all();
    let before = trace.told().len();
    join_all((0..100).map(|_| world.get("/orders"))).await;
    let told = trace.told().split_off(before);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(trace.events("renewals damped").len(), 100);
}

#[tokio::test(start_paused = true)]
async fn flight_that_dies_is_told() {
    let trace = Trace::start();
    let world = World::new(Kind::Password);
    world.issuer.next(Answer::panic());
    world.get("/orders").await.unwrap_err();
    let told = trace.events("renewal failed");
    assert!(told.len() == 1 && told[0].contains("kind=RenewalLost"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn logout_while_a_renewal_is_under_way_is_no_warning() {
    let trace = Trace::start();
    let world = World::new(Kind::Password);
    world.issuer.next(Answer::tokens().after(MINUTE / 6));
    let call = world.get("/orders");
    let (answer, ()) = tokio::join!(call, async {
        advance(MINUTE / 60).await;
        world.session.forget();
    });
    answer.unwrap_err();
    assert!(world.session.shutdown(MINUTE).await);
    assert_eq!(trace.events("renewal failed").len(), 1);
    assert!(trace.told().iter().all(|line| line.starts_with("INFO")), "{:#?}", trace.told());
}

#[tokio::test(start_paused = true)]
async fn renewal_is_a_root_that_follows_from_the_span_of_the_call() {
    let trace = Trace::start();
    let world = World::new(Kind::Password);
    let span = tracing::info_span!("checkout");
    world.get("/orders").instrument(span).await.unwrap();
    let spans: Vec<_> = trace.lines().into_iter().filter(|line| line.contains("span renewal")).collect();
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert!(!spans[0].contains("in checkout"), "{spans:?}");
    assert!(spans[1].contains("follows from checkout"), "{spans:?}");
}

/// The lines of WARN that tell of requests which went bare.
#[tokio::test(start_paused = true)]
async fn asking_another_process_is_told_by_both_and_asking_in_vain_is_one_warning() {
    let trace = Trace::start();
    let (issuer, store) = (Issuer::new(), MemoryStore::with_news());
    issuer.always(Answer::tokens().without_refresh_token().expires_in(3600));
    let holder = Session::builder(PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD));
    let holder = holder.store(store.clone(), "alice").build();
    let stored =
        || Session::builder(RefreshTokenGrant::stored(issuer.endpoint())).store(store.clone(), "alice").build();
    let (asker, another) = (stored(), stored());
    for session in [&holder, &asker, &another] {
        session.token().await.unwrap();
    }
    let renew = async || asker.renew(asker.token().await?.generation()).await;
    renew().await.unwrap();
    assert_eq!(trace.events("renewal wanted elsewhere").len(), 1, "{:?}", trace.lines());
    assert_eq!(trace.events("nobody renewed").len(), 0);
    drop(holder);
    for _ in 0..60 {
        assert!(renew().await.is_err());
        advance(Duration::from_secs(1)).await;
    }
    let events = trace.events("nobody renewed");
    let warnings = events.iter().filter(|event| event.starts_with("WARN")).count();
    assert!(warnings == 1 && events.len() > 2, "{events:?}");
    assert_eq!(trace.events("renewal wanted elsewhere").len(), 1);
}

fn strayed(trace: &Trace) -> Vec<String> {
    trace.events("request sent bare").into_iter().filter(|line| line.starts_with("WARN")).collect()
}

#[tokio::test(start_paused = true)]
async fn origin_that_is_not_listed_is_told_once_with_those_that_are() {
    let trace = Trace::start();
    let world = World::new(Kind::Password);
    let api = world.layer().layer(world.resource.clone());
    for _ in 0..3 {
        for uri in ["https://gw.exmple:8443/orders?token=hunter2", "https://bob:hunter2@other.example/"] {
            api.clone().oneshot(get(uri)).await.unwrap();
        }
        // Each call is made by a service of its own, of the same layer.
        let mut elsewhere = get("/orders");
        elsewhere.headers_mut().insert(HOST, "elsewhere.example".parse().unwrap());
        api.clone().oneshot(elsewhere).await.unwrap();
    }
    let told = strayed(&trace);
    assert_eq!(told.len(), 3, "{told:#?}");
    let listed = format!("listed={ORIGIN}");
    for (line, (origin, reason)) in told.iter().zip([
        ("origin=https://gw.exmple:8443 ", "not listed"),
        ("origin=https://other.example ", "a user name"),
        (&*format!("origin={ORIGIN} "), "`Host`"),
    ]) {
        assert!(line.contains(origin) && line.contains(reason) && line.contains(&listed), "{line}");
        assert!(line.contains(" session="), "{line}");
    }
    assert!(trace.lines().iter().all(|line| !line.contains("hunter2")));
}

#[tokio::test(start_paused = true)]
async fn number_of_origins_that_are_told_is_bounded() {
    let trace = Trace::start();
    let api = World::new(Kind::Password).api();
    for number in 0..100 {
        api.clone().oneshot(get(&format!("https://host-{number}.example/"))).await.unwrap();
    }
    assert_eq!(strayed(&trace).len(), 16);
    assert_eq!(trace.events("request sent bare").len(), 100);
}

#[tokio::test(start_paused = true)]
async fn request_that_does_not_say_where_it_goes_is_told_with_the_remedy() {
    let trace = Trace::start();
    let api = World::new(Kind::Password).api();
    let (mut head, body) = get("/orders").into_parts();
    head.uri = "/orders".parse().unwrap();
    api.oneshot(http::Request::from_parts(head, body)).await.unwrap();
    let told = strayed(&trace);
    assert!(told.len() == 1 && told[0].contains("Origins::bound_to"), "{told:?}");
}
