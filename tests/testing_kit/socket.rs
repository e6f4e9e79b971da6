//! The same servers over a loopback socket.

use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::Layer;
use tower_reauth::{ClientAuth, Origins, PasswordGrant, ReauthLayer, Session, TokenEndpoint};

use super::*;

type Http = Client<HttpConnector, Full<Bytes>>;

fn client(http2: bool) -> Http {
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

/// Another task has yet to see what happened.
async fn soon(happens: impl AsyncFn() -> bool) {
    for _ in 0..10_000 {
        if happens().await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never happens");
}

fn at(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

#[tokio::test]
async fn servers_speak_both_versions_and_share_their_state_with_those_in_memory() {
    for http2 in [false, true] {
        let issuer = Issuer::new();
        let resource = Resource::new(&issuer);
        let (tokens, api) = (issuer.serve().await.unwrap(), resource.serve().await.unwrap());
        let http = client(http2);
        let endpoint = TokenEndpoint::new(http.clone(), &tokens.url("/token"))
            .and_then(|endpoint| endpoint.revocation(tokens.url("/revoke")))
            .unwrap()
            .client_auth(ClientAuth::basic("app", "secret"));
        let session = Session::new(PasswordGrant::new(endpoint, USERNAME, PASSWORD));
        let service = ReauthLayer::new(session.clone(), Origins::only(api.url("")).unwrap()).layer(http);

        assert_eq!(service.clone().oneshot(at(&api.url("/orders"))).await.unwrap().status(), 200);
        issuer.revoke_all();
        let answer = service.oneshot(at(&api.url("/orders"))).await.unwrap();
        assert_eq!((answer.status().as_u16(), text(answer).await.as_str()), (200, "accepted"));
        session.logout().await.unwrap();

        let expected = [
            "password: token 1",
            "GET /orders, token 1: 200",
            "revoked: all tokens",
            "GET /orders, token 1: 401",
            "refresh token 1 redeemed: token 2",
            "GET /orders, token 2: 200",
            "revocation of refresh token 2: 200",
            "revocation of token 2: 200",
        ];
        assert_eq!(lines(&issuer), expected);
        let version = if http2 { http::Version::HTTP_2 } else { http::Version::HTTP_11 };
        assert!(resource.seen().iter().all(|seen| seen.version == version));
    }
}

#[tokio::test]
async fn server_that_goes_down_ends_its_connections_refuses_others_and_comes_up_at_the_same_address() {
    let issuer = Issuer::new();
    issuer.accept("good");
    let resource = Resource::new(&issuer);
    let api = resource.serve().await.unwrap();
    let http = client(false);
    let url = api.url("/orders");
    let call = || http.request(with_token(&url, "good"));
    for _ in 0..3 {
        assert_eq!(call().await.unwrap().status(), 200);
        resource.go_down();
        // The kept connection is of no use any more, and no other one comes about.
        assert!(call().await.is_err());
        assert!(client(false).request(with_token(&url, "good")).await.unwrap_err().is_connect());
        resource.come_up();
        assert_eq!(client(false).request(with_token(&url, "good")).await.unwrap().status(), 200);
    }
    assert_eq!(resource.count(), 6);
}

#[tokio::test]
async fn port_is_closed_and_open_when_the_lever_returns() {
    let issuer = Issuer::new();
    let server = issuer.serve().await.unwrap();
    // Nothing here waits, so no task of the server's can run.
    let connects = |server: &tower_reauth::testing::Server| std::net::TcpStream::connect(server.addr()).is_ok();
    assert!(connects(&server));
    issuer.go_down();
    assert!(!connects(&server));
    issuer.come_up();
    assert!(connects(&server));
    issuer.go_down();
    let late = issuer.serve().await.unwrap();
    assert!(!connects(&late));
    issuer.come_up();
    assert!(connects(&server) && connects(&late));
}

#[tokio::test]
async fn server_ends_when_it_is_dropped() {
    let issuer = Issuer::new();
    let server = issuer.serve().await.unwrap();
    let url = server.url("/token");
    let http = client(false);
    let ask = || http.request(form_to(&url, "grant_type=password&username=alice"));
    assert_eq!(ask().await.unwrap().status(), 200);
    drop(server);
    soon(async || ask().await.is_err_and(|error| error.is_connect())).await;
    // In memory it goes on.
    log_in(&issuer, "alice").await;
}
