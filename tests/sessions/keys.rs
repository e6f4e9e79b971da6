//! The key decides whose token a request carries.

use tower_reauth::{ErrorKind, ForceRenewal, OwnAuthorization, WithoutAuth, WithoutKey};

use super::*;

#[tokio::test(start_paused = true)]
async fn each_request_carries_the_token_of_its_key() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        users.insert("alice");
        users.insert("bob");
        let mut api = users.api();
        for owner in ["alice", "bob", "alice", "alice", "bob", "bob"] {
            assert_eq!(call(&mut api, request_of(owner)).await.unwrap().status(), 200);
            assert_eq!(users.last_owner(), owner);
        }
        assert_eq!(users.world.issuer.token_requests(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rejection_renews_the_token_of_its_key_and_of_nobody_else() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        for owner in ["alice", "bob"] {
            users.insert(owner);
            users.get(owner).await.unwrap();
        }
        let dead = users.world.issuer.access_tokens()[0].clone();
        users.world.issuer.revoke(&dead);
        assert_eq!(users.get("alice").await.unwrap().status(), 200);
        assert_eq!(users.get("bob").await.unwrap().status(), 200);
        assert_eq!(users.world.issuer.token_requests(), 3);
        assert_eq!(users.world.issuer.owner_of(&users.world.issuer.last_access_token()).unwrap(), "alice");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn request_without_a_key_fails_and_nothing_is_sent() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        users.insert("alice");
        let error = users.api().oneshot(get("/orders")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoKey);
        let text = error.to_string();
        assert!(text.contains("Key") && text.contains("extensions"), "{text}");
        assert_eq!((users.world.resource.count(), users.world.issuer.token_requests()), (0, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn request_without_a_key_goes_bare_where_that_was_chosen() {
    for_every_credential(async |world| {
        world.resource.answer("/public", 200);
        let users = Users::new(world, Sessions::builder().without_key(WithoutKey::Bare).build());
        users.insert("alice");
        assert_eq!(users.api().oneshot(get("/public")).await.unwrap().status(), 200);
        assert_eq!(users.api().oneshot(get("/orders")).await.unwrap().status(), 401);
        assert_eq!(users.world.resource.tokens(), [None, None]);
        assert_eq!(users.world.issuer.token_requests(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn key_without_a_session_is_logged_out_even_where_requests_without_a_key_go_bare() {
    for_every_credential(async |world| {
        for sessions in [Sessions::new(), Sessions::builder().without_key(WithoutKey::Bare).build()] {
            let users = Users::new(world.clone(), sessions);
            users.insert("alice");
            assert_eq!(users.get("mallory").await.unwrap_err().kind(), ErrorKind::LoggedOut);
        }
        assert_eq!((world.resource.count(), world.issuer.token_requests()), (0, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_request_asks_of_the_layer_holds_among_many_sessions() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        users.insert("alice");
        // No key is needed for what goes without a token anyhow.
        let mut bare = get("/orders");
        bare.extensions_mut().insert(WithoutAuth);
        assert_eq!(users.api().oneshot(bare).await.unwrap().status(), 401);
        assert_eq!(users.world.issuer.token_requests(), 0);
        for count in 1..=2 {
            let mut forced = request_of("alice");
            forced.extensions_mut().insert(ForceRenewal);
            assert_eq!(users.api().oneshot(forced).await.unwrap().status(), 200);
            assert_eq!(users.world.issuer.token_requests(), count);
        }
        // Tokens stay home.
        let mut foreign = request_of("alice");
        *foreign.uri_mut() = "https://elsewhere.example/orders".parse().unwrap();
        users.api().oneshot(foreign).await.unwrap();
        assert_eq!(users.world.resource.last().token(), None);
    })
    .await;
}

/// Of a request that needs no session: to another origin, or one that wants no token.
fn without_a_session(owner: Option<&str>) -> [Request<Full<Bytes>>; 2] {
    ["https://elsewhere.example/public", "/public"].map(|uri| {
        let mut request = get(uri);
        owner.map(|owner| request.extensions_mut().insert(key(owner)));
        if uri == "/public" {
            request.extensions_mut().insert(WithoutAuth);
        }
        request
    })
}

#[tokio::test(start_paused = true)]
async fn request_to_a_foreign_origin_goes_bare_whatever_its_key() {
    for_every_credential(async |world| {
        world.resource.answer("/public", 200);
        for sessions in [Sessions::new(), Sessions::builder().without_key(WithoutKey::Bare).build()] {
            let users = Users::new(world.clone(), sessions);
            users.insert("alice");
            for owner in [None, Some("mallory"), Some("alice")] {
                for request in without_a_session(owner) {
                    assert_eq!(users.api().oneshot(request).await.unwrap().status(), 200);
                    assert_eq!(users.world.resource.last().token(), None);
                }
            }
        }
        assert_eq!(world.issuer.token_requests(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn request_to_a_foreign_origin_is_no_use_of_a_session() {
    for_every_credential(async |world| {
        world.resource.answer("/public", 200);
        let users = Users::new(world, Sessions::builder().capacity(2).idle_timeout(Duration::from_secs(60)).build());
        for (number, owner) in ["alice", "bob"].into_iter().enumerate() {
            users.insert(owner);
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(users.sessions.len(), number + 1);
        }
        for request in without_a_session(Some("alice")) {
            users.api().oneshot(request).await.unwrap();
        }
        // The least recently used one is still alice's.
        users.insert("carol");
        let users_left = |users: &Users| {
            let mut keys: Vec<_> = users.sessions.statuses().map(|(key, _)| key.0).collect();
            keys.sort();
            keys
        };
        assert_eq!(users_left(&users), ["bob", "carol"]);
        // And its idle time goes on.
        tokio::time::advance(Duration::from_secs(58)).await;
        for request in without_a_session(Some("bob")) {
            users.api().oneshot(request).await.unwrap();
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(users_left(&users), ["carol"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn header_that_came_in_is_replaced_by_the_token_of_the_key() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        users.insert("alice");
        let layer = ReauthLayer::new(users.sessions.clone(), Origins::only(ORIGIN).unwrap());
        let api = layer.own_authorization(OwnAuthorization::Replace).layer(users.world.resource.clone());
        let mut request = request_of("alice");
        request.headers_mut().insert("authorization", "Bearer of-somebody-else".parse().unwrap());
        assert_eq!(api.oneshot(request).await.unwrap().status(), 200);
        assert_eq!(users.last_owner(), "alice");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn new_session_of_a_key_takes_the_place_of_the_older_one_which_goes_on_by_itself() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        assert!(users.insert("alice").is_none());
        users.get("alice").await.unwrap();
        // The same key, and another user's session: by mistake, or since the key is that of a device.
        let older = users.sessions.insert(key("alice"), users.session("bob")).expect("the older session");
        users.get("alice").await.unwrap();
        assert_eq!(users.last_owner(), "bob");
        let token = older.token().await.unwrap();
        let token = secrecy::ExposeSecret::expose_secret(token.token_set().access_token()).to_owned();
        assert_eq!(users.world.issuer.owner_of(&token).unwrap(), "alice");
        assert_eq!(users.sessions.len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn key_of_another_type_is_no_key() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        users.insert("alice");
        let mut request = get("/orders");
        request.extensions_mut().insert("alice".to_owned());
        assert_eq!(users.api().oneshot(request).await.unwrap_err().kind(), ErrorKind::NoKey);
    })
    .await;
}

#[tokio::test]
async fn debug_shows_no_keys() {
    let sessions = Sessions::<Key>::new();
    sessions.insert(key("hunter2"), Session::logged_out());
    let layer = ReauthLayer::new(sessions.clone(), Origins::only(ORIGIN).unwrap());
    let shown = format!("{sessions:?} {sessions:#?} {layer:?}");
    assert!(shown.contains("Sessions") && !shown.contains("hunter2"), "{shown}");
}
