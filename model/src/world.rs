//! What the model knows: who obtained which token, which are revoked, which logins have ended. Its own locks and counters
//! are std's, so that looking adds no schedules.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use shuttle::future::yield_now;
use tower_reauth::{Error, ErrorKind, Grant, TokenSet, grant_fn};

pub const LIFETIME: Duration = Duration::from_secs(3600);

/// The number of a token within its login, and the number of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issued {
    pub login: u64,
    pub number: u64,
}

#[derive(Clone, Debug, Default)]
pub struct World(Arc<Books>);

#[derive(Debug, Default)]
struct Books {
    requests: Mutex<HashMap<u64, u64>>,
    under_way: Mutex<HashMap<u64, u64>>,
    // Flights that may be under way beside the one that is waited for.
    left_alone: AtomicU64,
    revoked: Mutex<HashSet<Issued>>,
    // Logins up to this one have ended: `logout` or the next `login` has returned.
    ended: AtomicU64,
    // A call that was sent with this token has been answered, or the session has given it out.
    delivered: Mutex<Option<Issued>>,
    calls: AtomicUsize,
}

/// What is known when a call begins, and what was sent for it.
#[derive(Clone, Debug)]
pub struct Call {
    ended: u64,
    delivered: Option<Issued>,
    sent: Arc<Mutex<Vec<Issued>>>,
}

impl World {
    /// A grant whose token requests take a while, and of which a login may have one at a time.
    pub fn grant(&self, login: u64) -> impl Grant {
        let world = self.clone();
        grant_fn(move |_context| {
            let world = world.clone();
            async move {
                let token = world.request_token(login).await;
                Ok(TokenSet::new(token.to_string())?.with_lifetime(LIFETIME))
            }
        })
    }

    /// A grant whose first token request fails.
    pub fn grant_that_fails_once(&self, login: u64) -> impl Grant {
        let world = self.clone();
        grant_fn(move |_context| {
            let world = world.clone();
            async move {
                let token = world.request_token(login).await;
                if token.number == 1 {
                    return Err(Error::new(ErrorKind::Unavailable, "down"));
                }
                Ok(TokenSet::new(token.to_string())?.with_lifetime(LIFETIME))
            }
        })
    }

    /// A grant whose token requests fail.
    pub fn failing_grant(&self, login: u64) -> impl Grant {
        let world = self.clone();
        grant_fn(move |_context| {
            let world = world.clone();
            async move {
                world.request_token(login).await;
                Err(Error::new(ErrorKind::Unavailable, "down"))
            }
        })
    }

    /// One token request.
    pub async fn request_token(&self, login: u64) -> Issued {
        let request = Request::begin(self, login);
        yield_now().await;
        Issued { login, number: request.number }
    }

    /// The runtime is left alone, perhaps with a token request that counts no longer.
    pub fn left_alone(&self) {
        self.0.left_alone.fetch_add(1, SeqCst);
    }

    /// How many token requests of this login there were.
    pub fn requests(&self, login: u64) -> u64 {
        self.0.requests.lock().unwrap().get(&login).copied().unwrap_or(0)
    }

    pub fn calls(&self) -> usize {
        self.0.calls.load(SeqCst)
    }

    /// The resource takes this token no longer.
    pub fn revoke(&self, token: Issued) {
        self.0.revoked.lock().unwrap().insert(token);
    }

    pub fn is_revoked(&self, token: Issued) -> bool {
        self.0.revoked.lock().unwrap().contains(&token)
    }

    /// `logout`, or the `login` that followed, has returned.
    pub fn ended(&self, login: u64) {
        self.0.ended.fetch_max(login, SeqCst);
    }

    pub fn ended_by_now(&self) -> u64 {
        self.0.ended.load(SeqCst)
    }

    pub fn begin_call(&self) -> Call {
        let delivered = *self.0.delivered.lock().unwrap();
        Call { ended: self.ended_by_now(), delivered, sent: Arc::default() }
    }

    pub fn answered(&self, call: &Call) {
        let token = call.sent.lock().unwrap().last().copied();
        self.told(token);
    }

    /// Somebody has this token from the session.
    pub fn told(&self, token: Option<Issued>) {
        let mut delivered = self.0.delivered.lock().unwrap();
        *delivered = (*delivered).max(token);
    }

    /// Judges what is sent for a call. `ended` is what was known when the service was found ready.
    pub fn send(&self, call: &Call, token: Issued, ended: u64) {
        self.0.calls.fetch_add(1, SeqCst);
        let mut sent = call.sent.lock().unwrap();
        assert!(token.login > call.ended, "a call carries the token of a login that had ended before it");
        assert!(Some(token) >= call.delivered, "a call carries an older token than one that was given out before it");
        if let Some(last) = sent.last() {
            assert!(token.login > ended, "a replay carries the token of a login that had ended");
            assert_eq!(last.login, token.login, "a call carries the tokens of two logins");
        }
        sent.push(token);
    }
}

struct Request {
    world: World,
    login: u64,
    number: u64,
}

impl Request {
    fn begin(world: &World, login: u64) -> Self {
        let number = {
            let mut requests = world.0.requests.lock().unwrap();
            let requests = requests.entry(login).or_default();
            *requests += 1;
            *requests
        };
        let mut under_way = world.0.under_way.lock().unwrap();
        let under_way = under_way.entry(login).or_default();
        assert!(*under_way <= world.0.left_alone.load(SeqCst), "two token requests of one login at a time");
        *under_way += 1;
        Self { world: world.clone(), login, number }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(under_way) = self.world.0.under_way.lock().unwrap().get_mut(&self.login) {
            *under_way -= 1;
        }
    }
}

impl std::fmt::Display for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.login, self.number)
    }
}

impl Issued {
    pub fn parse(text: &str) -> Option<Self> {
        let (login, number) = text.split_once('-')?;
        Some(Self { login: login.parse().ok()?, number: number.parse().ok()? })
    }
}
