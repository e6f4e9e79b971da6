//! What all handlers share, and how a login ends.

use std::{
    collections::HashSet,
    future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tower_reauth::{Error, RefreshTokenGrant, Session, Sessions, Status, StoreKey, TokenStore};
use tracing::Instrument;

use crate::{
    gateway::{self, Gateway},
    layer_events::span,
    problem::Problem,
    story::{Part, Story},
    target::Target,
    throttle::Throttle,
    visitor::{Account, UserKey, Visitor},
};

/// How long a login lives without a call.
pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);
/// How long a login lives in all; the cookie lives as long.
pub(crate) const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// How many logins there may be: the least recently used one goes.
const CAPACITY: usize = 100_000;
/// How long the end may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// How long a browser waits for the revocation of its tokens. They are forgotten, and they will be revoked, however long it takes.
const REVOCATION: Duration = Duration::from_secs(5);

pub(crate) struct App {
    pub(crate) target: Target,
    pub(crate) gateway: Gateway,
    pub(crate) sessions: Sessions<UserKey>,
    pub(crate) story: Arc<Story>,
    pub(crate) throttle: Throttle,
    /// Whether logins outlive this process, in a store that other instances use, too.
    is_one_of_many: bool,
    /// Logins that end here, and say so in the story.
    ending: Arc<Mutex<HashSet<UserKey>>>,
    closing: watch::Sender<bool>,
}

impl App {
    /// With a store, other instances know the logins of this one, and the other way round. A password stays here: an instance
    /// that did not see it goes on with the refresh token, or asks this one.
    pub(crate) fn new(target: Target, story: Arc<Story>, store: Option<impl TokenStore>) -> anyhow::Result<Arc<Self>> {
        let (told, endpoint, is_one_of_many) = (story.clone(), gateway::endpoint(&target)?, store.is_some());
        let mut sessions = Sessions::builder()
            .capacity(CAPACITY)
            .idle_timeout(IDLE)
            .max_lifetime(LIFETIME)
            .on_eviction(move |key: &UserKey, _| told.leaves(key.device));
        if let Some(store) = store {
            let endpoint = endpoint.clone();
            let resume = move |_: &UserKey| Session::builder(RefreshTokenGrant::stored(endpoint.clone()));
            sessions = sessions.store(store, |key| StoreKey::new(key.random), resume);
        }
        let sessions = sessions.build();
        let gateway = Gateway::new(&target, endpoint, &sessions)?;
        let (throttle, closing) = (Throttle::new(), watch::Sender::new(false));
        Ok(Arc::new(Self {
            target,
            gateway,
            sessions,
            story,
            throttle,
            is_one_of_many,
            ending: Arc::default(),
            closing,
        }))
    }

    /// The session of a login that the layer can still work for.
    pub(crate) async fn live(&self, account: &Account) -> Result<Option<Session>, Error> {
        let session = match self.sessions.get(&account.key) {
            Some(session) => Some(session),
            None => {
                let found = self.sessions.look_up(&account.key).await?;
                if found.is_some() {
                    // It has begun at another instance.
                    self.story.joins(account.key.device, &account.story());
                }
                found
            }
        };
        Ok(session.filter(|session| !matches!(session.status(), Status::LoggedOut | Status::Refused)))
    }

    pub(crate) async fn is_live(&self, account: &Account) -> Result<bool, Problem> {
        Ok(self.live(account).await?.is_some())
    }

    /// Ends a login and has its tokens revoked.
    pub(crate) async fn end(&self, account: &Account) {
        let (story, deed) = (self.story.clone(), self.story.deed(account.key.device));
        story.tell(deed, Part::Begins, "Log out");
        let (span, ending, key) = (span(deed), self.ending.clone(), account.key);
        ending.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        // Forgotten here and now; what follows is the revocation.
        let revoked = span.in_scope(|| self.sessions.logout(&account.key)).instrument(span);
        // On a task of its own: a browser that does not wait for the answer has left the story all the same.
        let end = tokio::spawn(async move {
            match timeout(REVOCATION, revoked).await {
                Ok(Ok(())) => story.tell(deed, Part::Succeeds, "logged out"),
                Ok(Err(error)) => story.tell(deed, Part::Fails, error.to_string()),
                Err(_) => story.tell(deed, Part::Fails, "the gateway is slow to revoke the tokens"),
            }
            story.leaves(deed.device);
            ending.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        });
        // It has nothing to give back.
        drop(end.await);
    }

    /// Ready when another instance has ended the login.
    pub(crate) async fn ended_elsewhere(&self, account: &Account, session: &Session) {
        let ended = session.subscribe().wait_for(|status| *status == Status::LoggedOut).await.is_ok();
        let ends_here = self.ending.lock().unwrap_or_else(PoisonError::into_inner).contains(&account.key);
        if !ended || ends_here {
            future::pending().await
        }
        self.story.leaves(account.key.device);
    }

    /// Ends a login that the gateway will not renew.
    pub(crate) fn refused(&self, account: &Account) {
        // What may be left of it is revoked in the background.
        drop(self.sessions.logout(&account.key));
        self.story.leaves(account.key.device);
    }

    /// Says that the server ends.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// True when the server ends: what would never end by itself has to end then.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Ready when the server should have ended by itself.
    pub(crate) async fn overdue(&self) {
        closed(&mut self.closing()).await;
        sleep(DEADLINE).await;
    }

    /// Whether logins are kept where other instances find them.
    pub(crate) fn is_one_of_many(&self) -> bool {
        self.is_one_of_many
    }

    /// Revokes what the server leaves behind, unless other instances go on with it: what it held would live on at the gateway
    /// for nobody.
    pub(crate) async fn leave(&self) {
        if self.is_one_of_many {
            // What is under way must reach the store.
            if !self.sessions.shutdown(DEADLINE).await {
                tracing::warn!("a token request or a revocation was cut off");
            }
            return;
        }
        let revoked = self.sessions.logout_all();
        // With what is still under way for those who left before.
        if !self.sessions.shutdown(DEADLINE).await {
            tracing::warn!("the gateway is slow to revoke tokens; some live on until they expire");
        } else if let Err(error) = revoked.await {
            tracing::warn!(%error, "some tokens were not revoked");
        }
    }
}

/// Waits until that is true.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    // The sender is the application's own; without it the server has ended.
    drop(closing.wait_for(|closing| *closing).await);
}

/// The login of whoever sends a request. Without one the request ends here.
impl FromRequestParts<Arc<App>> for Account {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let account = Visitor::from_request_parts(parts, app).await?.account().await?;
        match account {
            Some(account) if app.is_live(&account).await? => Ok(account),
            _ => Err(Problem::LoginRequired),
        }
    }
}
