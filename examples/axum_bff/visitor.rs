//! Who a browser is: its cookie session, and the key of its tokens that lies in there.

use axum::extract::FromRequestParts;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::request::Parts;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tower_sessions::{
    Expiry, Session, SessionManagerLayer, SessionStore,
    cookie::{
        SameSite,
        time::{Duration, OffsetDateTime},
    },
    session::Error as StoreError,
};

use crate::{app::LIFETIME, login::code::Pending, pages::Notice, problem::Problem, story::DeviceId};

/// How long a login may take, and a word for the next page be kept.
const ANONYMOUS: Duration = Duration::minutes(10);

/// What the layer finds a user's session by: random, made anew at each login, and never seen outside of the cookie session. It is
/// not the cookie's value, so that whoever reads the one does not have the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct UserKey {
    pub(crate) random: [u8; 16],
    pub(crate) device: DeviceId,
}

/// A login.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) key: UserKey,
    /// Where somebody said who it is.
    pub(crate) user: Option<String>,
}

/// The cookie session of whoever sends a request.
pub(crate) struct Visitor {
    cookie: Session,
}

/// The cookie: nothing but this server can set it or read it, since its name begins with `__Host-` (RFC 6265bis §4.1.3).
/// `Lax` lets it through where the authorization server sends the browser back; what changes anything is no GET.
pub(crate) fn cookies<S: SessionStore>(store: S) -> SessionManagerLayer<S> {
    SessionManagerLayer::new(store)
        .with_name("__Host-orchard")
        .with_path("/")
        .with_secure(true)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(ANONYMOUS))
}

impl Account {
    /// Whose devices hear of each other: those of a user whom we know.
    pub(crate) fn story(&self) -> String {
        match &self.user {
            Some(user) => format!("user {user}"),
            None => format!("device {}", self.key.device.0),
        }
    }
}

impl UserKey {
    pub(crate) fn new(device: DeviceId) -> Self {
        Self { random: random(), device }
    }
}

impl Visitor {
    /// The login, whether the layer still has its session or not.
    pub(crate) async fn account(&self) -> Result<Option<Account>, StoreError> {
        self.cookie.get("account").await
    }

    /// Notes a login, under a new id: whoever knew the old one, or planted it, has nothing. The cookie lives as long as the layer's
    /// session may; that it ends sooner when it is not used is the layer's doing, which every request asks.
    pub(crate) async fn log_in(&self, account: &Account) -> Result<(), StoreError> {
        self.cookie.cycle_id().await?;
        self.cookie.insert("account", account).await?;
        self.cookie.set_expiry(Some(Expiry::AtDateTime(OffsetDateTime::now_utc() + LIFETIME)));
        Ok(())
    }

    /// Ends a login, with a word for the next page. There is a new id again, not a cookie that is taken away: a browser ignores
    /// the removal of a `__Host-` cookie that does not say `Secure`, and the removals of tower-sessions don't.
    pub(crate) async fn log_out(&self, notice: Notice) -> Result<(), StoreError> {
        self.cookie.clear().await;
        self.cookie.cycle_id().await?;
        self.say(notice).await
    }

    /// Leaves a word for the next page.
    pub(crate) async fn say(&self, notice: Notice) -> Result<(), StoreError> {
        self.cookie.insert("notice", notice).await
    }

    /// The word for this page.
    pub(crate) async fn notice(&self) -> Result<Option<Notice>, StoreError> {
        self.take("notice").await
    }

    /// Binds a login that begins to this browser.
    pub(crate) async fn begin(&self, pending: &Pending) -> Result<(), StoreError> {
        self.cookie.insert("pending", pending).await
    }

    /// The login that has begun; it can be had once.
    pub(crate) async fn pending(&self) -> Result<Option<Pending>, StoreError> {
        let pending = self.take("pending").await?;
        if pending.is_some() {
            // At once, not with the answer: the exchange of the code takes a while.
            self.cookie.save().await?;
        }
        Ok(pending)
    }

    async fn take<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        // A removal alone would make a session of nothing.
        if self.cookie.get_value(name).await?.is_none() {
            return Ok(None);
        }
        self.cookie.remove(name).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let cookie = Session::from_request_parts(parts, state).await.map_err(|_| Problem::Store)?;
        Ok(Self { cookie })
    }
}

/// A text that nobody can guess: 256 bits, as RFC 7636 §7.1 wants them.
pub(crate) fn token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random::<32>())
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes
}
