//! The metadata of servers that others wrote: an issuer is enough to log in, to renew and to log out.

use std::{
    env, fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower_reauth::{ClientAuth, ErrorKind, PasswordGrant, Session, TokenEndpoint};

/// A server of `tests/peers/servers.py` that has metadata.
struct Server {
    kind: &'static str,
    /// The path of its issuer.
    issuer: &'static str,
    /// What is asked: nothing is at RFC 8414's place, or a page for people is, or the metadata.
    metadata: &'static [&'static str],
    token: &'static str,
    /// Where its metadata says that tokens are revoked.
    revoke: Option<&'static str>,
    user: (&'static str, &'static str),
    scope: Option<&'static str>,
}

const SERVERS: [Server; 3] = [
    Server {
        kind: "glewlwyd",
        issuer: "/api/oidc",
        metadata: &[
            "GET /.well-known/oauth-authorization-server/api/oidc",
            "GET /api/oidc/.well-known/openid-configuration",
        ],
        token: "/api/oidc/token",
        revoke: Some("/api/oidc/revoke"),
        user: ("bob", "bobpassword"),
        scope: Some("api openid"),
    },
    Server {
        kind: "lemonldap",
        issuer: "/",
        metadata: &["GET /.well-known/oauth-authorization-server", "GET /.well-known/openid-configuration"],
        token: "/oauth2/token",
        revoke: None,
        user: ("dwho", "dwho"),
        scope: Some("openid"),
    },
    Server {
        kind: "oidc-provider",
        issuer: "",
        metadata: &["GET /.well-known/oauth-authorization-server"],
        token: "/token",
        revoke: Some("/token/revocation"),
        user: ("bob", "bobpassword"),
        scope: None,
    },
];

type Asked = Arc<Mutex<Vec<String>>>;

fn issuer(server: &Server) -> String {
    let folder = env::var("PEER_SERVERS").expect("PEER_SERVERS is not set: run this test with .ci/peers");
    let kept = fs::read(PathBuf::from(folder).join(server.kind).join("kept.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    format!("http://127.0.0.1:{}{}", kept["port"], server.issuer)
}

/// The endpoint of this issuer, and what was asked there.
fn discover(issuer: &str) -> (TokenEndpoint, Asked) {
    let (http, asked) = (Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>(), Asked::default());
    let service = {
        let asked = Arc::clone(&asked);
        tower::service_fn(move |request: Request<Full<Bytes>>| {
            asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
            http.request(request)
        })
    };
    (TokenEndpoint::discover(service, issuer).unwrap().client_auth(ClientAuth::basic("app", "appsecret")), asked)
}

fn login(server: &Server, endpoint: TokenEndpoint) -> Session {
    let grant = PasswordGrant::new(endpoint, server.user.0, server.user.1);
    Session::new(server.scope.into_iter().fold(grant, PasswordGrant::scope))
}

#[tokio::test]
async fn issuer_is_enough_to_log_in_renew_and_log_out() {
    for server in &SERVERS {
        let kind = server.kind;
        let (endpoint, asked) = discover(&issuer(server));
        let session = login(server, endpoint);
        let token = session.token().await.unwrap();
        session.renew(token.generation()).await.unwrap();
        session.logout().await.unwrap();

        let asked = asked.lock().unwrap().clone();
        let (gets, posts): (Vec<_>, Vec<_>) = asked.iter().partition(|line| line.starts_with("GET "));
        assert_eq!(gets, server.metadata, "{kind}");
        assert_eq!(posts[..2], [&format!("POST {}", server.token); 2], "{kind}");
        let revocations = server.revoke.map_or_else(Vec::new, |revoke| vec![format!("POST {revoke}"); 2]);
        assert!(posts[2..].iter().copied().eq(&revocations), "{kind}: {posts:?}");
    }
}

#[tokio::test]
async fn issuer_with_a_slash_too_many_or_too_few_is_another_one() {
    for server in &SERVERS {
        let right = issuer(server);
        let wrong = right.strip_suffix('/').map_or_else(|| format!("{right}/"), str::to_owned);
        let error = login(server, discover(&wrong).0).token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Discovery, "{}: {error}", server.kind);
        assert!(error.to_string().contains("by a slash at the end"), "{}: {error}", server.kind);
    }
}
