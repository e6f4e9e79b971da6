//! OpenStack Keystone, identity API v3: password authentication as a grant.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full, Limited};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tower::ServiceExt;
use tower_reauth::{Credential, Error, ErrorKind, Grant, GrantContext, Revocable, Revoke, TokenSet};

use super::Http;

/// A scoped answer holds the whole catalog of services.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// A user's login.
pub(crate) struct KeystoneLogin {
    http: Http,
    tokens: Box<str>,
    user: Box<str>,
    domain: Box<str>,
    project: Option<Box<str>>,
    password: Mutex<Option<SecretString>>,
}

/// What of an answer is of use here.
#[derive(Deserialize)]
struct Answer {
    token: Issued,
}

#[derive(Deserialize)]
struct Issued {
    #[serde(with = "time::serde::rfc3339")]
    issued_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

impl KeystoneLogin {
    /// Of a user of the domain `Default`, at the Keystone with this URL, such as `https://cloud.example:5000`.
    pub(crate) fn new(http: Http, url: &str, user: &str, password: impl Into<SecretString>) -> Self {
        Self {
            http,
            tokens: format!("{url}/v3/auth/tokens").into(),
            user: user.into(),
            domain: "Default".into(),
            project: None,
            password: Mutex::new(Some(password.into())),
        }
    }

    /// For a project of the same domain; without one the token is unscoped.
    pub(crate) fn project(mut self, project: &str) -> Self {
        self.project = Some(project.into());
        self
    }

    fn body(&self) -> Result<Value, Error> {
        let password = self.password.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let password = password.ok_or_else(|| Error::new(ErrorKind::LoggedOut, "the password was wiped"))?;
        let domain = json!({ "name": self.domain });
        let user = json!({ "name": self.user, "domain": domain, "password": password.expose_secret() });
        let mut auth = json!({ "identity": { "methods": ["password"], "password": { "user": user } } });
        if let Some(project) = &self.project {
            auth["scope"] = json!({ "project": { "name": project, "domain": domain } });
        }
        Ok(json!({ "auth": auth }))
    }
}

impl Grant for KeystoneLogin {
    async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
        let request = Request::post(&*self.tokens)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(self.body()?.to_string()))
            .map_err(invalid)?;
        let response = self.http.clone().oneshot(request).await.map_err(broken)?;
        if response.status() != StatusCode::CREATED {
            return Err(refusal(&response));
        }
        let (head, body) = response.into_parts();
        let token = head.headers.get("x-subject-token").and_then(|token| token.to_str().ok());
        let token = token.ok_or_else(|| Error::new(ErrorKind::MissingAccessToken, "there is no X-Subject-Token"))?;
        let body = Limited::new(body, LARGEST_ANSWER).collect().await;
        let body =
            body.map_err(|error| Error::new(ErrorKind::Transport, "Keystone's answer broke off").with_source(error))?;
        let answer: Answer = serde_json::from_slice(&body.to_bytes()).map_err(|error| {
            Error::new(ErrorKind::MalformedAnswer, "Keystone's answer is no token").with_source(error)
        })?;
        // A password brings a new token. Both times are by Keystone's own clock: ours does not matter.
        let lifetime = answer.token.expires_at - answer.token.issued_at;
        Ok(TokenSet::new(token)?.with_lifetime(lifetime.try_into().unwrap_or_default()))
    }

    fn revoke(&self) -> Option<Revoke> {
        Some(Revoke::new((self.http.clone(), self.tokens.clone()), async |(http, tokens), login: Revocable| {
            let Some(token) = login.access_token() else { return Ok(()) };
            let request = Request::delete(&*tokens)
                .header("x-auth-token", token.expose_secret())
                .header("x-subject-token", token.expose_secret())
                .body(Full::default())
                .map_err(invalid)?;
            let response = http.oneshot(request).await.map_err(broken)?;
            match response.status() {
                // It was over already.
                StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => Ok(()),
                status if status.is_success() => Ok(()),
                _ => Err(refusal(&response)),
            }
        }))
    }

    /// As careful with it as with any password: it is sent once if it is wrong.
    fn credential(&self) -> Credential {
        Credential::Password
    }

    fn user(&self) -> Option<&str> {
        Some(&self.user)
    }

    fn forget(&self) {
        *self.password.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What the session makes of it is in the chapter `answers` of the manual.
fn refusal<B>(response: &Response<B>) -> Error {
    let status = response.status();
    match status {
        StatusCode::UNAUTHORIZED => {
            Error::new(ErrorKind::Refused, "Keystone did not take the user name and the password")
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
            let busy = Error::new(ErrorKind::Unavailable, format!("Keystone answered {status}"));
            busy.with_retry_after(Duration::from_secs(wait.unwrap_or(5)))
        }
        _ if status.is_server_error() => Error::new(ErrorKind::Unavailable, format!("Keystone answered {status}")),
        _ => Error::new(ErrorKind::Misconfigured, format!("Keystone answered {status}: check URL, domain and project")),
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Transport, "Keystone could not be asked").with_source(error)
}

fn invalid(error: http::Error) -> Error {
    Error::new(ErrorKind::Invalid, "Keystone's URL is no URL").with_source(error)
}

impl fmt::Debug for KeystoneLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeystoneLogin").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}
