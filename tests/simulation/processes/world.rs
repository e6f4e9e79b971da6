//! One world of processes: built from its seed, lived in for an hour, brought to rest, and taken apart.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use fastrand::Rng;
use http::Request;
use http_body_util::Full;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Grant, Origins, PasswordGrant, Reauth, ReauthLayer, RefreshTokenGrant, RenewalFailed, Session, SessionBuilder,
    Status, TokenEndpoint,
};

use super::{
    chaos,
    issuer::Issuer,
    life::Life,
    oracle,
    remote::Remote,
    resource::Resource,
    scene::{Place, Plan, Scene, Span, State},
    store::{Store, now},
};
use crate::{
    issuer::{REVOCATION_URI, TOKEN_URI, wait},
    world::Report,
};

const ORIGIN: &str = "https://api.example";
const HOUR: Duration = Duration::from_secs(3600);
const CALLERS: usize = 2;

/// Clones are the same world.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) scene: Scene,
    processes: Arc<Mutex<Vec<Option<Process>>>>,
}

pub(super) struct Process {
    life: Life,
    session: Session,
    endpoint: TokenEndpoint,
    pub(super) callers: JoinSet<()>,
}

pub(crate) fn run(seed: u64, with_trace: bool) -> Report {
    run_as(Plan::of, seed, with_trace)
}

/// The same with a store that is reached by messages.
pub(crate) fn run_far_away(seed: u64, with_trace: bool) -> Report {
    run_as(Plan::far_away, seed, with_trace)
}

fn run_as(plan: fn(&mut Rng) -> Plan, seed: u64, with_trace: bool) -> Report {
    // The library's jitter comes from this thread's generator.
    fastrand::seed(seed);
    let scene = runtime().block_on(live(plan, seed, with_trace));
    let mut state = scene.lock();
    Report {
        violations: std::mem::take(&mut state.violations),
        outcomes: std::mem::take(&mut state.outcomes),
        trace: state.trace.take().unwrap_or_default(),
    }
}

/// Records are written to the millisecond. The clock stands in the middle of one, so that all runs of a seed round alike.
fn runtime() -> Runtime {
    loop {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let since = runtime.block_on(async { now() }).duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        if (300_000..700_000).contains(&(since.subsec_nanos() % 1_000_000)) {
            return runtime;
        }
    }
}

async fn live(plan: fn(&mut Rng) -> Plan, seed: u64, with_trace: bool) -> Scene {
    let mut rng = Rng::with_seed(seed);
    let plan = plan(&mut rng);
    let began = Instant::now();
    let scene = Scene::new(State {
        rng,
        began,
        plan,
        families: Vec::new(),
        pairs: Vec::new(),
        lives: Vec::new(),
        spends: Vec::new(),
        place: Place::default(),
        trouble: None,
        login: None,
        revoked: None,
        violations: Vec::new(),
        outcomes: std::collections::BTreeMap::new(),
        trace: with_trace.then(Vec::new),
    });
    {
        let mut state = scene.lock();
        let line = format!("{:?}", state.plan);
        state.note(|| line);
    }
    let world = World { scene: scene.clone(), processes: Arc::default() };
    world.begin().await;
    let chaos = tokio::spawn(chaos::live(world.clone()));
    sleep_until(began + HOUR).await;
    chaos.abort();
    let _ = chaos.await;
    world.rest().await;
    // As long as the tasks of those who were killed may take.
    sleep(Duration::from_secs(300)).await;
    let mut state = scene.lock();
    let tasks = Handle::current().metrics().num_alive_tasks();
    state.check(tasks == 0, || format!("{tasks} tasks are left"));
    drop(state);
    scene
}

impl World {
    async fn begin(&self) {
        let (processes, password) = {
            let state = self.scene.lock();
            (state.plan.processes, state.plan.password)
        };
        self.with(|all| all.extend((0..processes).map(|_| None)));
        self.start(0);
        if !password {
            self.log_in(0);
        }
        self.probe(0).await;
        (1..processes).for_each(|process| self.start(process));
        (0..processes).for_each(|process| self.call_away(process));
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Vec<Option<Process>>) -> T) -> T {
        act(&mut self.processes.lock().expect("no panic"))
    }

    /// A process begins with what the store keeps, and with its password if it has one.
    pub(crate) fn start(&self, process: usize) {
        let (number, plan) = {
            let mut state = self.scene.lock();
            let number = state.lives.len();
            let logs_in = process == 0 && state.plan.password;
            state.lives.push(Span {
                process,
                ended: false,
                stopped: None,
                stop: None,
                logs_in,
                unsaved: false,
                requests: 0,
                looked: None,
                cut: None,
                deaf: None,
                newest: None,
                behind: None,
            });
            state.note(|| format!("process {process} begins life {number}"));
            (number, state.plan.clone())
        };
        let life = Life { scene: self.scene.clone(), number };
        let endpoint = TokenEndpoint::new(Issuer(life.clone()), TOKEN_URI).expect("a valid address");
        let endpoint = endpoint.revocation(REVOCATION_URI).expect("a valid address").timeout(plan.limit / 2);
        let session = if process == 0 && plan.password {
            build(Session::builder(PasswordGrant::new(endpoint.clone(), "alice", "password")), &life, &plan)
        } else {
            build(Session::builder(RefreshTokenGrant::stored(endpoint.clone())), &life, &plan)
        };
        let process_now = Process { life, session, endpoint, callers: JoinSet::new() };
        drop(self.with(|all| all[process].replace(process_now)));
    }

    pub(crate) fn call_away(&self, process: usize) {
        let callers = if process == 0 && self.scene.lock().plan.is_quiet() { 0 } else { CALLERS };
        for _ in 0..callers {
            let Some((life, api)) = self.api(process) else { return };
            self.with(|all| {
                if let Some(process) = &mut all[process] {
                    process.callers.spawn(call_for_an_hour(life, api));
                }
            });
        }
    }

    fn api(&self, process: usize) -> Option<(Life, Reauth<Resource>)> {
        self.with(|all| {
            let process = all[process].as_ref()?;
            let origins = Origins::only(ORIGIN).expect("a valid origin");
            let layer = ReauthLayer::new(&process.session, origins);
            Some((process.life.clone(), layer.layer(Resource(process.life.clone()))))
        })
    }

    /// Somebody logs in at this process, if it is there.
    pub(crate) fn log_in(&self, process: usize) {
        let Some((session, endpoint, life)) = self.with(|all| {
            let process = all[process].as_ref()?;
            Some((process.session.clone(), process.endpoint.clone(), process.life.number))
        }) else {
            return;
        };
        let pair = {
            let mut state = self.scene.lock();
            (state.lives[life].logs_in, state.lives[life].unsaved) = (true, !state.plan.password);
            state.login = Some(Instant::now());
            state.note(|| format!("somebody logs in at life {life}"));
            if state.plan.password {
                None
            } else {
                let family = state.new_family();
                let pair = state.issue(family);
                state.pairs[pair].lives = false;
                Some(pair)
            }
        };
        match pair {
            Some(pair) => session.login(RefreshTokenGrant::new(endpoint, format!("r{pair}"))),
            None => session.login(PasswordGrant::new(endpoint, "alice", "password")),
        }
    }

    pub(crate) fn session(&self, process: usize) -> Option<Session> {
        self.with(|all| all[process].as_ref().map(|process| process.session.clone()))
    }

    /// Nothing of it is left but what is on the wire.
    pub(crate) fn kill(&self, process: usize) {
        let Some(killed) = self.with(|all| all[process].take()) else { return };
        let number = killed.life.number;
        {
            let mut state = self.scene.lock();
            state.trouble(|| format!("life {number} is killed"));
            state.lives[number].ended = true;
            if state.plan.remote.is_none() {
                state.place.lease.take_if(|holder| holder.by == number);
            }
        }
        drop(killed);
    }

    pub(crate) fn is_there(&self, process: usize) -> bool {
        self.with(|all| all[process].is_some())
    }

    pub(crate) fn life(&self, process: usize) -> Option<usize> {
        self.with(|all| all[process].as_ref().map(|process| process.life.number))
    }

    /// One call; whether it succeeds.
    pub(crate) async fn probe(&self, process: usize) -> bool {
        let Some((life, api)) = self.api(process) else { return false };
        call(&life, &api).await
    }

    /// Its own login died before it was saved.
    pub(crate) fn is_refused(&self, process: usize) -> bool {
        let is_refused = self.session(process).is_some_and(|session| session.status() == Status::Refused);
        is_refused
            && self.with(|all| {
                all[process].as_ref().is_some_and(|process| self.scene.lock().lives[process.life.number].unsaved)
            })
    }

    pub(crate) fn is_logged_out(&self, process: usize) -> bool {
        self.session(process).is_some_and(|session| session.status() == Status::LoggedOut)
    }
}

fn build<G: Grant>(builder: SessionBuilder<G>, life: &Life, plan: &Plan) -> Session {
    let builder = match plan.remote {
        Some(_) => builder.store(Remote(life.clone()), "key"),
        None => builder.store(Store(life.clone()), "key"),
    };
    let builder = builder.renewal_limit(plan.limit);
    if plan.named { builder.owner("alice").build() } else { builder.build() }
}

async fn call_for_an_hour(life: Life, api: Reauth<Resource>) {
    let end = life.scene.lock().began + HOUR;
    while Instant::now() < end {
        // Several calls in a row, then a rest.
        let pause = {
            let mut state = life.scene.lock();
            let longest = if state.rng.u32(..10) == 0 { 600_000 } else { 2000 };
            state.delay(longest)
        };
        wait(pause).await;
        life.pass().await;
        call(&life, &api).await;
    }
}

async fn call(life: &Life, api: &Reauth<Resource>) -> bool {
    let request = Request::get(format!("{ORIGIN}/orders")).body(Full::<Bytes>::default()).expect("a valid request");
    let began = Instant::now();
    let result = api.clone().oneshot(request).await;
    let mut state = life.scene.lock();
    match &result {
        Ok(response) => {
            let status = response.status().as_u16();
            let error = response.extensions().get::<RenewalFailed>().map(RenewalFailed::error);
            oracle::ended(&mut state, life.number, began, Some(status), error);
            status == 200
        }
        Err(error) => {
            oracle::ended(&mut state, life.number, began, None, Some(error));
            false
        }
    }
}
