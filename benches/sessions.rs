//! What many sessions take, and what a call costs among them: `cargo bench --bench sessions`.
//!
//! Bytes that the program asked the allocator for, beyond the tokens' own: of sessions that rest, and of the same ones when each
//! was healed a minute before. Times are ratios within this run. Looking up one of a million is a walk through memory that no
//! cache holds: keys are random, and so is whose turn it is.

use std::{
    convert::Infallible,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_reauth::{Origins, ReauthLayer, RefreshTokenGrant, Session, Sessions, TokenEndpoint};
use tower_reauth_benches::{
    Answer, Fixture, Payload, allocations, answer,
    figures::{Figures, keep, median},
    targets,
};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const MANY: usize = 1_000_000;
const CALLS: usize = 200_000;
const ROUNDS: usize = 7;
const FIXTURE: Fixture = Fixture::new(8, false);

/// How long trouble is remembered that is over.
const MEMORY: Duration = Duration::from_secs(61);

/// The key of a user's login, as an application has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key([u8; 16]);

impl Key {
    /// Random, and found again by number.
    fn of(number: usize) -> Self {
        let number = number as u64;
        let mut key = [0; 16];
        key[..8].copy_from_slice(&mixed(number).to_le_bytes());
        key[8..].copy_from_slice(&mixed(!number).to_le_bytes());
        Self(key)
    }
}

/// Every number once, in an order that nobody can tell from chance (SplitMix64's last step).
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut figures = Figures::new();
    // A user with an opaque token, and one with a JWT.
    for (name, access) in [("64-byte tokens", 64), ("1 KiB JWTs", 1024)] {
        let issuer = Issuer { access, refresh: 64, given: Arc::default() };
        let (sessions, beyond) = fill(&runtime, &issuer);
        println!("{name}: {beyond:.0} bytes a session beyond the {} of its tokens", access + issuer.refresh);
        figures.insert(format!("sessions, {name}: bytes beyond the tokens"), beyond);
        if access == 64 {
            let one = ReauthLayer::new(runtime.block_on(issuer.session(0)), origins());
            let counts = [1, 1_000, MANY];
            let services = counts.map(|count| (count, ReauthLayer::new(sessions.clone(), origins())));
            let mut times = vec![Vec::new(); counts.len() + 1];
            for _ in 0..ROUNDS {
                times[0].push(round(&one, 1));
                for (times, (count, layer)) in times[1..].iter_mut().zip(&services) {
                    times.push(round(layer, *count));
                }
            }
            let [one, among @ ..] = &times[..] else { unreachable!("four of them") };
            let one = median(one.iter().copied());
            println!("a call with a layer of one session: {one:.0} ns");
            for (count, times) in counts.iter().zip(among) {
                let ratio = median(times.iter().copied()) / one;
                println!("among {count} sessions: {ratio:.2} times that");
                figures.insert(format!("sessions, call among {count}: times a call of one"), ratio);
            }
            let healed = beyond + runtime.block_on(heal(&sessions));
            println!("{name}: {healed:.0} bytes a session beyond its tokens, when each was healed a minute ago");
            figures.insert(format!("sessions, {name}, healed: bytes beyond the tokens"), healed);
        }
    }
    targets::print(&figures);
    keep(&figures);
}

fn origins() -> Origins {
    Origins::only("https://api.example").expect("a valid origin")
}

/// Gives out tokens of these sizes.
#[derive(Clone)]
struct Issuer {
    access: usize,
    refresh: usize,
    given: Arc<AtomicU64>,
}

impl Issuer {
    fn endpoint(&self) -> TokenEndpoint {
        let issuer = self.clone();
        let service = service_fn(move |_: Request<Full<Bytes>>| {
            let body = format!(
                r#"{{"access_token":"{}","refresh_token":"{}","token_type":"Bearer","expires_in":3600}}"#,
                issuer.token(issuer.access),
                issuer.token(issuer.refresh),
            );
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body))) }
        });
        TokenEndpoint::new(service, "https://login.example/token").expect("a valid address")
    }

    fn token(&self, size: usize) -> String {
        format!("{:0size$}", self.given.fetch_add(1, Ordering::Relaxed))
    }

    async fn session(&self, number: usize) -> Session {
        Self::logged_in(self.endpoint(), format!("{number:0size$}", size = self.refresh)).await
    }

    async fn logged_in(endpoint: TokenEndpoint, refresh_token: String) -> Session {
        let session = Session::new(RefreshTokenGrant::new(endpoint, refresh_token));
        session.token().await.expect("this issuer gives tokens");
        session
    }
}

/// A million sessions with a token each, and how many bytes one of them takes beyond its tokens.
fn fill(runtime: &Runtime, issuer: &Issuer) -> (Sessions<Key>, f64) {
    runtime.block_on(async {
        let hour = Duration::from_secs(3600);
        let sessions = Sessions::builder().capacity(MANY).idle_timeout(hour).max_lifetime(hour).build();
        let endpoint = issuer.endpoint();
        let before = allocations::held();
        for number in 0..MANY {
            let refresh_token = format!("{number:0size$}", size = issuer.refresh);
            sessions.insert(Key::of(number), Issuer::logged_in(endpoint.clone(), refresh_token).await);
        }
        assert_eq!(sessions.len(), MANY);
        let each = (allocations::held() - before) as f64 / MANY as f64;
        (sessions, each - (issuer.access + issuer.refresh) as f64)
    })
}

/// Has every token rejected once, and says how many bytes more a session takes a minute later, when a call has come by.
async fn heal(sessions: &Sessions<Key>) -> f64 {
    let layer = ReauthLayer::new(sessions.clone(), origins());
    let rejected = AtomicU64::new(0);
    let before = allocations::held();
    for pass in 0..2 {
        let rejected = &rejected;
        let mut resource = layer.layer(service_fn(|_: Request<Payload>| {
            let mut response = Response::new(Payload::default());
            // Of the first pass every other answer: that to a replay is good.
            if pass == 0 && rejected.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            async { Ok::<_, Infallible>(response) }
        }));
        for number in 0..MANY {
            let mut request: Request<Payload> = FIXTURE.request();
            request.extensions_mut().insert(Key::of(number));
            let response = resource.ready().await.expect("it is always ready").call(request).await;
            assert!(response.is_ok_and(|response| response.status().is_success()));
        }
        if pass == 0 {
            assert_eq!(rejected.load(Ordering::Relaxed), 2 * MANY as u64);
            tokio::time::sleep(MEMORY).await;
        }
    }
    (allocations::held() as f64 - before as f64) / MANY as f64
}

/// How many nanoseconds a call takes, of a service that so many users share; making the request included.
fn round(layer: &ReauthLayer, users: usize) -> f64 {
    let mut service = layer.layer(Answer);
    let mut next = 0;
    let mut call = || {
        next += 1;
        let user = mixed(next) % users as u64;
        let mut request: Request<Payload> = FIXTURE.request();
        request.extensions_mut().insert(Key::of(user as usize));
        black_box(answer(&mut service, request));
    };
    (0..CALLS / 10).for_each(|_| call());
    let began = Instant::now();
    (0..CALLS).for_each(|_| call());
    began.elapsed().as_secs_f64() * 1e9 / CALLS as f64
}
