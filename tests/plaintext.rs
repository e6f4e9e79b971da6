//! Endpoints at plain http: refused, unless the user says that something else encrypts.

use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{service_fn, util::BoxCloneSyncService};
use tower_reauth::{ClientCredentialsGrant, ErrorKind, Origins, Session, TokenEndpoint};

const ISSUER: &str = "http://keycloak:8080/realms/shop";
const TOKEN: &str = "http://keycloak:8080/token";
const REVOKE: &str = "http://keycloak:8080/revoke";

type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;

/// A server that hands out a token, and metadata with these endpoints; and the URIs that it was asked at.
fn server(token: &'static str, revoke: &'static str) -> (Client, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let service = service_fn(move |request: Request<Full<Bytes>>| {
        let uri = request.uri().to_string();
        let answer = if uri.contains("/.well-known/") {
            format!(r#"{{"issuer":"{ISSUER}","token_endpoint":"{token}","revocation_endpoint":"{revoke}"}}"#)
        } else {
            r#"{"access_token":"a-token","token_type":"Bearer"}"#.to_owned()
        };
        noted.lock().unwrap().push(uri);
        ready(Ok(Response::new(Full::from(answer))))
    });
    (Client::new(service), asked)
}

#[test]
fn plain_address_is_refused_and_the_error_names_the_way() {
    let client = || server(TOKEN, REVOKE).0;
    let error = TokenEndpoint::new(client(), TOKEN).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "the endpoint's address is at http://keycloak:8080, which is not encrypted: use https, or \
         `TokenEndpoint::danger_plaintext` where something else encrypts"
    );
    let error = TokenEndpoint::discover(client(), ISSUER).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the issuer is at http://keycloak:8080, which is not encrypted: use https, or \
         `TokenEndpoint::danger_discover_plaintext` where something else encrypts"
    );
}

#[tokio::test(start_paused = true)]
async fn plain_endpoint_serves_tokens_and_revocations() {
    let (client, asked) = server(TOKEN, REVOKE);
    let endpoint = TokenEndpoint::danger_plaintext(client, TOKEN).unwrap().revocation(REVOKE).unwrap();
    let session = Session::new(ClientCredentialsGrant::new(endpoint));
    session.token().await.unwrap();
    // The server answers a revocation with tokens, which is no confirmation: only where it goes counts.
    let _ = session.logout().await;
    assert_eq!(*asked.lock().unwrap(), [TOKEN, REVOKE]);
}

#[test]
fn revocation_is_plain_at_the_plain_endpoints_own_origin_alone() {
    let endpoint = |uri: &str| TokenEndpoint::danger_plaintext(server(TOKEN, REVOKE).0, uri).unwrap();
    for (token, revoke, is_taken) in [
        (TOKEN, REVOKE, true),
        (TOKEN, "https://elsewhere.example/revoke", true),
        (TOKEN, "http://elsewhere.example/revoke", false),
        (TOKEN, "http://keycloak/revoke", false),
        ("https://keycloak:8080/token", REVOKE, false),
        ("https://keycloak:8080/token", "http://keycloak/revoke", false),
    ] {
        assert_eq!(endpoint(token).revocation(revoke).is_ok(), is_taken, "{token} {revoke}");
    }
    let error = endpoint(TOKEN).revocation("http://elsewhere/revoke").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the endpoint's address is at http://elsewhere:80, which is not encrypted: use https anywhere but at http://keycloak:8080"
    );
}

#[test]
fn what_is_no_address_is_refused_by_the_dangerous_constructors_too() {
    let client = || server(TOKEN, REVOKE).0;
    for text in ["http://bob:hunter2@keycloak/token", "http://keycloak/token#hunter2", "ftp://hunter2/t", "/token", ""]
    {
        for error in [
            TokenEndpoint::danger_plaintext(client(), text).unwrap_err(),
            TokenEndpoint::danger_discover_plaintext(client(), text).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(
                !format!("{error} {error:?}").contains("bob") && !error.to_string().contains("#hunter2"),
                "{error}"
            );
        }
    }
    assert!(TokenEndpoint::danger_discover_plaintext(client(), "http://keycloak?a=b").is_err());
}

#[tokio::test(start_paused = true)]
async fn metadata_of_a_plain_issuer_may_name_plain_endpoints_at_its_origin() {
    let origins = || Origins::danger_plaintext_only("http://keycloak:8080").unwrap();
    for listed in [false, true] {
        let (client, asked) = server(TOKEN, REVOKE);
        let mut endpoint = TokenEndpoint::danger_discover_plaintext(client, ISSUER).unwrap();
        if listed {
            endpoint = endpoint.endpoint_origins(origins());
        }
        Session::new(ClientCredentialsGrant::new(endpoint)).token().await.unwrap();
        let metadata = "http://keycloak:8080/.well-known/oauth-authorization-server/realms/shop";
        assert_eq!(*asked.lock().unwrap(), [metadata, TOKEN]);
    }
    for (token, revoke) in [("http://elsewhere.example/token", REVOKE), (TOKEN, "http://keycloak:81/revoke")] {
        let (client, asked) = server(token, revoke);
        let endpoint = TokenEndpoint::danger_discover_plaintext(client, ISSUER).unwrap();
        let error = Session::new(ClientCredentialsGrant::new(endpoint)).token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Discovery);
        assert!(error.to_string().contains("not encrypted: use https anywhere but at"), "{error}");
        assert!(asked.lock().unwrap().iter().all(|uri| uri.contains("/.well-known/")), "no secret went out");
    }
}
