//! Authorization servers that others wrote and `.ci/peers` starts, as the tests with real processes see them.

use std::{collections::HashMap, env, fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use super::{Http, PASSWORD, USERNAME};

/// An authorization server with its API.
#[async_trait::async_trait]
pub trait Server: Send + Sync + 'static {
    async fn token(&self, form: &HashMap<String, String>) -> (StatusCode, Value);
    async fn accepts(&self, access_token: &str) -> bool;
}

/// A server that others wrote, and an API of its own. It ends a login when one of its refresh tokens comes twice.
pub struct Remote {
    http: Http,
    pub token: String,
    revoke: String,
    api: String,
    client: (String, String),
    user: (String, String),
}

impl Remote {
    pub fn oidc_provider() -> Self {
        let kept = PathBuf::from(setting("PEER_SERVERS")).join("oidc-provider/kept.json");
        let kept: Value = serde_json::from_slice(&fs::read(kept).unwrap()).unwrap();
        let url = format!("http://127.0.0.1:{}", kept["port"]);
        Self {
            http: unpooled(),
            token: format!("{url}/token"),
            revoke: format!("{url}/token/revocation"),
            api: format!("{url}/me"),
            client: ("app".to_owned(), "appsecret".to_owned()),
            user: (USERNAME.to_owned(), PASSWORD.to_owned()),
        }
    }

    pub fn django() -> Self {
        let url = setting("PEER_SERVER");
        Self {
            http: unpooled(),
            token: format!("{url}/o/token/"),
            revoke: format!("{url}/o/revoke_token/"),
            api: format!("{url}/api/orders"),
            client: (setting("PEER_CLIENT_ID"), setting("PEER_CLIENT_SECRET")),
            user: (setting("PEER_USERNAME"), setting("PEER_PASSWORD")),
        }
    }

    /// Ends a login, as an administrator would.
    pub async fn revoke(&self, refresh_token: &str) -> StatusCode {
        self.post(&self.revoke, &HashMap::from([("token".to_owned(), refresh_token.to_owned())])).await.0
    }

    async fn post(&self, uri: &str, form: &HashMap<String, String>) -> (StatusCode, Bytes) {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let client = STANDARD.encode(format!("{}:{}", encoded(&self.client.0), encoded(&self.client.1)));
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(uri)
            .header(AUTHORIZATION, format!("Basic {client}"))
            .header("content-type", "application/x-www-form-urlencoded");
        let (head, body) =
            self.http.request(request.body(Full::new(Bytes::from(form))).unwrap()).await.unwrap().into_parts();
        (head.status, body.collect().await.unwrap().to_bytes())
    }
}

#[async_trait::async_trait]
impl Server for Remote {
    async fn token(&self, form: &HashMap<String, String>) -> (StatusCode, Value) {
        let mut form = form.clone();
        if form["grant_type"] == "password" && form["password"] == PASSWORD {
            form.insert("username".to_owned(), self.user.0.clone());
            form.insert("password".to_owned(), self.user.1.clone());
        }
        let (status, answer) = self.post(&self.token, &form).await;
        (status, serde_json::from_slice(&answer).unwrap_or_default())
    }

    async fn accepts(&self, access_token: &str) -> bool {
        let request = Request::get(&self.api).header(AUTHORIZATION, format!("Bearer {access_token}"));
        let (head, body) = self.http.request(request.body(Full::default()).unwrap()).await.unwrap().into_parts();
        body.collect().await.unwrap();
        head.status == StatusCode::OK
    }
}

/// The servers close connections that are idle, and a request on one of them would be lost.
fn unpooled() -> Http {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http()
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this test with .ci/peers"))
}
