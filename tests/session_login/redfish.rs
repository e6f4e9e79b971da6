//! Redfish: the token comes in a header, and so does the address that a logout deletes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::{delete, post},
};
use bytes::Bytes;
use http::{Request, header::LOCATION};
use http_body_util::Full;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_reauth::{Error, ErrorKind, Grant, GrantContext, Revoke, Session, TokenSet};

use crate::support::*;

const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// The sessions of a management controller: number and token.
type Open = Arc<Mutex<HashMap<String, String>>>;

async fn create(
    State(open): State<Open>,
    Json(user): Json<Value>,
) -> Result<([(&'static str, String); 2], StatusCode), StatusCode> {
    if user != json!({ "UserName": USERNAME, "Password": PASSWORD }) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let number = (open.lock().unwrap().len() + 1).to_string();
    open.lock().unwrap().insert(number.clone(), format!("token-{number}"));
    let headers = [("x-auth-token", format!("token-{number}")), ("location", format!("{SESSIONS}/{number}"))];
    Ok((headers, StatusCode::CREATED))
}

async fn remove(State(open): State<Open>, Path(number): Path<String>, headers: HeaderMap) -> StatusCode {
    let token = headers.get("x-auth-token").and_then(|token| token.to_str().ok());
    let mut open = open.lock().unwrap();
    match open.get(&number).map(String::as_str) {
        Some(known) if Some(known) == token => {
            open.remove(&number);
            StatusCode::NO_CONTENT
        }
        _ => StatusCode::UNAUTHORIZED,
    }
}

struct RedfishLogin {
    http: Router,
    password: SecretString,
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Transport, "the controller cannot be reached").with_source(error)
}

impl Grant for RedfishLogin {
    async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
        let body = json!({ "UserName": USERNAME, "Password": self.password.expose_secret() }).to_string();
        let request = Request::post(format!("{ORIGIN}{SESSIONS}")).header("content-type", "application/json");
        let request = request.body(Full::<Bytes>::from(body)).map_err(failed)?;
        let response = self.http.clone().oneshot(request).await.map_err(failed)?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        match (header("x-auth-token"), header(LOCATION.as_str())) {
            (Some(token), Some(location)) => Ok(TokenSet::new(token)?.with_extra("location", location)),
            _ => Err(Error::new(ErrorKind::Refused, "the controller did not open a session")),
        }
    }

    fn revoke(&self) -> Option<Revoke> {
        Some(Revoke::new(self.http.clone(), async |http, session| {
            let (Some(token), Some(location)) = (session.access_token(), session.extra("location")) else {
                return Err(Error::new(ErrorKind::Misconfigured, "nobody knows where the session is"));
            };
            let request = Request::delete(format!("{ORIGIN}{}", location.expose_secret()))
                .header("x-auth-token", token.expose_secret())
                .body(Full::<Bytes>::default())
                .map_err(failed)?;
            match http.oneshot(request).await.map_err(failed)?.status() {
                status if status.is_success() => Ok(()),
                status => Err(Error::new(ErrorKind::Unavailable, format!("the controller answered {status}"))),
            }
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn logout_deletes_the_address_that_came_with_the_token() {
    let open = Open::default();
    let http = Router::new()
        .route(SESSIONS, post(create))
        .route(&format!("{SESSIONS}/{{number}}"), delete(remove))
        .with_state(open.clone());
    let session = Session::new(RedfishLogin { http, password: PASSWORD.into() });
    session.token().await.unwrap();
    assert_eq!(open.lock().unwrap().len(), 1);
    session.logout().await.unwrap();
    assert!(open.lock().unwrap().is_empty());
}
