//! Logging out among many.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tower::service_fn;
use tower_reauth::{ErrorKind, RefreshTokenGrant, Status, TokenEndpoint};

use super::*;

#[tokio::test(start_paused = true)]
async fn logout_of_a_key_ends_that_session_and_no_other() {
    for_every_credential(async |world| {
        let revocable = world.kind != Kind::Custom;
        let users = Users::new(world, Sessions::new());
        for owner in ["alice", "bob"] {
            users.insert(owner);
            users.get(owner).await.unwrap();
        }
        let [alice, bob] = <[String; 2]>::try_from(users.world.issuer.access_tokens()).unwrap();
        users.sessions.logout(&key("alice")).await.unwrap();
        assert_eq!(users.get("alice").await.unwrap_err().kind(), ErrorKind::LoggedOut);
        assert_eq!(users.get("bob").await.unwrap().status(), 200);
        assert_eq!((users.world.issuer.is_alive(&alice), users.world.issuer.is_alive(&bob)), (!revocable, true));
        assert_eq!(users.world.issuer.token_requests(), 2);
        users.sessions.logout(&key("alice")).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn logout_that_nobody_waits_for_is_carried_through() {
    for_every_credential(async |world| {
        let revocable = world.kind != Kind::Custom;
        let users = Users::new(world, Sessions::new());
        users.insert("alice");
        users.get("alice").await.unwrap();
        drop(users.sessions.logout(&key("alice")));
        assert_eq!(users.get("alice").await.unwrap_err().kind(), ErrorKind::LoggedOut);
        settle().await;
        assert_eq!(users.world.issuer.is_alive(&users.world.issuer.last_access_token()), !revocable);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn logout_of_all_forgets_at_once_and_revokes_everybody() {
    for_every_credential(async |world| {
        let revocable = world.kind != Kind::Custom;
        let users = Users::new(world, Sessions::new());
        let owners: Vec<String> = (0..100).map(|number| format!("user-{number}")).collect();
        for owner in &owners {
            users.insert(owner);
            users.get(owner).await.unwrap();
        }
        let held = users.sessions.get(&key("user-7")).unwrap();
        let all = users.sessions.logout_all();
        assert_eq!((users.sessions.len(), held.status()), (0, Status::LoggedOut));
        assert_eq!(users.get("user-7").await.unwrap_err().kind(), ErrorKind::LoggedOut);
        all.await.unwrap();
        let alive = |token: &String| users.world.issuer.is_alive(token);
        assert_eq!(
            users.world.issuer.access_tokens().iter().filter(|token| alive(token)).count(),
            if revocable { 0 } else { 100 }
        );
        users.sessions.logout_all().await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failure_of_one_revocation_is_reported_and_the_others_are_made() {
    let world = World::new(Kind::Password);
    let users = Users::new(world, Sessions::new());
    for owner in ["a", "b", "c"] {
        users.insert(owner);
        users.get(owner).await.unwrap();
    }
    users.world.issuer.next_revocation(Answer::status(400, "no"));
    assert_eq!(users.sessions.logout_all().await.unwrap_err().kind(), ErrorKind::NotRevoked);
    // A refresh token and an access token for each.
    assert_eq!(users.world.issuer.revocations().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn revocation_that_panics_is_reported_and_the_others_are_made() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let service = service_fn(move |_: Request<Full<Bytes>>| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_ne!(number, 0, "on purpose");
            Ok::<_, Error>(Response::new(Full::<Bytes>::default()))
        }
    });
    let endpoint = TokenEndpoint::new(service, "https://gw.example/token").unwrap();
    let endpoint = endpoint.revocation("https://gw.example/revoke").unwrap();
    let sessions = Sessions::new();
    for name in ["a", "b", "c"] {
        sessions.insert(key(name), Session::new(RefreshTokenGrant::new(endpoint.clone(), name)));
    }
    assert_eq!(sessions.logout_all().await.unwrap_err().kind(), ErrorKind::NotRevoked);
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

#[test]
fn logout_of_all_without_a_runtime_forgets_and_says_what_it_could_not_do() {
    let world = World::new(Kind::Password);
    let users = Users::new(world, Sessions::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    users.insert("alice");
    runtime.block_on(users.get("alice")).unwrap();
    drop(runtime);
    let outcome = futures::executor::block_on(users.sessions.logout_all());
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NoRuntime);
    assert!(users.sessions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn statuses_tell_of_everybody() {
    for_every_credential(async |world| {
        let users = Users::new(world, Sessions::new());
        users.insert("idle");
        users.insert("active");
        users.get("active").await.unwrap();
        users.insert("gone");
        users.sessions.get(&key("gone")).unwrap().forget();
        let mut statuses: Vec<_> = users.sessions.statuses().map(|(key, status)| (key.0, status)).collect();
        statuses.sort_by(|(one, _), (other, _)| one.cmp(other));
        let expected = [("active", Status::Active), ("gone", Status::LoggedOut), ("idle", Status::Idle)];
        assert_eq!(statuses, expected.map(|(name, status)| (name.to_owned(), status)));
    })
    .await;
}
