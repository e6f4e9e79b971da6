//! One server of the table, running, and a client of it.

use std::{env, fs, path::PathBuf};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use secrecy::ExposeSecret;
use serde_json::Value;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Assertion, ClientAuth, Grant, JwtAlgorithm, JwtKey, Origins, PasswordGrant, Reauth, ReauthLayer, Session,
    TokenEndpoint,
};

use super::{
    authority::{Api, Audience, Authority, Lacking, PASSWORD, Signing, USER},
    embedded, introspected,
};
use crate::proxy::{Paths, Proxy};

/// One server that runs, with a counting proxy before it.
pub(super) struct Running {
    pub(super) authority: &'static Authority,
    pub(super) proxy: Proxy,
    /// Where it is without the proxy, which is how it calls itself.
    url: String,
    /// Where tokens are used: the origin, and the path.
    api: (String, &'static str),
    http: Http,
    _embedded: Option<embedded::Gateway>,
}

type Http = Client<HttpConnector, Full<Bytes>>;

/// A session of a client, and calls with it.
pub(super) struct Caller {
    pub(super) session: Session,
    api: Reauth<Http>,
    uri: String,
}

impl Running {
    pub(super) async fn start(authority: &'static Authority) -> Self {
        println!("{}", authority.kind);
        let embedded = if authority.kind == "embedded" { Some(embedded::start().await) } else { None };
        let url = match authority.kind {
            "embedded" => embedded.as_ref().unwrap().url(""),
            "django-oauth-toolkit" => env::var("PEER_SERVER").unwrap(),
            _ => format!("http://127.0.0.1:{}", kept(authority)["port"]),
        };
        let proxy = Proxy::start(authority.paths, url.clone()).await;
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        let api = match authority.api {
            Api::At(path) => (proxy.url.clone(), path),
            Api::Introspected(path) => introspected::start(http.clone(), format!("{url}{path}")).await,
        };
        Self { authority, proxy, url, api, http, _embedded: embedded }
    }

    /// As whom this server knows the client that has a secret.
    pub(super) fn basic(&self) -> ClientAuth {
        let (id, secret) = self.client();
        ClientAuth::basic(id, secret)
    }

    fn client(&self) -> (&'static str, String) {
        if self.authority.kind == "django-oauth-toolkit" {
            ("service", env::var("PEER_CLIENT_SECRET").unwrap())
        } else {
            ("app", "appsecret".to_owned())
        }
    }

    pub(super) fn endpoint(&self, client: ClientAuth) -> TokenEndpoint {
        let Paths { token, revoke } = self.authority.paths;
        // By the server's own address, for which an assertion may be meant, and by way of the proxy.
        let proxy: Uri = self.proxy.url.parse().unwrap();
        let through = self.http.clone().map_request(move |mut request: Request<Full<Bytes>>| {
            let path = request.uri().path_and_query().unwrap().as_str();
            *request.uri_mut() = format!("{proxy}{}", path.trim_start_matches('/')).parse().unwrap();
            request
        });
        TokenEndpoint::new(through, format!("{}{token}", self.url))
            .and_then(|endpoint| endpoint.revocation(format!("{}{revoke}", self.url)))
            .unwrap()
            .issuer(self.issuer())
            .client_auth(client)
    }

    fn issuer(&self) -> String {
        match &self.authority.signing {
            Ok(Signing { audience: Audience::Name(name), .. }) => (*name).to_owned(),
            _ => self.url.clone(),
        }
    }

    /// A client that signs with this key, in the way that this server wants it.
    pub(super) fn signing(&self, id: &str, algorithm: JwtAlgorithm, key: &str) -> ClientAuth {
        let assertion = Assertion::new(signer(algorithm, key));
        let assertion = match &self.authority.signing {
            Ok(Signing { audience: Audience::Endpoint, .. }) => assertion.audience_is_endpoint(),
            _ => assertion,
        };
        ClientAuth::private_key_jwt(id, assertion)
    }

    pub(super) fn scope(&self) -> &'static str {
        self.authority.scope.unwrap_or("openid")
    }

    pub(super) fn caller(&self, grant: impl Grant) -> Caller {
        let session = Session::new(grant);
        let origins = Origins::any_of([&self.proxy.url, &self.api.0]).unwrap();
        let api = ReauthLayer::new(session.clone(), origins).layer(self.http.clone());
        Caller { session, api, uri: self.api() }
    }

    /// Calls that say whom the token stands for.
    pub(super) fn identified(&self, grant: impl Grant) -> Caller {
        Caller { uri: format!("{}{}", self.proxy.url, self.authority.identity), ..self.caller(grant) }
    }

    fn api(&self) -> String {
        format!("{}{}", self.api.0, self.api.1)
    }

    pub(super) fn user(&self) -> Session {
        Session::new(PasswordGrant::new(self.endpoint(self.basic()), USER, PASSWORD))
    }

    /// The status that a call with this token has without the layer.
    pub(super) async fn status_of(&self, access_token: &str) -> StatusCode {
        let request = Request::get(self.api()).header("authorization", format!("Bearer {access_token}"));
        self.http.request(request.body(Full::default()).unwrap()).await.unwrap().status()
    }

    /// Ends a token of the client that has a secret, behind the layer's back.
    pub(super) async fn kill(&self, access_token: &str) {
        if self.authority.revokes {
            let form = form_urlencoded::Serializer::new(String::new()).append_pair("token", access_token).finish();
            let (id, secret) = self.client();
            let request = Request::post(format!("{}{}", self.url, self.authority.paths.revoke))
                .header("authorization", introspected::basic(id, &secret))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Full::from(form));
            self.http.request(request.unwrap()).await.unwrap();
        } else {
            // It keeps each token in a file of that name.
            fs::remove_file(folder(self.authority).join("sessions").join(access_token)).unwrap();
        }
        assert_eq!(self.status_of(access_token).await, StatusCode::UNAUTHORIZED);
    }
}

impl Caller {
    pub(super) async fn get(&self) -> Result<(StatusCode, Value), tower_reauth::Error> {
        let request = Request::get(&self.uri).body(Full::default()).unwrap();
        let (head, body) = self.api.clone().oneshot(request).await?.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Ok((head.status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    pub(super) async fn access_token(&self) -> String {
        self.session.token().await.unwrap().token_set().access_token().expose_secret().to_owned()
    }

    /// Claims that the server refuses what it lacks, and that nothing is sent again at once.
    pub(super) async fn is_refused(&self, lacking: Lacking) {
        for _ in 0..2 {
            let error = self.get().await.unwrap_err();
            assert_eq!(
                (error.kind(), error.status().map(|status| status.as_u16())),
                (lacking.0, Some(lacking.1)),
                "{error}"
            );
        }
    }
}

pub(super) fn signer(algorithm: JwtAlgorithm, key: &str) -> JwtKey {
    match algorithm {
        JwtAlgorithm::HS256 => JwtKey::from_secret(key_file(key)),
        _ => JwtKey::from_pem(algorithm, key_file(key)),
    }
    .unwrap()
}

/// Reads what `servers.py keys` wrote.
pub(super) fn key_file(name: &str) -> String {
    let folder = env::var("PEER_KEYS").expect("PEER_KEYS is not set: run this test with .ci/peers");
    fs::read_to_string(PathBuf::from(folder).join(name)).unwrap()
}

pub(super) fn folder(authority: &Authority) -> PathBuf {
    let folder = env::var("PEER_SERVERS").expect("PEER_SERVERS is not set: run this test with .ci/peers");
    PathBuf::from(folder).join(authority.kind)
}

fn kept(authority: &Authority) -> Value {
    serde_json::from_slice(&fs::read(folder(authority).join("kept.json")).unwrap()).unwrap()
}
