//! What discovery means to sessions, their credentials and their logouts.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::Engine;
use tokio::time::{advance, sleep};
use tower_reauth::{
    Assertion, ClientAuth, ClientCredentialsGrant, Error, ErrorKind, JwtBearerGrant, PasswordGrant, RefreshTokenGrant,
    Session, Signer, Status, TokenEndpoint,
};

use super::server::{FIRST, ISSUER, REVOKE, SECOND, Says, Server, TOKEN, ask, metadata, with};
use crate::support::{CLIENT_ID, CLIENT_SECRET, Kind, MemoryStore, PASSWORD, Trace, USERNAME, never_hangs};

fn password(endpoint: TokenEndpoint) -> PasswordGrant {
    PasswordGrant::new(endpoint, USERNAME, PASSWORD)
}

#[tokio::test(start_paused = true)]
async fn session_starts_while_the_server_is_down() {
    let _trace = Trace::start();
    for kind in Kind::ALL {
        let server = Server::new();
        server.says(FIRST, Says::Broken);
        let session = Session::new(kind.grant_at(server.endpoint(), &server.issuer, USERNAME));
        for _ in 0..20 {
            assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Transport);
            sleep(Duration::from_secs(60)).await;
        }
        assert_eq!((session.status(), server.posts().len()), (Status::Idle, 0));
        server.says(FIRST, metadata(TOKEN));
        never_hangs(session.token()).await.unwrap();
        assert_eq!(server.posts(), [TOKEN], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_lies_is_never_final_and_no_password_was_sent() {
    let _trace = Trace::start();
    for lie in [
        Says::Status(404),
        Says::With(302, "location", "https://evil.example"),
        Says::Text("<html>".into()),
        Says::Text("[".repeat(200_000)),
        Says::Text("a".repeat(300 * 1024)),
        Says::Text(r#"{"issuer":"https://evil.example","token_endpoint":"https://evil.example/t"}"#.into()),
        with(r#""token_endpoint":"http://issuer.example/token""#),
        with(r#""token_endpoint":"https://u:p@issuer.example/token""#),
        with(r#""token_endpoint":"https://a.example/t","token_endpoint":"https://b.example/t""#),
        with(r#""token_endpoint":null"#),
    ] {
        let server = Server::new();
        server.says(FIRST, lie);
        let session = Session::new(password(server.endpoint()));
        // Twice a day's worth of sends of a password that never worked.
        for _ in 0..100 {
            session.token().await.unwrap_err();
            assert_eq!(session.status(), Status::Idle);
            advance(Duration::from_secs(61)).await;
        }
        server.says(FIRST, metadata(TOKEN));
        never_hangs(session.token()).await.unwrap();
        assert_eq!(server.posts(), [TOKEN], "nothing went anywhere else");
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_token_outlives_metadata_that_cannot_be_had() {
    let _trace = Trace::start();
    let server = Server::bare();
    let token = server.issuer.mint_refresh_token(USERNAME);
    let session = Session::new(RefreshTokenGrant::new(server.endpoint(), token));
    for _ in 0..10 {
        session.token().await.unwrap_err();
        advance(Duration::from_secs(3600)).await;
    }
    server.says(SECOND, metadata(TOKEN));
    never_hangs(session.token()).await.unwrap();
    assert_eq!(server.issuer.token_requests_of("refresh_token"), 1);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_revoked_where_the_metadata_says() {
    let _trace = Trace::start();
    let server = Server::new();
    server.says(FIRST, with(&format!(r#""token_endpoint":"{TOKEN}","revocation_endpoint":"{REVOKE}""#)));
    let session = Session::new(password(server.endpoint()));
    session.token().await.unwrap();
    session.logout().await.unwrap();
    assert_eq!(server.posts(), [TOKEN, REVOKE, REVOKE]);
    assert_eq!(server.issuer.revocations().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn revocation_address_that_was_given_wins() {
    let _trace = Trace::start();
    let own = "https://own.example/revoke";
    let server = Server::new();
    server.says(own, Says::Status(200));
    server.says(FIRST, with(&format!(r#""token_endpoint":"{TOKEN}","revocation_endpoint":"{REVOKE}""#)));
    let session = Session::new(password(server.endpoint().revocation(own).unwrap()));
    session.token().await.unwrap();
    session.logout().await.unwrap();
    assert_eq!(server.posts(), [TOKEN, own, own]);
}

#[tokio::test(start_paused = true)]
async fn logout_without_an_address_for_it_revokes_nothing_and_says_so() {
    let trace = Trace::start();
    let server = Server::new();
    let session = Session::new(password(server.endpoint()));
    session.token().await.unwrap();
    session.logout().await.unwrap();
    // Tokens of another process: here the metadata is not yet known.
    let record = Session::new(password(server.endpoint()));
    record.token().await.unwrap();
    let record = record.record().unwrap();
    let session = Session::builder(password(server.endpoint())).record(record).unwrap().build();
    let fetches = server.fetches();
    session.logout().await.unwrap();
    assert_eq!(server.fetches(), fetches + 1);
    assert_eq!(server.posts(), [TOKEN, TOKEN]);
    assert_eq!(trace.events("tokens revoked"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn logout_whose_address_cannot_be_discovered_fails_and_names_the_discovery() {
    let _trace = Trace::start();
    let server = Server::new();
    let session = Session::new(password(server.endpoint()));
    session.token().await.unwrap();
    let record = session.record().unwrap();
    let session = Session::builder(password(server.endpoint())).record(record).unwrap().build();
    server.says(FIRST, Says::Broken);
    let error = session.logout().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRevoked);
    assert!(error.to_string().contains(&format!("the discovery of {ISSUER} failed at {FIRST}")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn client_with_mutual_tls_goes_to_the_aliases_and_others_do_not() {
    let _trace = Trace::start();
    let alias = "https://mtls.issuer.example/token";
    let server = Server::new();
    server.says(
        FIRST,
        with(&format!(
            r#""token_endpoint":"{TOKEN}","revocation_endpoint":"{REVOKE}","mtls_endpoint_aliases":{{"token_endpoint":"{alias}"}}"#
        )),
    );
    let endpoint = server.endpoint();
    ask(&endpoint).await.unwrap();
    let session = Session::new(password(endpoint.client_auth(ClientAuth::mutual_tls("client"))));
    session.token().await.unwrap();
    session.logout().await.unwrap();
    assert_eq!(server.posts(), [TOKEN, alias, REVOKE, REVOKE]);
    assert_eq!(server.fetches(), 1);
}

/// Signs with nothing, and keeps what it signed.
#[derive(Clone, Default)]
struct Notary(Arc<Mutex<Vec<String>>>);

impl Signer for Notary {
    fn algorithm(&self) -> &str {
        "ES256"
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let claims = message.split(|byte| *byte == b'.').nth(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
        self.0.lock().unwrap().push(String::from_utf8(claims).unwrap());
        Ok(vec![0; 64])
    }
}

#[tokio::test(start_paused = true)]
async fn assertion_is_for_the_issuer_or_for_the_discovered_endpoint_where_that_was_asked_for() {
    let _trace = Trace::start();
    let (server, notary) = (Server::new(), Notary::default());
    let audience = |endpoint: TokenEndpoint| async {
        let session = Session::new(ClientCredentialsGrant::new(endpoint));
        session.token().await.unwrap();
        notary.0.lock().unwrap().pop().unwrap()
    };
    let signed = Assertion::new(notary.clone());
    let told = audience(server.endpoint().client_auth(ClientAuth::private_key_jwt("client", signed.clone()))).await;
    assert!(told.contains(&format!(r#""aud":"{ISSUER}""#)), "{told}");
    let session = Session::new(JwtBearerGrant::signed(server.endpoint(), signed.clone().issuer("client")));
    session.token().await.unwrap();
    let told = notary.0.lock().unwrap().pop().unwrap();
    assert!(told.contains(&format!(r#""aud":"{ISSUER}""#)), "{told}");
    let signed = signed.audience_is_endpoint();
    let told = audience(server.endpoint().client_auth(ClientAuth::private_key_jwt("client", signed))).await;
    assert!(told.contains(&format!(r#""aud":"{TOKEN}""#)), "{told}");
}

#[tokio::test(start_paused = true)]
async fn records_belong_to_the_issuer_wherever_its_endpoint_is() {
    let _trace = Trace::start();
    let (server, store) = (Server::new(), MemoryStore::new());
    let token_at = async |endpoint: TokenEndpoint| {
        let client = ClientAuth::basic(CLIENT_ID, CLIENT_SECRET);
        let session = Session::builder(password(endpoint.client_auth(client))).store(store.clone(), "alice").build();
        session.token().await
    };
    token_at(server.endpoint()).await.unwrap();
    server.says(FIRST, metadata("https://tokens.example/token"));
    token_at(server.endpoint()).await.unwrap();
    let other = TokenEndpoint::discover(server.clone(), "https://other.example").unwrap();
    assert_eq!(token_at(other).await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(server.posts(), [TOKEN], "the record was good for the same issuer, and for no other");
}

#[tokio::test(start_paused = true)]
async fn endpoint_shows_its_issuer() {
    let _trace = Trace::start();
    let shown = format!("{:?}", Server::new().endpoint());
    assert!(shown.contains(&format!("address: {ISSUER},")), "{shown}");
}
