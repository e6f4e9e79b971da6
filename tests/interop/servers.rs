//! Authorization servers that others wrote, each in words of its own: glewlwyd, LemonLDAP::NG, Authlib, and node's
//! oidc-provider. `tests/peers/servers.py` runs three of each: one for most tests, one whose tokens live for 5 s, and one that
//! is restarted. What is claimed of all of them is in `refusals` and `endurance`.

use std::{env, fs, path::PathBuf, process::Command};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use secrecy::ExposeSecret;
use tower::{Layer, ServiceExt};
use tower_reauth::{ClientAuth, Origins, PasswordGrant, Reauth, ReauthLayer, Session, TokenEndpoint};

use super::proxy::{Paths, Proxy};

/// One server, with what makes it another one than the others.
pub(crate) struct Server {
    pub(super) kind: &'static str,
    paths: Paths,
    api: &'static str,
    scope: Option<&'static str>,
    pub(super) user: (&'static str, &'static str),
    /// RFC 7009: LemonLDAP::NG wants a person to log in first.
    pub(super) revokes: bool,
    /// Its refresh token lives on when the access token is revoked.
    pub(super) refresh_outlives: bool,
    /// A refresh token is good for one refresh.
    pub(super) rotates: bool,
    /// A restart forgets every token.
    pub(super) forgets: bool,
    /// What a wrong password and a dead refresh token are answered with.
    pub(super) refusals: (u16, u16),
}

const USER: (&str, &str) = ("bob", "bobpassword");
const CLIENT: (&str, &str) = ("app", "appsecret");

pub(super) static SERVERS: [Server; 4] = [
    Server {
        kind: "glewlwyd",
        paths: Paths { token: "/api/oidc/token", revoke: "/api/oidc/revoke" },
        api: "/api/oidc/userinfo",
        scope: Some("api openid"),
        user: USER,
        revokes: true,
        refresh_outlives: true,
        rotates: true,
        forgets: false,
        // Both without a body.
        refusals: (403, 400),
    },
    Server {
        kind: "lemonldap",
        paths: Paths { token: "/oauth2/token", revoke: "/oauth2/revoke" },
        api: "/oauth2/userinfo",
        scope: Some("openid"),
        // One of its demonstration users, whose password is the name.
        user: ("dwho", "dwho"),
        revokes: false,
        refresh_outlives: true,
        rotates: false,
        forgets: false,
        refusals: (400, 400),
    },
    Server {
        kind: "authlib",
        paths: Paths { token: "/token", revoke: "/revoke" },
        api: "/me",
        scope: None,
        user: USER,
        revokes: true,
        refresh_outlives: false,
        rotates: true,
        forgets: true,
        refusals: (400, 400),
    },
    Server {
        kind: "oidc-provider",
        paths: Paths { token: "/token", revoke: "/token/revocation" },
        api: "/me",
        scope: None,
        user: USER,
        revokes: true,
        refresh_outlives: false,
        rotates: true,
        forgets: true,
        refusals: (400, 400),
    },
];

/// One running server with a counting proxy before it, and a device that talks through both.
pub(super) struct Peer {
    pub(super) server: &'static Server,
    folder: PathBuf,
    pub(super) proxy: Proxy,
    http: Http,
    pub(super) session: Session,
    api: Reauth<Http>,
}

type Http = Client<HttpConnector, Full<Bytes>>;

impl Peer {
    pub(super) async fn of(server: &'static Server, which: &str, password: &str) -> Self {
        let folder = env::var("PEER_SERVERS").expect("PEER_SERVERS is not set: run this test with .ci/peers");
        let folder = PathBuf::from(folder).join(format!("{}{which}", server.kind));
        let kept: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("kept.json")).unwrap()).unwrap();
        let proxy = Proxy::start(server.paths, format!("http://127.0.0.1:{}", kept["port"])).await;
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        let endpoint = TokenEndpoint::new(http.clone(), &format!("{}{}", proxy.url, server.paths.token))
            .and_then(|endpoint| endpoint.revocation(format!("{}{}", proxy.url, server.paths.revoke)))
            .unwrap()
            .client_auth(ClientAuth::basic(CLIENT.0, CLIENT.1));
        let grant = PasswordGrant::new(endpoint, server.user.0, password);
        let grant = server.scope.into_iter().fold(grant, PasswordGrant::scope);
        let session = Session::new(grant);
        let origins = Origins::only(&proxy.url).unwrap();
        let api = ReauthLayer::new(session.clone(), origins).layer(http.clone());
        Self { server, folder, proxy, http, session, api }
    }

    pub(super) async fn new(server: &'static Server) -> Self {
        Self::of(server, "", server.user.1).await
    }

    pub(super) async fn get(&self) -> Result<StatusCode, tower_reauth::Error> {
        let request = Request::get(format!("{}{}", self.proxy.url, self.server.api)).body(Full::default()).unwrap();
        let (head, body) = self.api.clone().oneshot(request).await?.into_parts();
        // One that a restart cuts off is none.
        Ok(body.collect().await.map_or(StatusCode::BAD_GATEWAY, |_| head.status))
    }

    pub(super) async fn tokens(&self) -> (String, String) {
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

    pub(super) async fn status_of(&self, access_token: &str) -> StatusCode {
        self.bare(self.server.api, Some(access_token), &[]).await
    }

    pub(super) async fn redeem(&self, refresh_token: &str) -> StatusCode {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.bare(self.server.paths.token, None, &form).await
    }

    /// Kills one token, as another device or an administrator would.
    pub(super) async fn kill(&self, token: &str) {
        if self.server.revokes {
            self.bare(self.server.paths.revoke, None, &[("token", token)]).await;
        } else {
            // It knows no revocation, and keeps each token in a file of that name.
            fs::remove_file(self.folder.join("sessions").join(token)).unwrap();
        }
    }

    pub(super) async fn kill_both(&self, access_token: &str, refresh_token: &str) {
        self.kill(refresh_token).await;
        self.kill(access_token).await;
        assert_eq!(self.status_of(access_token).await, StatusCode::UNAUTHORIZED, "{}", self.server.kind);
    }

    pub(super) fn restart(&self) -> Command {
        let mut command = Command::new(env::var("PEER_PYTHON").unwrap());
        command.args(["tests/peers/servers.py", "restart"]).arg(&self.folder);
        command
    }
}
