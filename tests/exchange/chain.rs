//! One grant feeds another: an exchange at the company's server, its result as a JWT bearer at the API's server.

use std::time::Duration;

use tokio::time::advance;
use tower::{Layer, ServiceExt};
use tower_reauth::{Origins, ReauthLayer};

use super::*;

struct Chain {
    company: Issuer,
    api: Issuer,
    resource: Resource,
    identity: Session,
    session: Session,
}

/// The company's server issues identity assertions that live for five minutes.
fn chain() -> Chain {
    let (company, api) = (Issuer::new(), Issuer::new());
    company.always(
        Answer::tokens().expires_in(300).token_type("N_A").member("issued_token_type", TokenType::ID_JAG.as_str()),
    );
    let exchange = TokenExchangeGrant::new(company.endpoint(), "subject-token-of-alice")
        .subject_token_type(TokenType::ID_TOKEN)
        .requested_token_type(TokenType::ID_JAG)
        .audience("https://auth.api.example");
    let identity = Session::new(exchange);
    let session = Session::new(JwtBearerGrant::new(api.endpoint(), &identity).scope("orders"));
    Chain { resource: Resource::new(&api), company, api, identity, session }
}

fn assertions(issuer: &Issuer) -> Vec<String> {
    issuer.requests().iter().filter_map(|request| request.parameter("assertion").map(str::to_owned)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_one_server_issues_opens_the_other() {
    let chain = chain();
    let service = ReauthLayer::new(chain.session.clone(), Origins::only(ORIGIN).unwrap()).layer(chain.resource.clone());
    assert_eq!(service.clone().oneshot(get("/orders")).await.unwrap().status(), 200);
    assert_eq!((chain.company.token_requests(), chain.api.token_requests()), (1, 1));
    assert_eq!(assertions(&chain.api), chain.company.access_tokens());

    // The API's token is revoked while the assertion is good: the same one is sent.
    chain.api.revoke_all();
    assert_eq!(service.clone().oneshot(get("/orders")).await.unwrap().status(), 200);
    assert_eq!((chain.company.token_requests(), chain.api.token_requests()), (1, 2));

    // When it is not, a new one is fetched first.
    advance(Duration::from_secs(301)).await;
    chain.api.revoke_all();
    assert_eq!(service.oneshot(get("/orders")).await.unwrap().status(), 200);
    assert_eq!((chain.company.token_requests(), chain.api.token_requests()), (2, 3));
    assert_eq!(assertions(&chain.api)[2], chain.company.last_access_token());
}

#[tokio::test(start_paused = true)]
async fn an_assertion_that_the_second_server_has_seen_before_is_renewed_in_the_same_call() {
    let chain = chain();
    let first = chain.session.token().await.unwrap();
    // It takes each assertion once.
    chain.api.next(Answer::error(400, "invalid_grant"));
    chain.session.renew(first.generation()).await.unwrap();
    assert_eq!((chain.company.token_requests(), chain.api.token_requests()), (2, 3));
    let sent = assertions(&chain.api);
    assert_eq!(sent[0], sent[1]);
    assert_ne!(sent[1], sent[2]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_at_the_first_server_is_no_refusal_of_the_second() {
    for answer in [Answer::error(400, "invalid_grant"), Answer::broken(), Answer::status(503, "")] {
        let chain = chain();
        chain.company.next(answer);
        chain.session.token().await.unwrap_err();
        assert_ne!(chain.session.status(), Status::Refused);
        assert_eq!(chain.api.token_requests(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_servers_logout_ends_the_chain_at_the_next_renewal() {
    let chain = chain();
    let token = chain.session.token().await.unwrap();
    chain.identity.logout().await.unwrap();
    let error = chain.session.renew(token.generation()).await.unwrap_err();
    // Its own login goes on: the cause is the other one's.
    assert_eq!(error.kind(), ErrorKind::Secret);
    let cause = std::error::Error::source(&error).and_then(|source| Error::find(source)).unwrap();
    assert_eq!(cause.kind(), ErrorKind::LoggedOut);
    assert_eq!(chain.api.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_make_one_request_at_each_server() {
    let chain = chain();
    let service = ReauthLayer::new(chain.session.clone(), Origins::only(ORIGIN).unwrap()).layer(chain.resource.clone());
    let calls = (0..1000).map(|_| service.clone().oneshot(get("/orders")));
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!((chain.company.token_requests(), chain.api.token_requests()), (1, 1));
}

/// Both sessions share one endpoint with one place: what feeds must not wait for what is fed.
#[tokio::test(start_paused = true)]
async fn a_chain_at_one_server_with_one_place_does_not_wait_for_itself() {
    let issuer = Issuer::new();
    let endpoint = issuer.endpoint().concurrency(1);
    let first = Session::new(TokenExchangeGrant::new(endpoint.clone(), "subject"));
    let second = Session::new(TokenExchangeGrant::new(endpoint.clone(), &first).audience("orders"));
    let third = Session::new(JwtBearerGrant::new(endpoint, second));
    never_hangs(third.token()).await.unwrap();
    assert_eq!(issuer.token_requests(), 3);
}
