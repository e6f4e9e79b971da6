//! A small authorization server: refresh tokens are used once, and a second use ends the whole login (RFC 9700 section 4.14.2).

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use http::StatusCode;
use serde_json::{Value, json};

use super::{PASSWORD, remote::Server};

#[derive(Default)]
pub struct Issuer(Mutex<State>);

#[derive(Default)]
struct State {
    issued: u64,
    /// The login of each access token that is good.
    access: HashMap<String, u64>,
    /// The login of each refresh token, used or not.
    refresh: HashMap<String, u64>,
    used: HashSet<String>,
    ended: HashSet<u64>,
}

impl Issuer {
    /// Ends all access tokens; refresh tokens live on.
    pub fn expire_all(&self) {
        self.state().access.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn token(&mut self, form: &HashMap<String, String>) -> (StatusCode, Value) {
        let refused = (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" }));
        self.issued += 1;
        let number = self.issued;
        let login = match form["grant_type"].as_str() {
            "password" if form["password"] == PASSWORD => number,
            "refresh_token" => {
                let token = &form["refresh_token"];
                let Some(login) = self.refresh.get(token).copied() else { return refused };
                if !self.used.insert(token.clone()) {
                    self.ended.insert(login);
                    self.access.retain(|_, of| *of != login);
                }
                if self.ended.contains(&login) {
                    return refused;
                }
                login
            }
            _ => return refused,
        };
        let (access, refresh) = (format!("access-{number}"), format!("refresh-{number}"));
        self.access.insert(access.clone(), login);
        self.refresh.insert(refresh.clone(), login);
        let answer =
            json!({ "access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh });
        (StatusCode::OK, answer)
    }
}

#[async_trait::async_trait]
impl Server for Issuer {
    async fn token(&self, form: &HashMap<String, String>) -> (StatusCode, Value) {
        self.state().token(form)
    }

    async fn accepts(&self, access_token: &str) -> bool {
        self.state().access.contains_key(access_token)
    }
}
