//! A login at a server: where its tokens are, and the session that uses them.

use std::{path::PathBuf, time::Duration};

use etcetera::{AppStrategy, AppStrategyArgs, app_strategy::choose_native_strategy};
use tower_reauth::{FileStore, Record, RefreshTokenGrant, Session, SessionBuilder, StoreKey, TokenStore};

use crate::{NAME, arguments::ServerArguments, failure::Failure, http_client::Http, key, server::Server};

/// After a crash in the middle of a renewal the next command waits so long: until then the token request may still arrive.
const RENEWAL_LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Account {
    pub(crate) server: Server,
    folder: PathBuf,
    encrypted: bool,
    store: FileStore,
    key: StoreKey,
}

impl Account {
    /// In the folder that was named, or the platform's for data.
    pub(crate) fn open(folder: Option<PathBuf>, server: ServerArguments, at_login: bool) -> Result<Self, Failure> {
        let server = Server::of(server)?;
        let folder = folder.map_or_else(platform_folder, Ok)?;
        let mut store = FileStore::builder(&folder);
        let secret = key::find(at_login)?;
        let encrypted = secret.is_some();
        if let Some(secret) = secret {
            store = store.encrypt_with("1", secret);
        }
        // Each server, and each client of it, has a login of its own.
        let key = StoreKey::from(format!("{} at {}", server.client_id, server.token));
        Ok(Self { server, folder, encrypted, store: store.open()?, key })
    }

    /// A session that goes on from the stored tokens, and stores each new one before it is used.
    pub(crate) fn session(&self, http: Http) -> Result<SessionBuilder<RefreshTokenGrant>, Failure> {
        let grant = RefreshTokenGrant::stored(self.server.endpoint(http)?);
        Ok(Session::builder(grant).store(self.store.clone(), self.key.clone()).renewal_limit(RENEWAL_LIMIT))
    }

    /// The stored login.
    pub(crate) async fn record(&self) -> Result<Record, Failure> {
        let record = self.store.load(&self.key).await?;
        // What a logout left, or a call without a login, holds no tokens.
        let has_tokens = |record: &Record| record.access_token().or(record.refresh_token()).is_some();
        record.filter(has_tokens).ok_or(Failure::LoggedOut)
    }

    /// For people.
    pub(crate) fn place(&self) -> String {
        format!("{}, {}", self.folder.display(), if self.encrypted { "encrypted" } else { "not encrypted" })
    }
}

fn platform_folder() -> Result<PathBuf, Failure> {
    let app = AppStrategyArgs { top_level_domain: String::new(), author: String::new(), app_name: NAME.to_owned() };
    let strategy = choose_native_strategy(app);
    Ok(strategy.map_err(|_| Failure::input("there is no home folder: name a folder with --store"))?.data_dir())
}
