//! Five hundred callers over real sockets, while their token is revoked ten times a second: no call may fail, and nothing
//! may grow.
//!
//! ```text
//! cargo test --all-features --test soak                   # five minutes
//! SOAK_SECONDS=60 cargo test --all-features --test soak
//! ```
//!
//! A call gets through three replays. The token that it begins with may be dead already, so it gets through two
//! revocations, and a slow machine may need longer than that for one round of five hundred calls. So a revocation waits
//! while there are calls that have lived through two; how many had to is printed.
//!
//! Every ten seconds it prints what was done, and the memory and the files that the process holds; at the end the client
//! is dropped, and with it every task and every connection must go.

// In a folder of its own, and not run by `cargo test`: real time passes.
#[path = "../../examples/support/mod.rs"]
mod support;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    convert::Infallible,
    fs, process,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tower::{
    Layer, ServiceExt,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
};
use tower_reauth::{
    ClientAuth, Origins, PasswordGrant, Reauth, ReauthLayer, RenewalFailed, Session, TokenEndpoint, Wso2Classifier,
};

use support::{Options, Regime, Running};

const CALLERS: u64 = 500;
const SECONDS: u64 = 300;
const REVOCATIONS: Duration = Duration::from_millis(100);
const REPLAYS: u32 = 3;
/// Connections at a time, so that the usual limit of a thousand files is enough for both ends.
const PLACES: usize = 200;
/// Of each caller between two calls, in milliseconds.
const PAUSE: std::ops::Range<u64> = 200..600;
/// What the process may grow by once it has run for a while: the gateway remembers every token.
const GROWTH_KIB: u64 = 16 * 1024;

type Http = Client<HttpConnector, Full<Bytes>>;
type Api = Reauth<ConcurrencyLimit<Http>>;

#[derive(Default)]
struct Score {
    calls: AtomicU64,
    failures: AtomicU64,
    revocations: AtomicU64,
    late_revocations: AtomicU64,
    /// The calls under way, by the number of revocations before they began.
    under_way: Mutex<BTreeMap<u64, u64>>,
}

#[tokio::main]
async fn main() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    let options = Options::new(Regime::Jwt).client("soak", "client-secret").user("alice", "password");
    let gateway = support::start(options).await.expect("a free port");
    // Until the gateway has all its own tasks.
    sleep(Duration::from_millis(500)).await;
    let (tasks, files) = (tasks(), files());

    let score = Arc::new(Score::default());
    let session = soak(&gateway, &score, Duration::from_secs(seconds)).await;

    assert_eq!(score.failures.load(Relaxed), 0, "calls failed");
    assert!(gateway.counters().replayed > seconds, "hardly anything was replayed");
    assert!(session.shutdown(Duration::from_secs(10)).await, "a renewal does not end");
    drop(session);
    falls_to("tasks", tasks, self::tasks).await;
    falls_to("files", files, self::files).await;
    gateway.stop().await.expect("the gateway ends");
    println!("no call failed, nothing is left");
}

impl Score {
    fn begin(&self) -> u64 {
        let begun = self.revocations.load(Relaxed);
        *self.under_way().entry(begun).or_default() += 1;
        begun
    }

    fn end(&self, begun: u64) {
        if let Entry::Occupied(mut calls) = self.under_way().entry(begun) {
            *calls.get_mut() -= 1;
            if *calls.get() == 0 {
                calls.remove();
            }
        }
    }

    async fn let_old_calls_end(&self) {
        let limit = Instant::now() + Duration::from_secs(60);
        let is_late = || {
            let oldest = self.under_way().first_key_value().map(|(begun, _)| *begun);
            oldest.is_some_and(|begun| begun + u64::from(REPLAYS) <= 1 + self.revocations.load(Relaxed))
        };
        self.late_revocations.fetch_add(u64::from(is_late()), Relaxed);
        while is_late() {
            assert!(Instant::now() < limit, "a call hangs");
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.under_way.lock().expect("nothing panics under the lock")
    }
}

/// Runs the callers, and gives the session back when they are done.
async fn soak(gateway: &Running, score: &Arc<Score>, time: Duration) -> Session {
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let endpoint = TokenEndpoint::new(http.clone(), &gateway.url("/oauth2/token"))
        .expect("a valid address")
        .client_auth(ClientAuth::basic("soak", "client-secret"));
    let session = Session::builder(PasswordGrant::new(endpoint, "alice", "password").scope("orders"))
        .renewals_per_minute(None)
        .build();
    let origins = Origins::only(gateway.url("")).expect("a valid origin");
    let layer = ReauthLayer::new(session.clone(), origins).classify(Wso2Classifier::new()).max_replays(REPLAYS);
    let api: Api = layer.layer(GlobalConcurrencyLimitLayer::new(PLACES).layer(http));

    let mut crowd = JoinSet::new();
    for caller in 0..CALLERS {
        crowd.spawn(call(api.clone(), gateway.url("/orders"), caller, score.clone()));
    }
    let begun = Instant::now();
    let (mut revocation, mut report) = (interval(REVOCATIONS), interval(Duration::from_secs(10)));
    // A late machine must not revoke in bursts.
    revocation.set_missed_tick_behavior(MissedTickBehavior::Delay);
    report.tick().await;
    let (mut settled, mut first) = (None, true);
    while begun.elapsed() < time {
        revocation.tick().await;
        score.let_old_calls_end().await;
        score.revocations.fetch_add(1, Relaxed);
        gateway.gateway().revoke_all();
        if futures::poll!(Box::pin(report.tick())).is_pending() {
            continue;
        }
        let (memory, files) = (memory_kib(), files());
        let counters = gateway.counters();
        println!(
            "{:>4} s: {:>8} calls, {:>7} replayed, {:>6} revocations ({} late), {} failed; {memory} KiB, {files:?} files",
            begun.elapsed().as_secs(),
            score.calls.load(Relaxed),
            counters.replayed,
            score.revocations.load(Relaxed),
            score.late_revocations.load(Relaxed),
            score.failures.load(Relaxed),
        );
        // By the second report every pool and buffer has its size.
        if !std::mem::take(&mut first) {
            let settled = *settled.get_or_insert(memory);
            assert!(memory < settled + GROWTH_KIB, "memory grows: {settled} KiB, then {memory} KiB");
        }
    }
    session
}

async fn call(api: Api, url: String, caller: u64, score: Arc<Score>) -> Infallible {
    let mut random = fastrand::Rng::with_seed(caller);
    for number in 0_u64.. {
        sleep(Duration::from_millis(random.u64(PAUSE))).await;
        let body = Bytes::from(format!("order {number} of {caller}"));
        let request = Request::post(&url)
            .header("x-request-id", format!("{caller}-{number}"))
            .body(Full::new(body.clone()))
            .expect("a valid request");
        let begun = score.begin();
        let failure = match api.clone().oneshot(request).await {
            Ok(response) if response.status().is_success() => {
                match response.into_body().collect().await.map(|echo| echo.to_bytes()) {
                    Ok(echo) if echo == body => None,
                    echo => Some(format!("another body came back: {echo:?}")),
                }
            }
            Ok(response) => {
                let cause = response.extensions().get::<RenewalFailed>().map(RenewalFailed::error);
                Some(format!("{}: {cause:?}", response.status()))
            }
            Err(error) => Some(format!("{error:?}")),
        };
        score.end(begun);
        score.calls.fetch_add(1, Relaxed);
        if let Some(failure) = failure {
            score.failures.fetch_add(1, Relaxed);
            println!("call {number} of {caller} failed: {failure}");
        }
    }
    unreachable!("more calls than a u64 counts")
}

/// Waits for what goes away on its own, and fails where it does not.
async fn falls_to<T: PartialOrd + std::fmt::Debug>(what: &str, before: T, now: impl Fn() -> T) {
    for _ in 0..100 {
        if now() <= before {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    eprintln!("leaked {what}: {before:?} before, {:?} after", now());
    process::exit(1);
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Open files, sockets among them; on Linux only.
fn files() -> Option<usize> {
    fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}

/// Resident memory; zero where it is not told as on Linux.
fn memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
