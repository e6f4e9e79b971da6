//! The servers of `tower_reauth::testing` keep their own rules: everything else here rests on them.

mod guard;
mod journal;
mod levers;
mod regimes;
mod socket;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::ServiceExt;

use crate::support::*;

/// An access token with its refresh token.
#[derive(Clone, Debug, PartialEq)]
struct Pair {
    access: String,
    refresh: String,
}

/// What a request by these parameters brings: tokens, or the body of a refusal.
async fn ask(issuer: &Issuer, form: &str) -> Result<Pair, String> {
    let answer: Response<Full<Bytes>> = issuer.clone().oneshot(form_to(TOKEN_URI, form)).await.unwrap();
    let is_good = answer.status() == 200;
    let body = text(answer).await;
    if !is_good {
        return Err(body);
    }
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    let member = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    Ok(Pair { access: member("access_token"), refresh: member("refresh_token") })
}

async fn log_in(issuer: &Issuer, owner: &str) -> Pair {
    ask(issuer, &format!("grant_type=password&username={owner}")).await.unwrap()
}

async fn refresh(issuer: &Issuer, pair: &Pair) -> Result<Pair, String> {
    ask(issuer, &format!("grant_type=refresh_token&refresh_token={}", pair.refresh)).await
}

async fn revoke(issuer: &Issuer, token: &str) {
    let answer = issuer.clone().oneshot(form_to(REVOCATION_URI, &format!("token={token}"))).await.unwrap();
    assert_eq!(answer.status(), 200);
}

fn form_to(uri: &str, form: &str) -> Request<Full<Bytes>> {
    Request::post(uri).body(Full::from(form.to_owned())).unwrap()
}

fn with_token(path: &str, token: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn lines(issuer: &Issuer) -> Vec<String> {
    issuer.journal().iter().map(ToString::to_string).collect()
}
