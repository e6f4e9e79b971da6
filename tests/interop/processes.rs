//! Real processes that share one login in a folder, against servers that end a login when one of its refresh tokens comes twice:
//! killed at each step of a renewal, and eight at a time through a minute of tokens that live for a second. Time is real here.

use std::{collections::HashMap, env, fs, path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use super::process_support::{
    Http, PASSWORD, USERNAME,
    eight::{Eight, PROCESSES},
    fault::Step,
    front::Server,
    kills,
};

/// A server that others wrote, and an API of its own.
struct Remote {
    http: Http,
    token: String,
    api: String,
    client: (String, String),
    user: (String, String),
}

impl Remote {
    fn oidc_provider() -> Self {
        let kept = PathBuf::from(setting("PEER_SERVERS")).join("oidc-provider/kept.json");
        let kept: Value = serde_json::from_slice(&fs::read(kept).unwrap()).unwrap();
        let url = format!("http://127.0.0.1:{}", kept["port"]);
        let (client, user) = (("app".to_owned(), "appsecret".to_owned()), (USERNAME.to_owned(), PASSWORD.to_owned()));
        Self { http: unpooled(), token: format!("{url}/token"), api: format!("{url}/me"), client, user }
    }

    fn django() -> Self {
        let url = setting("PEER_SERVER");
        let client = (setting("PEER_CLIENT_ID"), setting("PEER_CLIENT_SECRET"));
        let user = (setting("PEER_USERNAME"), setting("PEER_PASSWORD"));
        Self { http: unpooled(), token: format!("{url}/o/token/"), api: format!("{url}/api/orders"), client, user }
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
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let client = STANDARD.encode(format!("{}:{}", encoded(&self.client.0), encoded(&self.client.1)));
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
        let request = Request::post(&self.token)
            .header(AUTHORIZATION, format!("Basic {client}"))
            .header("content-type", "application/x-www-form-urlencoded");
        let (head, body) =
            self.http.request(request.body(Full::new(Bytes::from(form))).unwrap()).await.unwrap().into_parts();
        let answer = body.collect().await.unwrap().to_bytes();
        (head.status, serde_json::from_slice(&answer).unwrap_or_default())
    }

    async fn accepts(&self, access_token: &str) -> bool {
        let request = Request::get(&self.api).header(AUTHORIZATION, format!("Bearer {access_token}"));
        let (head, body) = self.http.request(request.body(Full::default()).unwrap()).await.unwrap().into_parts();
        body.collect().await.unwrap();
        head.status == StatusCode::OK
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn process_killed_at_any_step_costs_no_login_that_could_be_kept() {
    const KILLS: usize = 30;
    let rows = kills::kill_at(Arc::new(Remote::oidc_provider()), &Step::ALL, KILLS).await;
    kills::assert_all(&rows, KILLS);
}

/// The servers close connections that are idle, and a request on one of them would be lost.
fn unpooled() -> Http {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http()
}

async fn a_minute(server: Remote) {
    let second = Duration::from_secs(1);
    let name = server.token.clone();
    let mut eight = Eight::logged_in(Arc::new(server), Some(second), "call five times a second").await;
    tokio::time::sleep(60 * second).await;
    let mut calls = 0;
    for done in eight.all("done").await {
        let (made, others) = done.split_once(' ').unwrap();
        assert_eq!(others, "[]", "{name}");
        calls += made.parse::<usize>().unwrap();
    }
    let renewals = eight.front.asked().len();
    println!("{name}: {PROCESSES} processes, {calls} calls, {renewals} token requests in a minute");
    eight.assert_one_request_for_each_renewal();
    // One for each lifetime, less the margin, that passes.
    assert!((50..=80).contains(&renewals), "{name}: {renewals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_share_tokens_that_live_for_a_second() {
    futures::join!(a_minute(Remote::oidc_provider()), a_minute(Remote::django()));
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this test with .ci/peers"))
}
