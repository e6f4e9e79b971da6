//! Tokens that come with inbound requests: a session for each subject, audience and scope (RFC 8693), found by a keyed hash.

use std::{collections::HashSet, time::Duration};

use http::StatusCode;
use tower::{Layer, ServiceExt};
use tower_reauth::{Origins, Reauth, ReauthLayer, Sessions, SubjectKey};

use super::*;

struct Server {
    issuer: Issuer,
    resource: Resource,
    sessions: Sessions<SubjectKey>,
    api: Reauth<Resource>,
}

impl Server {
    fn new() -> Self {
        let issuer = Issuer::new();
        let resource = Resource::new(&issuer);
        let sessions = Sessions::<SubjectKey>::new();
        let api = ReauthLayer::new(sessions.clone(), Origins::only(ORIGIN).unwrap()).layer(resource.clone());
        Self { issuer, resource, sessions, api }
    }

    /// One inbound request of this user, and the outbound one that follows; whose token that one carried.
    async fn serve(&self, user: &str) -> (StatusCode, Option<String>) {
        let grant =
            TokenExchangeGrant::new(self.issuer.endpoint(), format!("subject-token-of-{user}")).audience("orders");
        let key = grant.key().unwrap();
        let login = || async { Ok::<_, Error>(Session::new(grant)) };
        self.sessions.get_or_login(key.clone(), login).await.unwrap();
        let mut request = get("/orders");
        request.extensions_mut().insert(key);
        let seen = self.resource.count();
        let answer = match self.api.clone().oneshot(request).await {
            Ok(response) => response.status(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Refused);
                return (StatusCode::UNAUTHORIZED, None);
            }
        };
        let sent = &self.resource.seen()[seen];
        let token = sent.token().unwrap();
        (answer, self.issuer.owner_of(token))
    }
}

#[tokio::test(start_paused = true)]
async fn two_subjects_on_one_layer_never_get_each_others_token() {
    let server = Server::new();
    for round in 0..50 {
        for user in ["alice", "bob"] {
            if round % 7 == 3 {
                // No storm: that would be damped.
                tokio::time::advance(Duration::from_secs(60)).await;
                server.issuer.revoke_all();
            }
            let (status, owner) = server.serve(user).await;
            assert_eq!((status, owner.as_deref()), (StatusCode::OK, Some(user)));
        }
    }
    assert!(server.issuer.token_requests() < 30, "each has a session of its own");
}

#[tokio::test(start_paused = true)]
async fn a_bad_subject_is_final_for_that_subject_alone() {
    let server = Server::new();
    server.issuer.next(Answer::error(400, "invalid_request"));
    assert_eq!(server.serve("mallory").await.0, StatusCode::UNAUTHORIZED);
    for _ in 0..10 {
        assert_eq!(server.serve("mallory").await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(server.serve("alice").await, (StatusCode::OK, Some("alice".to_owned())));
    }
    assert_eq!(server.issuer.token_requests(), 2);
}

#[test]
fn a_key_differs_wherever_the_exchange_differs() {
    let issuer = Issuer::new();
    let plain = || TokenExchangeGrant::new(issuer.endpoint(), "subject");
    let at = |uri: &str| TokenExchangeGrant::new(TokenEndpoint::new(issuer.clone(), uri).unwrap(), "subject");
    let by = |client| TokenExchangeGrant::new(issuer.endpoint().client_auth(client), "subject");
    let always = |name: &str, value: &str| TokenExchangeGrant::new(issuer.endpoint().parameter(name, value), "subject");
    let grants = [
        at("https://other.example/token?tenant=a"),
        at("https://other.example/token?tenant=b"),
        always("audience", "orders"),
        always("audience", "invoices"),
        by(ClientAuth::jwt_spiffe("a.b.c")),
        by(ClientAuth::jwt_spiffe("d.e.f")),
        by(ClientAuth::basic(CLIENT_ID, "other")),
        by(ClientAuth::post(CLIENT_ID, CLIENT_SECRET)),
        by(ClientAuth::basic(CLIENT_ID, SecretSource::file("/a"))),
        by(ClientAuth::basic(CLIENT_ID, SecretSource::file("/b"))),
        plain(),
        TokenExchangeGrant::new(issuer.endpoint(), "subjec").audience("t"),
        TokenExchangeGrant::new(issuer.endpoint(), "other"),
        at("https://other.example/token"),
        TokenExchangeGrant::new(issuer.endpoint().client_auth(ClientAuth::none("other")), "subject"),
        plain().subject_token_type(TokenType::JWT),
        plain().requested_token_type(TokenType::JWT),
        plain().actor_token("actor", TokenType::JWT),
        plain().actor_token("actor", TokenType::ID_TOKEN),
        plain().audience("a"),
        plain().audience("a").audience("b"),
        plain().audience("ab"),
        plain().resource("a"),
        plain().scope("a"),
        plain().audience("a").scope("b"),
        plain().audience("b").scope("a"),
        plain().parameter("a", "b"),
    ];
    let keys: HashSet<SubjectKey> = grants.iter().map(|grant| grant.key().unwrap()).collect();
    assert_eq!(keys.len(), grants.len());
    assert_eq!(plain().scope("a").key(), plain().scope("a").key());
    assert!(TokenExchangeGrant::new(issuer.endpoint(), SecretSource::file("/token")).key().is_none());
    assert!(plain().actor_token(SecretSource::file("/token"), TokenType::JWT).key().is_none());
}
