//! One record, several access tokens: sessions on one store stand for as many processes.

use std::time::Duration;

use futures::future::join_all;
use http::Response;
use http_body_util::Full;
use secrecy::ExposeSecret;
use tokio::time::advance;
use tower_reauth::{ErrorKind, PasswordGrant, Record, RefreshTokenGrant, Session, Status};

use super::world::*;
use crate::support::*;

const KEY: &str = "alice's login";
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Home {
    issuer: Issuer,
    store: MemoryStore,
}

impl Home {
    fn new() -> Self {
        let issuer = Issuer::new();
        issuer.regime(Regime::Rotating);
        Self { issuer, store: MemoryStore::new() }
    }

    /// A process that has only what the store keeps.
    fn process(&self) -> House {
        let grant = RefreshTokenGrant::stored(self.issuer.endpoint());
        House::with(self.issuer.clone(), Session::builder(grant).store(self.store.clone(), KEY).build())
    }

    /// The one whose user has just logged in.
    fn first(&self) -> House {
        let process = self.process();
        process.session.login(RefreshTokenGrant::new(self.issuer.endpoint(), self.issuer.mint_refresh_token(USERNAME)));
        process
    }

    fn record(&self) -> serde_json::Value {
        serde_json::from_str(self.store.record(KEY).unwrap().to_json().expose_secret()).unwrap()
    }

    /// For which resources the record holds a token.
    fn resources(&self) -> Vec<Option<String>> {
        let record = self.record();
        let list = record["access_tokens"].as_array().unwrap();
        list.iter().map(|access| access["resource"].as_str().map(str::to_owned)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn next_process_finds_the_token_of_each_api_and_asks_for_nothing() {
    let home = Home::new();
    let house = home.first();
    let scoped = house.session.for_resource(ORDERS).for_scope("read");
    let tokens = [token(&house.session.for_resource(ORDERS)).await, token(&scoped).await, token(&house.session).await];
    let next = home.process();
    let scoped = next.session.for_scope("read").for_resource(ORDERS);
    let found = [token(&scoped).await, token(&next.session.for_resource(ORDERS)).await, token(&next.session).await];
    assert_eq!([&found[1], &found[0], &found[2]], [&tokens[0], &tokens[1], &tokens[2]]);
    assert_eq!(home.issuer.token_requests(), 3);
    assert_eq!(home.record()["format"], 1);
}

#[tokio::test(start_paused = true)]
async fn record_that_an_application_keeps_has_the_tokens_of_derived_sessions_as_well() {
    let house = House::new();
    let orders = house.session.for_resource(ORDERS);
    let first = token(&orders).await;
    let text = orders.record().unwrap().to_json();
    let grant = RefreshTokenGrant::stored(house.issuer.endpoint());
    let record = Record::from_json(text.expose_secret()).unwrap();
    let next = Session::builder(grant).record(record).unwrap().build();
    assert_eq!(token(&next.for_resource(ORDERS)).await, first);
    assert_eq!(house.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn save_for_one_api_keeps_the_tokens_of_the_others_until_they_expire() {
    let home = Home::new();
    let house = home.first();
    let (orders, bills) = (house.session.for_resource(ORDERS), house.session.for_resource(BILLS));
    token(&house.session).await;
    token(&orders).await;
    advance(1000 * SECOND).await;
    token(&bills).await;
    assert_eq!(home.resources(), [None, Some(ORDERS.to_owned()), Some(BILLS.to_owned())]);
    advance(2601 * SECOND).await;
    // Only that of the bills is good now.
    token(&house.session).await;
    assert_eq!(home.resources(), [None, Some(BILLS.to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn record_holds_the_newest_sixty_four_tokens_of_derived_sessions() {
    let home = Home::new();
    let house = home.first();
    for number in 0..70 {
        token(&house.session.for_resource(format!("https://api-{number}.example"))).await;
    }
    let kept = (6..70).map(|number| Some(format!("https://api-{number}.example")));
    assert_eq!(home.resources(), kept.collect::<Vec<_>>());
    assert_eq!(home.issuer.dead_refresh_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn token_that_another_process_fetched_for_the_same_api_is_adopted_after_a_rejection() {
    let home = Home::new();
    let (one, two) = (home.first(), home.process());
    let all = [&one, &two].map(|house| (house, house.session.for_resource(ORDERS)));
    for (house, orders) in &all {
        assert_eq!(call_with(orders, &house.apis, ORDERS).await.unwrap().status(), 200);
    }
    home.issuer.revoke_all();
    for (house, orders) in &all {
        assert_eq!(call_with(orders, &house.apis, ORDERS).await.unwrap().status(), 200);
    }
    assert_eq!((home.issuer.token_requests(), home.issuer.dead_refresh_tokens()), (2, 0));
    // One for another API is not what was rejected.
    home.issuer.revoke_all();
    token(&one.session.for_resource(BILLS)).await;
    let (house, orders) = &all[1];
    assert_eq!(call_with(orders, &house.apis, ORDERS).await.unwrap().status(), 200);
    assert_eq!((home.issuer.token_requests(), home.issuer.dead_refresh_tokens()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn token_of_another_process_satisfies_no_claims() {
    let home = Home::new();
    let (one, two) = (home.first(), home.process());
    token(&one.session.for_resource(ORDERS)).await;
    let orders = two.session.for_resource(ORDERS);
    token(&orders).await;
    home.issuer.revoke_all();
    let newer = one.session.for_resource(ORDERS);
    assert_eq!(call_with(&newer, &one.apis, ORDERS).await.unwrap().status(), 200);
    // By then the process knows that one.
    token(&two.session.for_resource(BILLS)).await;
    two.apis.reject_with(|| {
        let challenge = r#"Bearer error="insufficient_claims", claims="eyJhIjoxfQ""#;
        Response::builder().status(401).header("www-authenticate", challenge).body(Full::default()).unwrap()
    });
    assert_eq!(call_with(&orders, &two.apis, ORDERS).await.unwrap().status(), 200);
    assert_eq!(home.issuer.last_request().parameter("claims"), Some(r#"{"a":1}"#));
    assert_eq!((home.issuer.token_requests(), home.issuer.dead_refresh_tokens()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn eight_processes_and_four_apis_never_spend_a_refresh_token_twice() {
    let home = Home::new();
    home.issuer.always(Answer::tokens().expires_in(600).delivered_after(SECOND));
    let first = home.first();
    token(&first.session).await;
    let processes: Vec<_> = (0..8).map(|_| home.process()).collect();
    let apis: Vec<_> = (0..4).map(|number| format!("https://api-{number}.example")).collect();
    let sessions: Vec<_> = processes
        .iter()
        .flat_map(|process| apis.iter().map(|api| (api.clone(), process.session.for_resource(api.as_str()))))
        .collect();
    for _ in 0..3 {
        let tokens = join_all(sessions.iter().map(|(_, session)| token(session))).await;
        for ((api, _), token) in sessions.iter().zip(tokens) {
            assert_eq!(home.issuer.resource_of(&token).as_deref(), Some(api.as_str()));
        }
        advance(595 * SECOND).await;
    }
    assert_eq!((home.issuer.dead_refresh_tokens(), home.issuer.peak()), (0, 1));
    assert_eq!(home.issuer.token_requests(), 1 + 3 * 4);
}

#[tokio::test(start_paused = true)]
async fn logout_marks_the_record_and_revokes_the_tokens_of_each_api_whoever_fetched_them() {
    let home = Home::new();
    let (one, two) = (home.first(), home.process());
    token(&one.session.for_resource(ORDERS)).await;
    token(&two.session.for_resource(BILLS)).await;
    one.session.for_resource(ORDERS).logout().await.unwrap();
    assert!(home.store.record(KEY).unwrap().is_logged_out());
    for token in home.issuer.access_tokens() {
        assert!(!home.issuer.is_alive(&token), "{token}");
    }
    assert!(!home.issuer.is_redeemable(&home.issuer.last_refresh_token()));
}

#[tokio::test(start_paused = true)]
async fn logout_elsewhere_is_seen_where_derived_sessions_have_all_the_traffic() {
    let home = Home::new();
    let (one, two) = (home.first(), home.process());
    token(&one.session.for_resource(ORDERS)).await;
    let orders = two.session.for_resource(ORDERS);
    let last = token(&orders).await;
    one.session.logout().await.unwrap();
    home.issuer.accept(&last);
    for _ in 0..16 {
        advance(2 * SECOND).await;
        let _ = call_with(&orders, &two.apis, "https://elsewhere.example").await;
        tokio::task::yield_now().await;
    }
    assert_eq!([two.session.status(), orders.status()], [Status::LoggedOut; 2]);
    assert_eq!(orders.token().await.unwrap_err().kind(), ErrorKind::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn store_that_is_down_keeps_a_derived_session_from_spending_what_stands_there() {
    let home = Home::new();
    let house = home.first();
    let own = token(&house.session).await;
    home.store.fails(Fails::Everything);
    let orders = house.session.for_resource(ORDERS);
    assert_eq!(orders.token().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!((home.issuer.token_requests(), token(&house.session).await), (1, own));
    home.store.fails(Fails::Nothing);
    advance(60 * SECOND).await;
    token(&orders).await;
    assert_eq!(home.issuer.dead_refresh_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn token_that_could_not_be_saved_is_handed_out_and_saved_later() {
    let home = Home::new();
    let house = home.first();
    token(&house.session).await;
    let orders = house.session.for_resource(ORDERS);
    let gate = Gate::closed();
    home.issuer.next(Answer::tokens().delivered_behind(&gate));
    let call = tokio::spawn({
        let orders = orders.clone();
        async move { token(&orders).await }
    });
    home.issuer.arrived(2).await;
    home.store.fails(Fails::Saves);
    gate.open();
    let fetched = call.await.unwrap();
    home.store.fails(Fails::Nothing);
    assert!(house.session.shutdown(60 * SECOND).await);
    assert_eq!(home.resources(), [None, Some(ORDERS.to_owned())]);
    assert_eq!(token(&home.process().session.for_resource(ORDERS)).await, fetched);
    assert_eq!((home.issuer.token_requests(), home.issuer.dead_refresh_tokens()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn password_of_a_process_without_a_record_begins_with_the_logins_own_token() {
    let home = Home::new();
    let process = || {
        let grant = PasswordGrant::new(home.issuer.endpoint(), USERNAME, PASSWORD).scope("all");
        Session::builder(grant).store(home.store.clone(), KEY).build()
    };
    let (one, two) = (process(), process());
    token(&one.for_scope("read")).await;
    token(&two.for_scope("read")).await;
    assert_eq!(home.issuer.token_requests_of("password"), 1);
    assert_eq!(home.issuer.token_requests_of("refresh_token"), 1);
}
