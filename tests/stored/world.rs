//! Processes of one user: sessions that share a store, and nothing else.

use std::time::Duration;

use http::Response;
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Error, Grant, Origins, PasswordGrant, Reauth, ReauthLayer, RefreshTokenGrant, ResponseBody, Session, Status,
};

use crate::support::*;

pub const KEY: &str = "alice's login";

#[derive(Clone)]
pub struct Household {
    pub issuer: Issuer,
    pub resource: Resource,
    pub store: MemoryStore,
}

/// One of them.
#[derive(Clone)]
pub struct Process {
    pub session: Session,
    pub resource: Resource,
}

impl Household {
    /// Tokens that live for an hour, refresh tokens that are used once.
    pub fn new() -> Self {
        let issuer = Issuer::new();
        issuer.always(Answer::tokens().with_refresh_token().expires_in(3600));
        Self { resource: Resource::new(&issuer), store: MemoryStore::new(), issuer }
    }

    /// The same, with a store that tells each process what the others do.
    pub fn with_news() -> Self {
        Self { store: MemoryStore::with_news(), ..Self::new() }
    }

    pub fn process(&self, grant: impl Grant) -> Process {
        self.process_with(Session::builder(grant).store(self.store.clone(), KEY).build())
    }

    pub fn process_with(&self, session: Session) -> Process {
        Process { session, resource: self.resource.clone() }
    }

    pub fn password(&self) -> PasswordGrant {
        PasswordGrant::new(self.issuer.endpoint(), USERNAME, PASSWORD)
    }

    /// A process that has only what the store keeps.
    pub fn stored(&self) -> RefreshTokenGrant {
        RefreshTokenGrant::stored(self.issuer.endpoint())
    }

    /// A login that was done elsewhere, and is in the store by now.
    pub async fn logged_in(&self) -> Process {
        let process = self.process(self.stored());
        process.session.login(RefreshTokenGrant::new(self.issuer.endpoint(), self.issuer.mint_refresh_token(USERNAME)));
        process.get().await.unwrap();
        process
    }
}

impl Process {
    pub fn api(&self) -> Reauth<Resource> {
        let origins = Origins::only(ORIGIN).unwrap();
        ReauthLayer::new(&self.session, origins).layer(self.resource.clone())
    }

    pub async fn get(&self) -> Result<Response<ResponseBody<Full<bytes::Bytes>>>, Error> {
        self.api().oneshot(get("/orders")).await
    }

    pub async fn status_of_a_call(&self) -> u16 {
        self.get().await.unwrap().status().as_u16()
    }

    pub fn is(&self, status: Status) -> bool {
        self.session.status() == status
    }
}

/// Whatever can go on without time does so.
pub async fn settled() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

pub const SECOND: Duration = Duration::from_secs(1);
pub const AT_ONCE: Duration = Duration::ZERO;
