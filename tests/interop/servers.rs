//! Authorization servers that others wrote, each in words of its own: glewlwyd, LemonLDAP::NG, Authlib, and node's
//! oidc-provider. `tests/peers/servers.py` runs three of each: one for most tests, one whose tokens live for 5 s, and one that
//! is restarted.

use std::{env, fs, path::PathBuf, process::Command, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    ClientAuth, ErrorKind, Origins, PasswordGrant, Reauth, ReauthLayer, Session, Status, TokenEndpoint,
};

use super::proxy::Proxy;

/// One server, with what makes it another one than the others.
pub(crate) struct Server {
    kind: &'static str,
    pub(crate) token: &'static str,
    pub(crate) revoke: &'static str,
    api: &'static str,
    scope: Option<&'static str>,
    user: (&'static str, &'static str),
    /// RFC 7009: LemonLDAP::NG answers it with its login page.
    revokes: bool,
    /// A restart forgets every token.
    forgets: bool,
    /// What a wrong password and a dead refresh token are answered with.
    refusals: (u16, u16),
}

const USER: (&str, &str) = ("bob", "bobpassword");
const CLIENT: (&str, &str) = ("app", "appsecret");

static SERVERS: [Server; 4] = [
    Server {
        kind: "glewlwyd",
        token: "/api/oidc/token",
        revoke: "/api/oidc/revoke",
        api: "/api/oidc/userinfo",
        scope: Some("api openid"),
        user: USER,
        revokes: true,
        forgets: false,
        // Both without a body.
        refusals: (403, 400),
    },
    Server {
        kind: "lemonldap",
        token: "/oauth2/token",
        revoke: "/oauth2/revoke",
        api: "/oauth2/userinfo",
        scope: Some("openid"),
        // One of its demonstration users, whose password is the name.
        user: ("dwho", "dwho"),
        revokes: false,
        forgets: false,
        refusals: (400, 400),
    },
    Server {
        kind: "authlib",
        token: "/token",
        revoke: "/revoke",
        api: "/me",
        scope: None,
        user: USER,
        revokes: true,
        forgets: true,
        refusals: (400, 400),
    },
    Server {
        kind: "oidc-provider",
        token: "/token",
        revoke: "/token/revocation",
        api: "/me",
        scope: None,
        user: USER,
        revokes: true,
        forgets: true,
        refusals: (400, 400),
    },
];

/// One running server with a counting proxy before it, and a device that talks through both.
struct Peer {
    server: &'static Server,
    folder: PathBuf,
    proxy: Proxy,
    http: Http,
    session: Session,
    api: Reauth<Http>,
}

type Http = Client<HttpConnector, Full<Bytes>>;

impl Peer {
    async fn of(server: &'static Server, which: &str, password: &str) -> Self {
        let folder = env::var("PEER_SERVERS").expect("PEER_SERVERS is not set: run this test with .ci/peers");
        let folder = PathBuf::from(folder).join(format!("{}{which}", server.kind));
        let kept: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("kept.json")).unwrap()).unwrap();
        let port = kept["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        let proxy = Proxy::start(server, port).await;
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        let endpoint = TokenEndpoint::new(http.clone(), &format!("{}{}", proxy.url, server.token))
            .and_then(|endpoint| endpoint.revocation(&format!("{}{}", proxy.url, server.revoke)))
            .unwrap()
            .client_auth(ClientAuth::basic(CLIENT.0, CLIENT.1));
        let grant = PasswordGrant::new(endpoint, server.user.0, password);
        let grant = server.scope.into_iter().fold(grant, PasswordGrant::scope);
        let session = Session::new(grant);
        let origins = Origins::only(&proxy.url).unwrap();
        let api = ReauthLayer::new(session.clone(), origins).layer(http.clone());
        Self { server, folder, proxy, http, session, api }
    }

    async fn new(server: &'static Server) -> Self {
        Self::of(server, "", server.user.1).await
    }

    async fn get(&self) -> Result<StatusCode, tower_reauth::Error> {
        let request = Request::get(format!("{}{}", self.proxy.url, self.server.api)).body(Full::default()).unwrap();
        let (head, body) = self.api.clone().oneshot(request).await?.into_parts();
        body.collect().await.unwrap();
        Ok(head.status)
    }

    async fn tokens(&self) -> (String, String) {
        let token = self.session.token().await.unwrap();
        let refresh_token = token.token_set().refresh_token().expect("a refresh token").expose_secret().to_owned();
        (token.token_set().access_token().expose_secret().to_owned(), refresh_token)
    }

    /// A request without a layer, and past the proxy's counters: straight to the server.
    async fn bare(&self, path: &str, token: Option<&str>, form: &[(&str, &str)]) -> StatusCode {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let kept: serde_json::Value =
            serde_json::from_slice(&fs::read(self.folder.join("kept.json")).unwrap()).unwrap();
        let uri = format!("http://127.0.0.1:{}{path}", kept["port"]);
        let request = match token {
            Some(token) => Request::get(uri).header("authorization", format!("Bearer {token}")),
            None => {
                use base64::Engine;
                let client = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", CLIENT.0, CLIENT.1));
                Request::post(uri)
                    .header("authorization", format!("Basic {client}"))
                    .header("content-type", "application/x-www-form-urlencoded")
            }
        };
        self.http.request(request.body(Full::from(form)).unwrap()).await.unwrap().status()
    }

    async fn status_of(&self, access_token: &str) -> StatusCode {
        self.bare(self.server.api, Some(access_token), &[]).await
    }

    async fn redeem(&self, refresh_token: &str) -> StatusCode {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.bare(self.server.token, None, &form).await
    }

    /// Kills both tokens, as another device or an administrator would.
    async fn kill(&self, access_token: &str, refresh_token: &str) {
        if self.server.revokes {
            for token in [refresh_token, access_token] {
                self.bare(self.server.revoke, None, &[("token", token)]).await;
            }
        } else {
            // It knows no revocation: what it keeps of its tokens goes.
            for folder in ["sessions", "cache"] {
                empty(&self.folder.join(folder));
            }
        }
        assert_eq!(self.status_of(access_token).await, StatusCode::UNAUTHORIZED, "{}", self.server.kind);
    }

    fn restart(&self) -> Command {
        let mut command = Command::new(env::var("PEER_PYTHON").unwrap());
        command.args(["tests/peers/servers.py", "restart"]).arg(&self.folder);
        command
    }
}

/// Removes the files below a folder, and leaves the folders.
fn empty(folder: &std::path::Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { empty(&entry.path()) } else { fs::remove_file(entry.path()).unwrap() }
    }
}

#[tokio::test]
async fn work_goes_on_after_a_revocation_by_one_refresh_and_one_password() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::new(server).await;
        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
        let (access_token, refresh_token) = peer.tokens().await;
        peer.kill(&access_token, &refresh_token).await;
        // The refresh token is refused in the server's own words.
        assert_eq!(peer.redeem(&refresh_token).await.as_u16(), server.refusals.1);

        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
        assert_eq!(peer.proxy.asked(), (2, 1));
        assert_eq!(peer.session.status(), Status::Active);
        // And again, with the new pair.
        let token = peer.session.token().await.unwrap();
        peer.session.renew(token.generation()).await.unwrap();
        assert_eq!(peer.proxy.asked(), (2, 2));
        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn crowd_is_healed_by_one_renewal() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::new(server).await;
        let (access_token, refresh_token) = peer.tokens().await;
        peer.kill(&access_token, &refresh_token).await;
        for answer in join_all((0..50).map(|_| peer.get())).await {
            assert_eq!(answer.unwrap(), StatusCode::OK);
        }
        assert_eq!(peer.proxy.asked(), (2, 1));
    }
}

#[tokio::test]
async fn wrong_password_is_one_send() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::of(server, "", "not the password").await;
        for minutes in [0, 0, 1, 5, 15, 120] {
            // Only for a moment: time that stands still while a real server works would jump to the next time-out.
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(60 * minutes)).await;
            tokio::time::resume();
            let error = peer.get().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
            assert_eq!(error.status().unwrap().as_u16(), server.refusals.0);
        }
        assert_eq!(peer.proxy.asked(), (1, 0));
        assert_eq!((peer.session.status(), peer.proxy.count("api")), (Status::Refused, 0));
    }
}

#[tokio::test]
async fn logout_is_seen_at_the_server_or_told_not_to_be() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::new(server).await;
        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
        let (access_token, refresh_token) = peer.tokens().await;
        let logout = peer.session.logout().await;
        assert_eq!(peer.get().await.unwrap_err().kind(), ErrorKind::LoggedOut);
        if server.revokes {
            logout.unwrap();
            assert_eq!(peer.status_of(&access_token).await, StatusCode::UNAUTHORIZED);
            assert_eq!(peer.redeem(&refresh_token).await.as_u16(), server.refusals.1);
        } else {
            assert_eq!(logout.unwrap_err().kind(), ErrorKind::NotRevoked);
        }
    }
}

#[tokio::test]
async fn tokens_that_live_for_five_seconds_carry_a_minute_of_calls() {
    let minute = async |server: &'static Server| {
        let peer = Peer::of(server, "-short", server.user.1).await;
        let start = Instant::now();
        let mut calls = 0;
        while start.elapsed() < Duration::from_secs(60) {
            assert_eq!(peer.get().await.unwrap(), StatusCode::OK, "{}, call {calls}", server.kind);
            calls += 1;
            sleep(Duration::from_millis(100)).await;
        }
        let (passwords, refreshes) = peer.proxy.asked();
        println!("{}: {calls} calls, {passwords} passwords, {refreshes} refreshes", server.kind);
        assert_eq!(passwords, 1, "{}", server.kind);
        // One for each lifetime, less the margin, that passes.
        assert!((10..=14).contains(&refreshes), "{}: {refreshes}", server.kind);
    };
    join_all(SERVERS.iter().map(minute)).await;
}

#[tokio::test]
async fn restart_in_the_middle_logs_nobody_out() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::of(server, "-restarted", server.user.1).await;
        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
        let mut command = peer.restart();
        let mut restart = tokio::task::spawn_blocking(move || command.status().unwrap());
        loop {
            tokio::select! {
                status = &mut restart => break assert!(status.unwrap().success()),
                // While it is away, the API answers with the proxy's 502.
                () = sleep(Duration::from_millis(20)) => drop(peer.get().await.unwrap()),
            }
        }
        while peer.get().await.unwrap() != StatusCode::OK {
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(peer.session.status(), Status::Active);
        let (passwords, refreshes) = peer.proxy.asked();
        if server.forgets {
            assert!((1..=2).contains(&refreshes) && passwords == 2, "{passwords}, {refreshes}");
        } else {
            assert_eq!((passwords, refreshes), (1, 0));
        }
    }
}
