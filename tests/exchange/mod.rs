//! Tokens of others, exchanged: JWT bearer (RFC 7523) and token exchange (RFC 8693), the subjects that they are fed with, and what
//! a refusal of one of them means.

#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

mod chain;
mod inbound;
mod subjects;

use crate::support::*;
use secrecy::ExposeSecret;
use tower_reauth::{
    ClientAuth, Error, ErrorKind, JwtBearerGrant, PasswordGrant, SecretSource, Session, Status, TokenEndpoint,
    TokenExchangeGrant, TokenType,
};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The form of the last token request, without the client's part.
fn last_form(issuer: &Issuer) -> Vec<(String, String)> {
    issuer.last_request().form.into_iter().filter(|(name, _)| !name.starts_with("client_")).collect()
}

fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn an_exchange_says_who_and_for_whom_and_what_for() {
    let issuer = Issuer::new();
    let grant = TokenExchangeGrant::new(issuer.endpoint(), "sub&ject")
        .subject_token_type(TokenType::ID_TOKEN)
        .actor_token("actor", TokenType::JWT)
        .requested_token_type(TokenType::ACCESS_TOKEN)
        .scope("orders:read orders:write")
        .audience("orders")
        .audience("invoices")
        .resource("https://api.example/orders")
        .parameter("tenant", "7");
    Session::new(grant).token().await.unwrap();
    assert_eq!(
        last_form(&issuer),
        form(&[
            ("grant_type", EXCHANGE),
            ("subject_token", "sub&ject"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
            ("actor_token", "actor"),
            ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("scope", "orders:read orders:write"),
            ("audience", "orders"),
            ("audience", "invoices"),
            ("resource", "https://api.example/orders"),
            ("tenant", "7"),
        ])
    );
    // Without anything, nothing but the subject is said: impersonation.
    Session::new(TokenExchangeGrant::new(issuer.endpoint(), "subject")).token().await.unwrap();
    assert_eq!(
        last_form(&issuer),
        form(&[
            ("grant_type", EXCHANGE),
            ("subject_token", "subject"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_jwt_is_sent_with_what_is_asked_for() {
    let issuer = Issuer::new();
    let grant = JwtBearerGrant::new(issuer.endpoint(), "a.b.c").scope("orders").audience("o").resource("urn:r");
    Session::new(grant).token().await.unwrap();
    assert_eq!(
        last_form(&issuer),
        form(&[
            ("grant_type", JWT_BEARER),
            ("assertion", "a.b.c"),
            ("scope", "orders"),
            ("audience", "o"),
            ("resource", "urn:r"),
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_refresh_repeats_audience_and_resource_and_not_the_scope_unless_told_otherwise() {
    let plain = &[("audience", "o"), ("resource", "urn:r")][..];
    let all = &[("scope", "s"), ("audience", "o"), ("resource", "urn:r")][..];
    let exchange = |endpoint| TokenExchangeGrant::new(endpoint, "subject").scope("s").audience("o").resource("urn:r");
    let bearer = |endpoint| JwtBearerGrant::new(endpoint, "a.b.c").scope("s").audience("o").resource("urn:r");
    let parameter = |endpoint| exchange(endpoint).parameter("tenant", "7");
    type Make<'a> = &'a dyn Fn(TokenEndpoint) -> Session;
    let cases: [(Make<'_>, &[(&str, &str)]); 9] = [
        (&|endpoint| Session::new(exchange(endpoint)), plain),
        (&|endpoint| Session::new(parameter(endpoint)), plain),
        (&|endpoint| Session::new(exchange(endpoint).refresh_with_scope()), all),
        (&|endpoint| Session::new(exchange(endpoint).refresh_without_audience()), &plain[1..]),
        (&|endpoint| Session::new(exchange(endpoint).refresh_without_resource()), &plain[..1]),
        (&|endpoint| Session::new(bearer(endpoint)), plain),
        (&|endpoint| Session::new(bearer(endpoint).refresh_with_scope()), all),
        (&|endpoint| Session::new(bearer(endpoint).refresh_without_audience()), &plain[1..]),
        (&|endpoint| Session::new(bearer(endpoint).refresh_without_resource()), &plain[..1]),
    ];
    for (make, repeated) in cases {
        let issuer = Issuer::new();
        // The endpoint's own come with every request, and once.
        let endpoint = issuer.endpoint().parameter("audience", "of the endpoint").parameter("region", "eu");
        let session = make(endpoint);
        issuer.next(Answer::tokens().with_refresh_token());
        let first = session.token().await.unwrap();
        let refresh_token = issuer.last_refresh_token();
        session.renew(first.generation()).await.unwrap();
        let mut expected = vec![("grant_type", "refresh_token"), ("refresh_token", &*refresh_token)];
        expected.extend(repeated);
        if !repeated.contains(&("audience", "o")) {
            expected.push(("audience", "of the endpoint"));
        }
        expected.push(("region", "eu"));
        assert_eq!(last_form(&issuer), form(&expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_opens_nothing_is_taken_where_it_was_asked_for_and_nowhere_else() {
    let identity = || Answer::tokens().token_type("N_A").member("issued_token_type", TokenType::ID_JAG.as_str());
    let issuer = Issuer::new();
    issuer.always(identity());
    let grant = |issuer: &Issuer| TokenExchangeGrant::new(issuer.endpoint(), "subject");
    let session = Session::new(grant(&issuer).requested_token_type(TokenType::ID_JAG));
    assert_eq!(session.token().await.unwrap().token_set().access_token().expose_secret(), &*issuer.last_access_token());
    for refused in [grant(&issuer), grant(&issuer).requested_token_type(TokenType::ACCESS_TOKEN)] {
        let error = Session::new(refused).token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedTokenType, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_type_than_was_asked_for_is_an_error() {
    let issuer = Issuer::new();
    for (asked, issued, is_taken) in [
        (TokenType::ID_JAG, TokenType::ACCESS_TOKEN, false),
        (TokenType::ACCESS_TOKEN, TokenType::ID_TOKEN, false),
        (TokenType::ACCESS_TOKEN, TokenType::JWT, true),
        (TokenType::JWT, TokenType::ACCESS_TOKEN, true),
        (TokenType::other("urn:example:mine"), TokenType::other("urn:example:mine"), true),
    ] {
        issuer.always(Answer::tokens().member("issued_token_type", issued.as_str()));
        let grant = TokenExchangeGrant::new(issuer.endpoint(), "subject").requested_token_type(asked.clone());
        let answer = Session::new(grant).token().await;
        assert_eq!(answer.is_ok(), is_taken, "{asked:?} {issued:?}");
        if let Err(error) = answer {
            assert_eq!(error.kind(), ErrorKind::UnsupportedTokenType);
            assert!(error.to_string().contains(asked.as_str()), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_opens_nothing_is_never_renewed_into_one_that_does() {
    let issuer = Issuer::new();
    let kind = TokenType::ID_JAG;
    issuer.always(Answer::tokens().with_refresh_token().member("issued_token_type", kind.as_str()));
    let grant = TokenExchangeGrant::new(issuer.endpoint(), "subject").requested_token_type(kind);
    let session = Session::new(grant);
    let token = session.token().await.unwrap();
    session.renew(token.generation()).await.unwrap();
    assert_eq!(issuer.token_requests_of(EXCHANGE), 2);
    // A server that does not say what came has issued an access token.
    issuer.always(Answer::tokens());
    let token = session.token().await.unwrap();
    assert_eq!(session.renew(token.generation()).await.unwrap_err().kind(), ErrorKind::UnsupportedTokenType);
}

#[tokio::test(start_paused = true)]
async fn no_parameter_is_sent_twice_whoever_names_it() {
    let issuer = Issuer::new();
    let endpoint = issuer.endpoint().client_auth(ClientAuth::post(CLIENT_ID, CLIENT_SECRET));
    let endpoint = endpoint.parameter("client_id", "other").parameter("scope", "other").parameter("once", "1");
    let grant = JwtBearerGrant::new(endpoint.clone().parameter("once", "2"), "a.b.c")
        .parameter("grant_type", "other")
        .parameter("assertion", "other")
        .parameter("scope", "mine")
        .audience("a")
        .audience("b");
    Session::new(grant).token().await.unwrap();
    let sent: Vec<_> = issuer.last_request().form;
    for (name, values) in [
        ("client_id", &[CLIENT_ID][..]),
        ("grant_type", &[JWT_BEARER]),
        ("assertion", &["a.b.c"]),
        ("scope", &["mine"]),
        ("once", &["1"]),
        ("audience", &["a", "b"]),
    ] {
        let told: Vec<_> = sent.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
        assert_eq!(told, values, "{name}");
    }
}

#[test]
fn nothing_of_the_tokens_is_shown() {
    let endpoint = Issuer::new().endpoint().client_auth(ClientAuth::assertion("id", "hunter2"));
    let source = SecretSource::from("hunter2");
    let exchange = TokenExchangeGrant::new(endpoint.clone(), "hunter2").actor_token("hunter2", TokenType::JWT);
    let key = exchange.key();
    let bearer = JwtBearerGrant::new(endpoint.clone(), "hunter2").parameter("p", "hunter2");
    let shown = format!("{endpoint:#?} {source:?} {exchange:#?} {key:?} {bearer:#?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
