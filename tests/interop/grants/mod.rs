//! One table of tests over the servers that others wrote and over the embedded one: each grant, each way for a client to say who
//! it is. A server that lacks something says so, and its words are in the table.

mod authority;
mod embedded;
mod introspected;
mod mutual_tls;
mod running;
#[path = "../../../examples/support/mod.rs"]
mod support;

use std::time::Duration;

use http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::runtime;
use tower_reauth::{
    Assertion, ClientCredentialsGrant, DpopKey, ErrorKind, JwtAlgorithm, JwtBearerGrant, Session, Status,
    TokenExchangeGrant, TokenType,
};

use self::{
    authority::{ALGORITHMS, AUTHORITIES, Authority, Signing, TRUSTED, USER},
    running::{Running, signer},
};
use crate::refusals::pass;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

#[tokio::test]
async fn client_that_stands_for_itself_is_healed_by_one_request_and_logs_out() {
    for authority in &AUTHORITIES {
        let server = Running::start(authority).await;
        let service = server.caller(ClientCredentialsGrant::new(server.endpoint(server.basic())).scope(server.scope()));
        assert_eq!(service.get().await.unwrap().0, StatusCode::OK);

        server.kill(&service.access_token().await).await;
        assert_eq!(service.get().await.unwrap().0, StatusCode::OK);
        assert_eq!(server.proxy.count("client_credentials"), 2);

        let token = service.access_token().await;
        let logout = service.session.logout().await;
        let status = if authority.revokes { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        assert_eq!((logout.is_ok(), server.status_of(&token).await), (authority.revokes, status));
        assert_eq!(service.get().await.unwrap_err().kind(), ErrorKind::LoggedOut);
    }
}

/// Each of these servers takes an assertion once: the second token shows that the second assertion is another one.
#[tokio::test]
async fn client_signs_each_request_by_each_algorithm() {
    for authority in &AUTHORITIES {
        let server = Running::start(authority).await;
        for (algorithm, id, key) in ALGORITHMS {
            println!("  {id}");
            let client = server.signing(id, algorithm, key);
            let grant = ClientCredentialsGrant::new(server.endpoint(client)).scope(server.scope());
            let service = server.caller(grant);
            let before = server.proxy.count("client_credentials");
            match &authority.signing {
                Ok(_) => {
                    let token = service.session.token().await.unwrap();
                    service.session.renew(token.generation()).await.unwrap();
                    assert_eq!(server.proxy.count("client_credentials"), before + 2);
                }
                Err(lacking) => {
                    service.is_refused(*lacking).await;
                    assert_eq!(server.proxy.count("client_credentials"), before + 1);
                }
            }
        }
    }
}

#[tokio::test]
async fn client_that_signs_authenticates_its_revocations() {
    for authority in &AUTHORITIES {
        if authority.signing.is_err() {
            continue;
        }
        let server = Running::start(authority).await;
        let client = server.signing("es256", JwtAlgorithm::ES256, "ec.pem");
        let service = server.caller(ClientCredentialsGrant::new(server.endpoint(client)).scope(server.scope()));
        let token = service.access_token().await;

        service.session.logout().await.unwrap();

        assert_eq!(server.proxy.count("revoke"), 1);
        assert_eq!(server.status_of(&token).await, StatusCode::UNAUTHORIZED, "{}", authority.kind);
    }
}

#[test]
fn wrong_key_is_sent_once_and_then_probed() {
    for authority in &AUTHORITIES {
        let Ok(signing) = &authority.signing else { continue };
        // A runtime for each: its clock is moved, and would then differ from the next server's.
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(wrong_key(authority, signing));
    }
}

/// Where that is refused, the answer's `Date` says by how much the clocks differ, and another assertion follows at once.
#[test]
fn client_whose_clock_is_five_minutes_ahead_gets_its_token() {
    for authority in &AUTHORITIES {
        let Ok(signing) = &authority.signing else { continue };
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Running::start(authority).await;
            let client = server.signing("es256", JwtAlgorithm::ES256, "ec.pem");
            let service = server.caller(ClientCredentialsGrant::new(server.endpoint(client)).scope(server.scope()));
            let assertion = Assertion::new(signer(JwtAlgorithm::ES256, "ec.pem")).issuer(TRUSTED).subject(USER);
            let user = server.caller(JwtBearerGrant::signed(server.endpoint(server.basic()), assertion));
            pass(Duration::from_secs(5 * 60)).await;

            service.session.token().await.unwrap();
            if authority.jwt_bearer.is_ok() {
                user.session.token().await.unwrap();
                assert_eq!(server.proxy.count(JWT_BEARER), signing.five_minutes_ahead);
            }
            assert_eq!(server.proxy.count("client_credentials"), signing.five_minutes_ahead);
        });
    }
}

async fn wrong_key(authority: &'static Authority, signing: &Signing) {
    let server = Running::start(authority).await;
    let client = server.signing("es256", JwtAlgorithm::ES256, "stranger.pem");
    let service = server.caller(ClientCredentialsGrant::new(server.endpoint(client)).scope(server.scope()));

    service.is_refused(signing.wrong_key).await;
    assert_eq!(server.proxy.count("client_credentials"), 1);
    pass(Duration::from_secs(59)).await;
    service.is_refused(signing.wrong_key).await;
    assert_eq!(server.proxy.count("client_credentials"), 1);
    pass(Duration::from_secs(10)).await;
    service.is_refused(signing.wrong_key).await;
    // The answer's `Date` shows that our clock was moved, and an assertion that is dated by the server's follows at once.
    assert_eq!(server.proxy.count("client_credentials"), 3);
}

#[tokio::test]
async fn token_is_bound_to_a_key_or_the_server_that_cannot_is_refused_unless_that_was_allowed() {
    for authority in &AUTHORITIES {
        let server = Running::start(authority).await;
        let session = || {
            let grant = ClientCredentialsGrant::new(server.endpoint(server.basic())).scope(server.scope());
            Session::builder(grant).dpop(DpopKey::generate().unwrap())
        };
        let text = |token: tower_reauth::Token| token.token_set().access_token().expose_secret().to_owned();
        let bound = session().build();
        match authority.dpop {
            Ok(()) => {
                let token = text(bound.token().await.unwrap());
                assert_eq!(server.status_of(&token).await, StatusCode::UNAUTHORIZED);
            }
            Err((kind, status)) => {
                let error = bound.token().await.unwrap_err();
                let seen = (error.kind(), error.status().map(|status| status.as_u16()));
                assert_eq!(seen, (kind, Some(status)), "{error}");
                assert!(error.to_string().contains("allow_bearer"), "{error}");
                let token = text(session().allow_bearer().build().token().await.unwrap());
                assert_eq!(server.status_of(&token).await, StatusCode::OK);
            }
        }
    }
}

#[tokio::test]
async fn assertion_of_a_trusted_issuer_brings_tokens_and_is_signed_anew_to_heal() {
    for authority in &AUTHORITIES {
        let server = Running::start(authority).await;
        let assertion = |key| Assertion::new(signer(JwtAlgorithm::ES256, key)).issuer(TRUSTED).subject(USER);
        let grant = |key| JwtBearerGrant::signed(server.endpoint(server.basic()), assertion(key));
        let user = server.identified(grant("ec.pem"));
        if let Err(lacking) = authority.jwt_bearer {
            user.is_refused(lacking).await;
            assert_eq!(server.proxy.count(JWT_BEARER), 1);
            continue;
        }
        assert_eq!(user.get().await.unwrap(), (StatusCode::OK, json!({ "sub": USER })));

        server.kill(&user.access_token().await).await;
        assert_eq!(user.get().await.unwrap().0, StatusCode::OK);
        assert_eq!(server.proxy.count(JWT_BEARER), 2);

        let token = user.access_token().await;
        user.session.logout().await.unwrap();
        assert_eq!(server.status_of(&token).await, StatusCode::UNAUTHORIZED);

        let forger = server.caller(grant("stranger.pem"));
        forger.is_refused((ErrorKind::Refused, 400)).await;
        assert_eq!(server.proxy.count(JWT_BEARER), 3);
    }
}

/// oidc-provider refreshes a token for its own user information instead, where the resource is not named again.
#[tokio::test]
async fn refresh_names_the_resource_again_and_not_the_scope() {
    for authority in &AUTHORITIES {
        let Some(resource) = authority.resource else { continue };
        let server = Running::start(authority).await;
        let assertion = Assertion::new(signer(JwtAlgorithm::ES256, "ec.pem")).issuer(TRUSTED).subject(USER);
        let grant = JwtBearerGrant::signed(server.endpoint(server.basic()), assertion);
        let user = server.identified(grant.scope("openid offline_access orders").resource(resource));
        let named = (StatusCode::OK, json!({ "sub": USER, "aud": resource }));
        assert_eq!(user.get().await.unwrap(), named);

        for refreshes in [1, 2] {
            let token = user.session.token().await.unwrap();
            user.session.renew(token.generation()).await.unwrap();
            assert_eq!(user.get().await.unwrap(), named);
            assert_eq!((server.proxy.count(JWT_BEARER), server.proxy.count("refresh_token")), (1, refreshes));
        }
    }
}

#[tokio::test]
async fn token_of_a_user_is_exchanged_for_one_that_names_actor_and_audience() {
    for authority in &AUTHORITIES {
        let server = Running::start(authority).await;
        let endpoint = server.endpoint(server.basic());
        let subject = server.user();
        let actor = server.caller(ClientCredentialsGrant::new(endpoint.clone()).scope(server.scope())).session;
        let Ok(()) = authority.exchange else {
            // Not with tokens of its own: what counts is that it knows the grant.
            let exchanged = server.caller(TokenExchangeGrant::new(endpoint, "token").audience("orders"));
            exchanged.is_refused(authority.exchange.unwrap_err()).await;
            assert_eq!(server.proxy.count(TOKEN_EXCHANGE), 1);
            continue;
        };
        let grant = TokenExchangeGrant::new(endpoint.clone(), &subject)
            .actor_token(&actor, TokenType::ACCESS_TOKEN)
            .audience("orders")
            .requested_token_type(TokenType::ACCESS_TOKEN);
        let exchanged = server.identified(grant);
        let named = json!({ "sub": USER, "act": { "sub": "app" }, "aud": "orders" });
        assert_eq!(exchanged.get().await.unwrap(), (StatusCode::OK, named.clone()));

        server.kill(&exchanged.access_token().await).await;
        assert_eq!(exchanged.get().await.unwrap(), (StatusCode::OK, named));
        assert_eq!((server.proxy.count(TOKEN_EXCHANGE), server.proxy.count("password")), (2, 1));

        // A subject token that is fixed and dead ends that session alone.
        let dead = server.caller(TokenExchangeGrant::new(endpoint, "no token of theirs"));
        dead.is_refused((ErrorKind::Refused, 400)).await;
        assert_eq!(server.proxy.count(TOKEN_EXCHANGE), 3);
        assert_eq!((dead.session.status(), exchanged.session.status()), (Status::Refused, Status::Active));
    }
}

/// The subject's own session is healed first: its dead token is refused, and read once more.
#[tokio::test]
async fn subject_whose_token_died_is_renewed_before_the_next_exchange() {
    for authority in AUTHORITIES.iter().filter(|authority| authority.exchange.is_ok()) {
        let server = Running::start(authority).await;
        let subject = server.user();
        let exchanged = server.caller(TokenExchangeGrant::new(server.endpoint(server.basic()), &subject));
        assert_eq!(exchanged.get().await.unwrap().0, StatusCode::OK);

        let token = subject.token().await.unwrap();
        server.kill(token.token_set().access_token().expose_secret()).await;
        server.kill(&exchanged.access_token().await).await;

        assert_eq!(exchanged.get().await.unwrap().0, StatusCode::OK);
        assert_eq!(server.proxy.count(TOKEN_EXCHANGE), 3);
        assert_eq!(exchanged.session.status(), Status::Active);
    }
}
