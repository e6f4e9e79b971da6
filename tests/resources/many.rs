//! Many users, each with one login for several APIs.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::advance;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Error, ErrorKind, Origins, ReauthLayer, RefreshTokenGrant, ResponseBody, Session, SessionSource, Sessions,
    TokenSet, grant_with,
};

use super::world::*;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(&'static str);

struct Users {
    house: House,
    sessions: Sessions<Key>,
    sources: [(&'static str, SessionSource); 2],
}

impl Users {
    fn new() -> Self {
        let sessions = Sessions::new();
        let sources = [ORDERS, BILLS].map(|api| (api, sessions.for_resource(api)));
        Self { house: House::new(), sessions, sources }
    }

    fn log_in(&self, user: &'static str) -> Option<Session> {
        let issuer = &self.house.issuer;
        let grant = RefreshTokenGrant::new(issuer.endpoint(), issuer.mint_refresh_token(user));
        self.sessions.insert(Key(user), Session::new(grant))
    }

    /// A call of this user at one of the two APIs.
    async fn call(&self, user: &'static str, number: usize) -> Result<Response<ResponseBody<Full<Bytes>>>, Error> {
        let (api, source) = &self.sources[number];
        let layer = ReauthLayer::new(source.clone(), Origins::only(api).unwrap());
        let request =
            Request::get(format!("{api}/{user}")).extension(Key(user)).body(Full::<Bytes>::default()).unwrap();
        layer.layer(self.house.apis.clone()).oneshot(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn each_user_has_a_token_of_each_api_and_keeps_it_from_call_to_call() {
    let users = Users::new();
    for user in ["alice", "bob"] {
        users.log_in(user);
    }
    for _ in 0..5 {
        for (user, api) in [("alice", 0), ("bob", 1), ("bob", 0), ("alice", 1)] {
            assert_eq!(users.call(user, api).await.unwrap().status(), 200);
        }
    }
    let issuer = &users.house.issuer;
    for call in users.house.apis.seen() {
        let token = call.token().unwrap();
        assert_eq!(issuer.owner_of(token).as_deref(), call.uri.path().strip_prefix('/'));
        assert_eq!(issuer.resource_of(token), Some(format!("https://{}", call.uri.host().unwrap())));
    }
    assert_eq!((issuer.token_requests(), issuer.dead_refresh_tokens()), (4, 0));
}

/// Ten a minute, as for every session: the derived one is the same from call to call.
#[tokio::test(start_paused = true)]
async fn renewals_of_a_users_token_for_one_api_are_damped() {
    let users = Users::new();
    users.log_in("alice");
    for _ in 0..20 {
        users.call("alice", 0).await.unwrap();
        users.house.issuer.revoke_all();
        advance(Duration::from_millis(100)).await;
    }
    assert_eq!(users.house.issuer.token_requests(), 11);
    users.call("alice", 1).await.unwrap();
    assert_eq!(users.house.issuer.token_requests(), 12);
}

#[tokio::test(start_paused = true)]
async fn logout_ends_the_user_at_each_api() {
    let users = Users::new();
    users.log_in("alice");
    for api in [0, 1] {
        users.call("alice", api).await.unwrap();
    }
    users.sessions.logout(&Key("alice")).await.unwrap();
    for api in [0, 1] {
        assert_eq!(users.call("alice", api).await.unwrap_err().kind(), ErrorKind::LoggedOut);
    }
    assert_eq!(users.house.issuer.revocations().len(), 3);
    // The next login is another one.
    users.log_in("alice");
    assert_eq!(users.call("alice", 0).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn session_that_another_one_took_the_place_of_is_held_no_longer_than_a_minute_and_a_login() {
    let users = Users::new();
    let grant = Arc::new(());
    let held = Arc::downgrade(&grant);
    let session = Session::new(grant_with(grant, async |_, _| TokenSet::new("a-token")));
    users.sessions.insert(Key("alice"), session);
    users.house.issuer.accept("a-token");
    let _ = users.call("alice", 0).await.unwrap();
    drop(users.log_in("alice"));
    assert!(held.upgrade().is_some());
    advance(Duration::from_secs(60)).await;
    assert_eq!(users.call("alice", 0).await.unwrap().status(), 200);
    assert!(held.upgrade().is_none());
    // And nobody else went with it.
    assert_eq!(users.call("alice", 0).await.unwrap().status(), 200);
    assert_eq!(users.house.issuer.token_requests(), 1);
}

/// Sessions of derived sessions, by hand: what is evicted there is no login.
#[tokio::test(start_paused = true)]
async fn eviction_of_a_derived_session_ends_no_login() {
    let house = House::new();
    let sessions = Sessions::builder().capacity(1).revoke_evicted().build();
    let orders = house.session.for_resource(ORDERS);
    let last = token(&orders).await;
    sessions.insert(Key("alice"), orders.clone());
    sessions.insert(Key("bob"), Session::logged_out());
    assert!(sessions.get(&Key("alice")).is_none());
    assert!(sessions.shutdown(Duration::from_secs(10)).await);
    assert_eq!(token(&orders).await, last);
    assert_eq!(house.issuer.revocations().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn source_of_one_session_or_of_many_merges_what_is_wanted() {
    let house = House::new();
    let sessions = Sessions::new();
    sessions.insert(Key("alice"), house.session.clone());
    let sources = [
        SessionSource::from(&house.session).for_resource(BILLS).for_scope("read").for_resource(ORDERS),
        sessions.for_scope("read").for_resource(ORDERS),
    ];
    for source in sources {
        let layer = ReauthLayer::new(source, Origins::only(ORDERS).unwrap());
        let request =
            Request::get(format!("{ORDERS}/items")).extension(Key("alice")).body(Full::<Bytes>::default()).unwrap();
        assert_eq!(layer.layer(house.apis.clone()).oneshot(request).await.unwrap().status(), 200);
    }
    assert_eq!(house.issuer.token_requests(), 1);
    assert_eq!(house.issuer.last_request().parameter("scope"), Some("read"));
}
