//! Tokens that are bound to a key (RFC 9449), at servers that others wrote: node's oidc-provider, which asks for nonces at both of its
//! endpoints, and Solid's Community Server, which has none, and answers whatever displeases it by one and the same challenge.

mod wire;

use std::{collections::HashSet, env, fs, path::PathBuf, process::Command, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::runtime;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    ClientAuth, ClientCredentialsGrant, DpopKey, Error, ErrorKind, Grant, JwtAlgorithm, Origins, PasswordGrant, Reauth,
    ReauthLayer, RefreshTokenGrant, Session, Status, TokenEndpoint, TokenSet, grant_fn,
};

use self::wire::{Exchange, Http, Wire};
use crate::refusals::pass;

const ALGORITHMS: [JwtAlgorithm; 2] = [JwtAlgorithm::ES256, JwtAlgorithm::EdDSA];

/// Both clients of oidc-provider whose tokens must be bound: one has no secret, and its refresh tokens are bound as well.
fn clients() -> [ClientAuth; 2] {
    [ClientAuth::none("dpop-public"), ClientAuth::basic("dpop", "appsecret")]
}

/// One of the running servers.
struct Server {
    folder: PathBuf,
    url: String,
    token: &'static str,
    resource: &'static str,
}

/// A client with a session and a key, and all that it sends.
struct Device {
    wire: Wire,
    session: Session,
    api: Reauth<Http>,
    resource: String,
}

impl Server {
    fn oidc_provider(which: &str) -> Self {
        Self::at(&format!("oidc-provider{which}"), "127.0.0.1", "/token", "/me")
    }

    fn solid() -> Self {
        Self::at("solid", "localhost", "/.oidc/token", "/bob/orders.txt")
    }

    fn at(folder: &str, host: &str, token: &'static str, resource: &'static str) -> Self {
        let servers = env::var("PEER_SERVERS").expect("PEER_SERVERS is not set: run this test with .ci/peers");
        let folder = PathBuf::from(servers).join(folder);
        let kept: Value = serde_json::from_slice(&fs::read(folder.join("kept.json")).unwrap()).unwrap();
        Self { folder, url: format!("http://{host}:{}", kept["port"]), token, resource }
    }

    fn endpoint(&self, wire: &Wire, client: ClientAuth) -> TokenEndpoint {
        TokenEndpoint::new(wire.service(), format!("{}{}", self.url, self.token)).unwrap().client_auth(client)
    }

    /// A device of bob's.
    fn device(&self, client: ClientAuth, key: DpopKey) -> Device {
        self.caller(key, |endpoint| PasswordGrant::new(endpoint, "bob", "bobpassword"), client)
    }

    fn caller<G: Grant>(&self, key: DpopKey, grant: impl FnOnce(TokenEndpoint) -> G, client: ClientAuth) -> Device {
        let wire = Wire::new();
        let session = Session::builder(grant(self.endpoint(&wire, client))).dpop(key).build();
        self.with(wire, session)
    }

    /// One who has a token of somebody else's, and a key of his own.
    fn thief(&self, token: &str) -> Device {
        let token = token.to_owned();
        let grant = grant_fn(move |_context| {
            let token = token.clone();
            async move { Ok(TokenSet::new(token)?.with_dpop()) }
        });
        self.with(Wire::new(), Session::builder(grant).dpop(DpopKey::generate().unwrap()).build())
    }

    fn with(&self, wire: Wire, session: Session) -> Device {
        let api = ReauthLayer::new(session.clone(), Origins::only(&self.url).unwrap()).layer(wire.service());
        Device { wire, session, api, resource: format!("{}{}", self.url, self.resource) }
    }

    fn restart(&self) {
        let python = env::var("PEER_PYTHON").unwrap();
        let status =
            Command::new(python).args(["tests/peers/servers.py", "restart"]).arg(&self.folder).status().unwrap();
        assert!(status.success());
    }
}

impl Device {
    async fn get(&self) -> Result<StatusCode, Error> {
        self.send(Request::get(&self.resource).body(Full::default()).unwrap()).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<StatusCode, Error> {
        self.api.clone().oneshot(request).await.map(|response| response.status())
    }

    /// What was sent since somebody asked last, and how it was answered.
    fn sent(&self) -> (Vec<Exchange>, Vec<(String, u16)>) {
        let all = self.wire.sent();
        let told = all.iter().map(|one| (one.what.clone(), one.status)).collect();
        (all, told)
    }

    async fn refresh_token(&self) -> String {
        let token = self.session.token().await.unwrap();
        token.token_set().refresh_token().unwrap().expose_secret().to_owned()
    }
}

fn told(what: &[(&str, u16)]) -> Vec<(String, u16)> {
    what.iter().map(|(what, status)| ((*what).to_owned(), *status)).collect()
}

#[tokio::test]
async fn login_and_first_call_are_asked_for_a_nonce_once_each_and_the_next_call_has_one() {
    let server = Server::oidc_provider("");
    for (client, algorithm) in clients().into_iter().zip(ALGORITHMS) {
        let device = server.device(client, DpopKey::generate_with(algorithm).unwrap());
        assert_eq!(device.get().await.unwrap(), StatusCode::OK);
        let (mut all, seen) = device.sent();
        assert_eq!(seen, told(&[("password", 400), ("password", 200), ("GET /me", 401), ("GET /me", 200)]));
        assert!(all[2].challenge.contains("use_dpop_nonce"), "{}", all[2].challenge);

        for _ in 0..2 {
            assert_eq!(device.get().await.unwrap(), StatusCode::OK);
            let (more, seen) = device.sent();
            assert_eq!(seen, told(&[("GET /me", 200)]));
            all.extend(more);
        }
        // Each of them, replays included, was a proof of its own.
        let ids: HashSet<_> = all.iter().map(|one| one.claim("jti").to_string()).collect();
        assert_eq!(ids.len(), 6);
        assert!(all[1].claim("nonce").is_string() && all[0].claim("nonce").is_null());
    }
}

#[tokio::test]
async fn refresh_token_of_a_client_without_a_secret_is_good_for_its_key_alone() {
    let server = Server::oidc_provider("");
    let [public, confidential] = clients();
    for (client, is_bound) in [(public, true), (confidential, false)] {
        let device = server.device(client.clone(), DpopKey::generate().unwrap());
        assert_eq!(device.get().await.unwrap(), StatusCode::OK);
        let stolen = device.refresh_token().await;
        device.sent();

        let thief =
            |key: DpopKey| server.caller(key, |endpoint| RefreshTokenGrant::new(endpoint, &*stolen), client.clone());
        if is_bound {
            let thief = thief(DpopKey::generate().unwrap());
            assert_eq!(thief.get().await.unwrap_err().kind(), ErrorKind::Refused);
            assert_eq!(thief.sent().1[..2], told(&[("refresh_token", 400), ("refresh_token", 400)]));
            // It was not spent by that.
            let token = device.session.token().await.unwrap();
            device.session.renew(token.generation()).await.unwrap();
            assert_eq!(device.sent().1, told(&[("refresh_token", 200)]));
            assert_eq!(device.get().await.unwrap(), StatusCode::OK);
        } else {
            // RFC 9449 §5: the secret protects it, and the new tokens are bound to another key.
            assert_eq!(thief(DpopKey::generate().unwrap()).get().await.unwrap(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn stolen_token_is_refused_without_its_key_and_a_stolen_request_the_second_time() {
    let server = Server::oidc_provider("");
    for client in clients() {
        let device = server.device(client, DpopKey::generate().unwrap());
        assert_eq!(device.get().await.unwrap(), StatusCode::OK);
        let (all, _) = device.sent();
        let (login, call) = (&all[1], &all[3]);
        assert_eq!((login.status, call.status), (200, 200));

        assert_eq!(device.wire.as_bearer(call).await, 401);
        assert_eq!(server.thief(&call.token()).get().await.unwrap(), StatusCode::UNAUTHORIZED);
        assert_eq!(device.wire.repeat(call).await, 401);
        assert_eq!(device.wire.repeat(login).await, 400);
        device.sent();

        // The owner is none the worse for it.
        assert_eq!(device.get().await.unwrap(), StatusCode::OK);
        assert_eq!(device.sent().1, told(&[("GET /me", 200)]));
    }
}

/// The server forgets its nonces and all tokens: what it says first is that the nonce is old.
#[tokio::test]
async fn nonce_that_died_with_the_token_is_healed_with_it_in_one_call() {
    let server = Server::oidc_provider("-bound");
    let devices = clients().map(|client| server.device(client, DpopKey::generate().unwrap()));
    for device in &devices {
        assert_eq!(device.get().await.unwrap(), StatusCode::OK);
        device.sent();
    }

    server.restart();

    for device in &devices {
        assert_eq!(device.get().await.unwrap(), StatusCode::OK);
        let (all, seen) = device.sent();
        let refreshes = [("refresh_token", 400), ("refresh_token", 400)];
        let calls = [("GET /me", 401), ("GET /me", 401)];
        assert_eq!(seen, told(&[&calls[..], &refreshes, &[("password", 200), ("GET /me", 200)]].concat()));
        assert!(all[0].challenge.contains("use_dpop_nonce") && all[1].challenge.contains("invalid_token"));
        assert_eq!(device.session.status(), Status::Active);
    }
}

fn solid_device(server: &Server) -> Device {
    let client: Value = serde_json::from_slice(&fs::read(server.folder.join("client.json")).unwrap()).unwrap();
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let client = ClientAuth::basic(text("id"), text("secret"));
    let grant = |endpoint| ClientCredentialsGrant::new(endpoint).scope("webid");
    server.caller(DpopKey::generate().unwrap(), grant, client)
}

fn order(device: &Device) -> Request<Full<Bytes>> {
    let body = Full::from("two pears");
    Request::put(&device.resource).header("content-type", "text/plain").body(body).unwrap()
}

#[tokio::test]
async fn solid_keeps_what_its_owner_proves_and_refuses_the_thief() {
    let server = Server::solid();
    let device = solid_device(&server);
    assert!(device.send(order(&device)).await.unwrap().is_success());
    assert_eq!(device.get().await.unwrap(), StatusCode::OK);
    let (all, seen) = device.sent();
    let put = seen[1].1;
    let path = "/bob/orders.txt";
    let expected = [("client_credentials", 200), ("PUT /bob/orders.txt", put), ("GET /bob/orders.txt", 200)];
    assert_eq!(seen, told(&expected));
    assert_eq!(all[2].claim("htu"), format!("{}{path}", server.url));

    assert_eq!(device.wire.as_bearer(&all[2]).await, 401);
    assert_eq!(server.thief(&all[2].token()).get().await.unwrap(), StatusCode::UNAUTHORIZED);
    assert_eq!(device.wire.repeat(&all[2]).await, 401);
    assert_eq!(device.wire.repeat(&all[0]).await, 400);
    assert_eq!(device.get().await.unwrap(), StatusCode::OK);
}

/// The token endpoint says that the proof is wrong, and the resource server nothing: the `Date` of both tells by how much.
#[test]
fn clock_that_is_minutes_ahead_is_healed_by_the_servers_date() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::solid();
        pass(Duration::from_secs(7 * 60)).await;
        let device = solid_device(&server);
        assert!(device.send(order(&device)).await.unwrap().is_success());
        let (all, seen) = device.sent();
        let asked = [("client_credentials", 400), ("client_credentials", 200), ("PUT /bob/orders.txt", 401)];
        assert_eq!(seen[..3], told(&asked));
        assert_eq!(seen.len(), 4);
        assert!(all[0].claim("iat").as_u64() > all[1].claim("iat").as_u64().map(|iat| iat + 6 * 60));

        // It is learned once.
        assert_eq!(device.get().await.unwrap(), StatusCode::OK);
        assert_eq!(device.sent().1, told(&[("GET /bob/orders.txt", 200)]));
    });
}
