//! What outlives the process: the thumbprint stands in the record, and the key comes from the user.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::advance;
use tower_reauth::{
    ClientAuth, DpopKey, ErrorKind, PasswordGrant, Record, RefreshTokenGrant, Session, Sessions, Status, StoreKey,
    TokenEndpoint, TokenSet,
};

use super::*;

/// Of a client without a secret.
fn public(issuer: &Issuer) -> TokenEndpoint {
    issuer.endpoint().client_auth(ClientAuth::none("public-app"))
}

/// What a process does that was started anew.
fn resumed(issuer: &Issuer, store: &MemoryStore, key: Option<DpopKey>) -> Session {
    let builder = Session::builder(RefreshTokenGrant::stored(public(issuer)));
    let builder = match key {
        Some(key) => builder.dpop(key),
        None => builder,
    };
    builder.store(store.clone(), "alice").build()
}

/// A login that a process began, and left in the store.
async fn logged_in() -> (Issuer, MemoryStore) {
    let (issuer, store) = (Issuer::new(), MemoryStore::new());
    issuer.require_dpop();
    let session = Session::builder(RefreshTokenGrant::stored(public(&issuer)))
        .dpop(kept_key())
        .store(store.clone(), "alice")
        .build();
    session.login(PasswordGrant::new(public(&issuer), USERNAME, PASSWORD));
    session.token().await.unwrap();
    (issuer, store)
}

fn text(store: &MemoryStore) -> String {
    store.record("alice").unwrap().to_json().expose_secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn refresh_token_of_a_public_client_goes_on_with_its_key_after_a_restart() {
    let (issuer, store) = logged_in().await;
    assert!(text(&store).contains(&format!(r#""dpop":"{}""#, kept_key().thumbprint())));
    assert!(text(&store).contains(r#""token_type":"DPoP""#));
    assert!(!text(&store).contains("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"));
    let session = resumed(&issuer, &store, Some(kept_key()));
    let token = session.token().await.unwrap();
    assert_eq!(issuer.token_requests(), 1, "the access token is still good");
    advance(Duration::from_secs(60)).await;
    session.renew(token.generation()).await.unwrap();
    assert_eq!(issuer.last_request().grant_type(), "refresh_token");
    assert_eq!(keys(&issuer).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn record_of_another_key_is_an_error_that_says_so_and_is_left_as_it_is() {
    let (issuer, store) = logged_in().await;
    let before = text(&store);
    for key in [Some(new_key()), None] {
        let session = resumed(&issuer, &store, key);
        for _ in 0..3 {
            let error = session.token().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Store);
            let told = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            let told: Vec<_> = told.map(ToString::to_string).collect();
            assert!(told.join(": ").contains("another DPoP key"), "{told:?}");
            advance(Duration::from_secs(90)).await;
        }
        assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Store);
        assert_eq!(text(&store), before);
    }
    assert_eq!(issuer.token_requests(), 1);
    // The right one still goes on.
    resumed(&issuer, &store, Some(kept_key())).token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn new_login_with_another_key_takes_the_place_of_the_record() {
    let (issuer, store) = logged_in().await;
    let key = new_key();
    let session = resumed(&issuer, &store, Some(key.clone()));
    session.login(PasswordGrant::new(public(&issuer), USERNAME, PASSWORD));
    session.token().await.unwrap();
    assert!(text(&store).contains(key.thumbprint()));
}

#[tokio::test(start_paused = true)]
async fn record_from_before_there_was_a_key_goes_on_by_its_refresh_token_and_not_by_its_bearer_token() {
    let (issuer, store) = (Issuer::new(), MemoryStore::new());
    let session = resumed(&issuer, &store, None);
    session.login(PasswordGrant::new(public(&issuer), USERNAME, PASSWORD));
    session.token().await.unwrap();
    assert!(text(&store).contains(r#""format":1"#) && !text(&store).contains("dpop"));
    issuer.require_dpop();
    let session = resumed(&issuer, &store, Some(kept_key()));
    session.token().await.unwrap();
    assert_eq!(issuer.token_requests(), 2);
    assert_eq!(issuer.last_request().grant_type(), "refresh_token");
    assert!(text(&store).contains(kept_key().thumbprint()));
    assert!(text(&store).contains(r#""format":2"#), "older releases leave it alone");
    // The process that has no key yet cannot use it any more, and does not end it.
    let before = text(&store);
    assert_eq!(resumed(&issuer, &store, None).token().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(text(&store), before);
}

/// Two programs of one login, of which each made itself a key; or one got its key, and the other not yet.
#[tokio::test(start_paused = true)]
async fn running_process_that_finds_another_key_in_its_record_says_so_and_is_not_logged_out() {
    for key in [Some(new_key()), None] {
        let (issuer, store) = (Issuer::new(), MemoryStore::new());
        let first = resumed(&issuer, &store, None);
        first.login(PasswordGrant::new(public(&issuer), USERNAME, PASSWORD));
        first.token().await.unwrap();
        let late = Session::builder(RefreshTokenGrant::stored(public(&issuer)));
        let late = match key {
            // It goes on with the bearer token for a while, and so writes no key of its own into the record.
            Some(key) => late.dpop(key).allow_bearer(),
            None => late,
        };
        let late = late.store(store.clone(), "alice").build();
        late.token().await.unwrap();
        assert_eq!(issuer.token_requests(), 1);
        advance(Duration::from_secs(61)).await;
        issuer.require_dpop();
        resumed(&issuer, &store, Some(kept_key())).token().await.unwrap();
        assert!(text(&store).contains(kept_key().thumbprint()));
        let (before, sent) = (text(&store), issuer.token_requests());
        issuer.revoke_all();
        for _ in 0..3 {
            advance(Duration::from_secs(90)).await;
            let error = match late.token().await {
                Ok(token) => late.renew(token.generation()).await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.kind(), ErrorKind::Store, "{error}");
            let told = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            assert!(told.into_iter().any(|error| error.to_string().contains("another DPoP key")), "{error}");
            assert_ne!(late.status(), Status::LoggedOut);
        }
        assert_eq!((text(&store), issuer.token_requests()), (before, sent), "nothing is sent, and nothing overwritten");
    }
}

#[tokio::test(start_paused = true)]
async fn record_without_a_store_carries_the_thumbprint_and_is_for_that_key() {
    for_every_bound(async |world| {
        let session = Session::builder(world.grant()).dpop(kept_key()).build();
        session.token().await.unwrap();
        let text = session.record().unwrap().to_json();
        let record = || Record::from_json(text.expose_secret()).unwrap();
        let error = Session::builder(world.grant()).dpop(new_key()).record(record()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        assert!(error.to_string().contains("another DPoP key"), "{error}");
        assert!(Session::builder(world.grant()).record(record()).is_err());
        let sent = world.issuer.token_requests();
        let again = Session::builder(world.grant()).dpop(kept_key()).record(record()).unwrap().build();
        again.token().await.unwrap();
        assert_eq!(world.issuer.token_requests(), sent);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tokens_from_elsewhere_are_taken_as_what_they_are() {
    let issuer = Issuer::new();
    issuer.require_dpop();
    let refresh_token = issuer.mint_refresh_token(USERNAME);
    let tokens = || TokenSet::new("from-elsewhere").unwrap().with_refresh_token(refresh_token.as_str());
    let begin = |tokens| {
        let builder = Session::builder(RefreshTokenGrant::stored(public(&issuer))).dpop(kept_key());
        builder.record(Record::new(tokens)).unwrap().build()
    };
    begin(tokens().with_dpop()).token().await.unwrap();
    assert_eq!(issuer.token_requests(), 0);
    // A bearer token is not sent by a session with a key; what it came with is redeemed.
    let session = begin(tokens());
    session.token().await.unwrap();
    assert_eq!((issuer.token_requests(), session.status()), (1, Status::Active));
}

#[tokio::test(start_paused = true)]
async fn session_of_a_key_that_is_looked_up_gets_its_dpop_key_from_the_program() {
    let (issuer, store) = (Issuer::new(), MemoryStore::new());
    issuer.require_dpop();
    let replica = |key: fn() -> DpopKey| -> Sessions<&'static str> {
        let endpoint = public(&issuer);
        let resume = move |_: &&'static str| Session::builder(RefreshTokenGrant::stored(endpoint.clone())).dpop(key());
        Sessions::builder().store(store.clone(), |key: &&'static str| StoreKey::new(key), resume).build()
    };
    let session = Session::builder(PasswordGrant::new(public(&issuer), USERNAME, PASSWORD)).dpop(kept_key()).build();
    session.token().await.unwrap();
    let one = replica(kept_key);
    one.get_or_login("alice", async || Ok(session)).await.unwrap();
    assert!(text(&store).contains(kept_key().thumbprint()));
    let found = replica(kept_key).look_up(&"alice").await.unwrap().unwrap();
    let token = found.token().await.unwrap();
    advance(Duration::from_secs(60)).await;
    found.renew(token.generation()).await.unwrap();
    assert_eq!(keys(&issuer).len(), 1);
    let before = text(&store);
    let error = replica(new_key).look_up(&"alice").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(text(&store), before);
}

#[cfg(feature = "file")]
#[tokio::test]
async fn record_in_a_folder_is_for_the_key_that_its_login_began_with() {
    let folder = std::env::temp_dir().join(format!("tower-reauth-dpop-{}", std::process::id()));
    let issuer = Issuer::new();
    issuer.require_dpop();
    let open = |key: DpopKey| {
        let store = tower_reauth::FileStore::open(&folder).unwrap();
        Session::builder(RefreshTokenGrant::stored(public(&issuer))).dpop(key).store(store, "alice").build()
    };
    let contents = || -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let mut records: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        records.sort();
        records.iter().map(|path| std::fs::read(path).unwrap()).collect()
    };
    let session = open(kept_key());
    session.login(PasswordGrant::new(public(&issuer), USERNAME, PASSWORD));
    session.token().await.unwrap();
    drop(session);
    let before = contents();
    assert_eq!(before.len(), 1);
    assert_eq!(open(new_key()).token().await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(contents(), before);
    let session = open(kept_key());
    let token = session.token().await.unwrap();
    assert_eq!(issuer.token_requests(), 1);
    session.renew(token.generation()).await.unwrap();
    assert_eq!(issuer.last_request().grant_type(), "refresh_token");
    std::fs::remove_dir_all(&folder).unwrap();
}
