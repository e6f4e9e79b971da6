//! What the tests with real processes share: an authorization server behind a front that writes down every token request, and
//! this test binary as another process, which can be killed or stopped at each step of a renewal.

// Each test binary uses its own part of this, and none of it is seen outside.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

pub mod child;
pub mod eight;
pub mod fault;
pub mod front;
pub mod issuer;
pub mod kills;
pub mod remote;

use std::{
    env, fs,
    ops::Deref,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_reauth::{
    Grant, PasswordGrant, RefreshTokenGrant, Session, SessionBuilder, TokenEndpoint, TokenSet, TokenStore,
};

pub const KEY: &str = "alice";
pub const USERNAME: &str = "bob";
pub const PASSWORD: &str = "bobpassword";

/// What a process holds besides the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Nothing,
    Password,
    WrongPassword,
}

pub type Http = Client<HttpConnector, Full<Bytes>>;

pub fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A session over a store.
pub fn session(
    holds: Holds,
    endpoint: TokenEndpoint,
    store: impl TokenStore,
    adjust: impl Fn(&mut Settings),
) -> Session {
    let mut settings = Settings::default();
    adjust(&mut settings);
    let password = |password| PasswordGrant::new(endpoint.clone(), USERNAME, password);
    match holds {
        Holds::Nothing => settings.build(RefreshTokenGrant::stored(endpoint), store),
        Holds::Password => settings.build(password(PASSWORD), store),
        Holds::WrongPassword => settings.build(password("not the password"), store),
    }
}

#[derive(Default)]
pub struct Settings {
    pub renewal_limit: Option<Duration>,
    /// Of a login that was done elsewhere.
    pub tokens: Option<TokenSet>,
}

impl Settings {
    fn build(self, grant: impl Grant, store: impl TokenStore) -> Session {
        let builder = Session::builder(grant).store(store, KEY).renewals_per_minute(None);
        let builder = self.renewal_limit.into_iter().fold(builder, SessionBuilder::renewal_limit);
        self.tokens.into_iter().fold(builder, |builder, tokens| builder.record(tokens).unwrap()).build()
    }
}

/// A folder that is gone at the end of the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let name = format!("tower-reauth-{}-{:016x}", process::id(), fastrand::u64(..));
        Self(env::temp_dir().join(name))
    }

    /// Whether something was being written when the process was killed.
    pub fn has_unfinished(&self) -> bool {
        let files = fs::read_dir(&self.0).unwrap();
        files.into_iter().any(|file| file.unwrap().path().extension().is_some_and(|extension| extension == "tmp"))
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// For what must happen, so that a broken test ends.
pub async fn soon<T>(happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), happens).await.expect("must happen")
}
