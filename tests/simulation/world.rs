//! One world: built from its seed, lived in, brought to rest, and taken apart.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fastrand::Rng;
use secrecy::SecretString;
use tokio::{
    runtime::{Builder, Handle},
    sync::Semaphore,
    task::{JoinSet, yield_now},
    time::{Instant, sleep, timeout_at},
};
use tower::{Layer, limit::GlobalConcurrencyLimitLayer};
use tower_reauth::{
    ClientCredentialsGrant, Origins, PasswordGrant, ReauthLayer, RefreshTokenGrant, RenewAhead, Session, TokenEndpoint,
};

use crate::{
    chaos::Chaos,
    issuer::{Issuer, REVOCATION_URI, TOKEN_URI},
    oracle,
    resource::Resource,
    script::{End, Kind, Login, ORIGINS, Pair, Regime, Script, Settings, State, Temper},
    users::{Api, User},
};

pub(crate) const OWNERS: usize = 3;
pub(crate) const SESSIONS: usize = 5;
const CALLERS: usize = 8;
const CALLS: usize = 26;
const PLACES: usize = 12;

/// What became of a world.
pub(crate) struct Report {
    pub(crate) violations: Vec<String>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) trace: Vec<String>,
}

/// The sessions of a world, and how they log in.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) script: Script,
    pub(crate) sessions: Vec<Session>,
    endpoint: TokenEndpoint,
    identities: Vec<(usize, Kind, Settings)>,
}

pub(crate) fn run(seed: u64, with_trace: bool) -> Report {
    // The library's jitter comes from this thread's generator.
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let script = runtime.block_on(live(seed, with_trace));
    let mut state = script.lock();
    Report {
        violations: std::mem::take(&mut state.violations),
        outcomes: std::mem::take(&mut state.outcomes),
        trace: state.trace.take().unwrap_or_default(),
    }
}

async fn live(seed: u64, with_trace: bool) -> Script {
    let mut rng = Rng::with_seed(seed);
    let temper = Temper::of(&mut rng);
    let pause = [100, 1000, 5000, 20_000][rng.usize(..4)];
    let identities: Vec<_> = (0..SESSIONS).map(|_| identity(&mut rng)).collect();
    let now = Instant::now();
    let places = Arc::new(Semaphore::new(PLACES));
    let script = Script::new(State {
        rng,
        began: now,
        temper,
        pairs: Vec::new(),
        logins: Vec::new(),
        sessions: vec![None; identities.len()],
        calls: Vec::new(),
        passwords: vec![true; OWNERS],
        exchanges: Vec::new(),
        broken_origins: [false; ORIGINS.len()],
        hold: (now, now),
        holds: Vec::new(),
        places: places.clone(),
        violations: Vec::new(),
        outcomes: BTreeMap::new(),
        trace: with_trace.then(Vec::new),
    });
    {
        let world = World::new(&script, identities);
        let mut users = world.users(&places, pause);
        let probes = world.users(&places, pause);
        let mut crowd = JoinSet::new();
        users.drain(..).for_each(|user| drop(crowd.spawn(user.live(CALLS))));
        let chaos = tokio::spawn(Chaos { world: world.clone(), pause }.live());
        let at_most = now + Duration::from_secs(2 * 3600);
        while let Ok(Some(done)) = timeout_at(at_most, crowd.join_next()).await {
            if let Err(error) = done {
                script.lock().violation(format_args!("a caller died: {error}"));
            }
        }
        script.lock().check(crowd.is_empty(), || format!("{} callers hang", crowd.len()));
        crowd.shutdown().await;
        chaos.abort();
        let _ = chaos.await;
        world.rest(probes).await;
    }
    // What the last session left behind ends with it: no task, and no place that is still taken.
    for _ in 0..8 {
        yield_now().await;
    }
    let mut state = script.lock();
    let tasks = Handle::current().metrics().num_alive_tasks();
    state.check(tasks == 0, || format!("{tasks} tasks are left"));
    state.check(places.available_permits() == PLACES, || "a place is still taken".to_owned());
    drop(state);
    script
}

impl World {
    fn new(script: &Script, identities: Vec<(usize, Kind, Settings)>) -> Self {
        let endpoint = TokenEndpoint::new(Issuer(script.clone()), TOKEN_URI).expect("a valid address");
        let endpoint = endpoint.revocation(REVOCATION_URI).expect("a valid address");
        let mut world = Self { script: script.clone(), sessions: Vec::new(), endpoint, identities };
        for session in 0..world.identities.len() {
            let (_, _, settings) = world.identities[session];
            let endpoint = world.endpoint.clone();
            // The credentials are given below, as at every later login.
            let built = Session::builder(ClientCredentialsGrant::new(endpoint))
                .waiting_time(settings.waiting)
                .renewals_per_minute(settings.limit)
                .wait_through_pauses(settings.patience)
                .renew_ahead(settings.ahead)
                .build();
            world.sessions.push(built);
            world.login(session);
        }
        world
    }

    /// Logs a session in, for the first time or anew.
    pub(crate) fn login(&self, session: usize) {
        let (owner, kind, settings) = self.identities[session];
        let mut state = self.script.lock();
        let number = state.logins.len();
        let mut login = Login::new(session, owner, kind, settings);
        if kind == Kind::RefreshToken {
            login.refresh = Some(state.pairs.len());
            state.pairs.push(Pair { owner, lives: false, refreshes: true, expires: None, given_back: false });
        }
        let refresh_token = login.refresh;
        state.passwords[owner] = true;
        state.end(session, End::Replaced);
        state.sessions[session] = Some(number);
        state.logins.push(login);
        state.note(|| format!("session {session} logs in as {number}: {kind:?} of {owner}"));
        drop(state);
        let endpoint = self.endpoint.clone().parameter("login", number.to_string());
        match (kind, refresh_token) {
            (_, Some(pair)) => {
                self.sessions[session].login(RefreshTokenGrant::new(endpoint, SecretString::from(format!("r{pair}"))));
            }
            (Kind::Client, _) => self.sessions[session].login(ClientCredentialsGrant::new(endpoint)),
            _ => self.sessions[session].login(PasswordGrant::new(endpoint, owner.to_string(), "password")),
        }
    }

    fn users(&self, places: &Arc<Semaphore>, pause: u64) -> Vec<User> {
        let limit = GlobalConcurrencyLimitLayer::with_semaphore(places.clone());
        let mut users = Vec::new();
        for (number, session) in self.sessions.iter().enumerate() {
            let (_, _, settings) = self.identities[number];
            let origins = Origins::any_of(ORIGINS).expect("valid origins");
            let layer = ReauthLayer::new(session.clone(), origins).max_replays(settings.max_replays);
            let api: Api = layer.layer(limit.layer(Resource(self.script.clone())));
            users.extend((0..CALLERS).map(|_| {
                let (script, session) = (self.script.clone(), session.clone());
                User { script, number, session, api: api.clone(), pause }
            }));
        }
        users
    }

    /// All faults end, everything under way runs out, and every session must serve.
    async fn rest(self, mut probes: Vec<User>) {
        {
            let mut state = self.script.lock();
            state.temper.heal();
            (state.temper.issuer_delay, state.temper.resource_delay) = (0, 0);
            state.broken_origins = [false; ORIGINS.len()];
            state.passwords.fill(true);
        }
        // As long as a password that nobody said anything of may be held back.
        sleep(Duration::from_secs(7300)).await;
        for user in probes.iter_mut().step_by(CALLERS) {
            let has_credentials = {
                let state = self.script.lock();
                state.sessions[user.number].is_some_and(|login| {
                    let login = &state.logins[login];
                    let refreshes = login.refresh.is_some_and(|pair| state.pairs[pair].refreshes);
                    login.refused.is_none() && (login.kind != Kind::RefreshToken || refreshes)
                })
            };
            if !has_credentials {
                self.login(user.number);
            }
            user.probe().await;
        }
        for session in &self.sessions {
            let idle = session.shutdown(Duration::from_secs(600)).await;
            self.script.lock().check(idle, || "a renewal or a revocation does not end".to_owned());
        }
        oracle::settled(&mut self.script.lock());
    }
}

impl State {
    pub(crate) fn end(&mut self, session: usize, how: End) {
        if let Some(login) = self.sessions[session].take() {
            self.note(|| format!("login {login} ends: {how:?}"));
            self.logins[login].end = Some(how);
        }
    }
}

impl Temper {
    fn of(rng: &mut Rng) -> Self {
        let regime = [Regime::NewKillsOld, Regime::SameAgain, Regime::Beside, Regime::Unpersisted][rng.usize(..4)];
        let mut temper = Self {
            regime,
            rotates: rng.bool(),
            kills_refresh: rng.bool(),
            lifetime: [None, Some(3600), Some(300), Some(30)][rng.usize(..4)],
            issuer_delay: [0, 20, 500, 3000][rng.usize(..4)],
            resource_delay: [0, 20, 200, 2000][rng.usize(..4)],
            ..Self::default()
        };
        temper.stir(rng);
        temper
    }

    /// Other faults than before, or none.
    pub(crate) fn stir(&mut self, rng: &mut Rng) {
        self.heal();
        for (fault, most) in [
            (&mut self.fails, 300),
            (&mut self.breaks, 200),
            (&mut self.loses, 200),
            (&mut self.holds, 100),
            (&mut self.hangs, 50),
            (&mut self.panics, 50),
            (&mut self.objects, 30),
            (&mut self.resource_breaks, 50),
        ] {
            if rng.u32(..5) == 0 {
                *fault = rng.u32(..=most);
            }
        }
    }

    fn heal(&mut self) {
        let Self { regime, rotates, kills_refresh, lifetime, issuer_delay, resource_delay, .. } = *self;
        *self = Self { regime, rotates, kills_refresh, lifetime, issuer_delay, resource_delay, ..Self::default() };
    }
}

impl Default for Temper {
    fn default() -> Self {
        Self {
            regime: Regime::NewKillsOld,
            rotates: false,
            kills_refresh: false,
            lifetime: None,
            issuer_delay: 0,
            fails: 0,
            breaks: 0,
            loses: 0,
            holds: 0,
            hangs: 0,
            panics: 0,
            objects: 0,
            resource_delay: 0,
            resource_breaks: 0,
        }
    }
}

fn identity(rng: &mut Rng) -> (usize, Kind, Settings) {
    let kind = [Kind::Password, Kind::Password, Kind::Client, Kind::RefreshToken][rng.usize(..4)];
    let settings = Settings {
        waiting: Duration::from_secs([2, 30][rng.usize(..2)]),
        limit: [None, Some(2), Some(10), Some(10)][rng.usize(..4)],
        patience: Duration::from_secs([0, 0, 0, 20][rng.usize(..4)]),
        ahead: [RenewAhead::Never, RenewAhead::Never, RenewAhead::WithTraffic, RenewAhead::Always][rng.usize(..4)],
        max_replays: [1, 1, 3][rng.usize(..3)],
    };
    (rng.usize(..OWNERS), kind, settings)
}
