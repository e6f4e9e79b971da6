//! What a session costs while nothing happens: a backend holds a million of them.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::{
    runtime::{Builder, Runtime},
    time::{advance, sleep},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_reauth::{
    Error, ErrorKind, NoReplay, Origins, ReauthLayer, RefreshTokenGrant, Session, Sessions, TokenEndpoint, TokenSet,
    grant_fn, grant_with,
};

const SESSIONS: usize = 1_000;
const LIFETIME: u64 = 3_600;
/// Two opaque tokens of 64 bytes.
const SECRETS: usize = 2 * 64;
/// Beyond the secrets' own bytes. With its place in a map a session is to stay below 350.
const OVERHEAD: usize = 264;

/// Gives out a new pair of tokens for every request.
#[derive(Clone, Default)]
struct Issuer(Arc<AtomicU64>);

impl Issuer {
    fn next(&self) -> [String; 2] {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        ["access", "refresh"].map(|kind| format!("{kind:x<32}{number:032}"))
    }

    fn requests(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn endpoint(&self) -> TokenEndpoint {
        let issuer = self.clone();
        let service = service_fn(move |_: Request<Full<Bytes>>| {
            let [access, refresh] = issuer.next();
            let answer = format!(
                r#"{{"access_token":"{access}","refresh_token":"{refresh}","token_type":"Bearer","expires_in":{LIFETIME}}}"#
            );
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(answer))) }
        });
        TokenEndpoint::new(service, "https://issuer.example/token").unwrap()
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Sessions that have done this, and the bytes that each of them holds.
fn sessions(runtime: &Runtime, make: impl Fn() -> Session, act: impl AsyncFn(&Session)) -> (Vec<Session>, usize) {
    let fill = |sessions: &mut Vec<Session>| {
        while sessions.len() < sessions.capacity() {
            let session = make();
            runtime.block_on(act(&session));
            sessions.push(session);
        }
    };
    // What the first ones bring into being is everybody's.
    fill(&mut Vec::with_capacity(10));
    let mut sessions = Vec::with_capacity(SESSIONS);
    let info = allocation_counter::measure(|| fill(&mut sessions));
    (sessions, usize::try_from(info.bytes_current).unwrap() / SESSIONS)
}

async fn fetch(session: &Session) {
    session.token().await.unwrap();
}

/// Renewals of tokens that were rejected: the sessions are damped for a minute, and forget it with the next renewal.
async fn renew_twice(session: &Session) {
    for pause in [0, 0, 61] {
        advance(Duration::from_secs(pause)).await;
        let token = session.token().await.unwrap();
        session.renew(token.generation()).await.unwrap();
    }
    advance(Duration::from_secs(2 * LIFETIME)).await;
    session.token().await.unwrap();
}

#[test]
fn resting_session_costs_little_beyond_its_secrets() {
    let (runtime, issuer) = (runtime(), Issuer::default());
    let endpoint = issuer.endpoint();
    let grant = || RefreshTokenGrant::new(endpoint.clone(), issuer.next()[1].as_str());
    let plain = || Session::new(grant());
    let with_settings = || Session::builder(grant()).waiting_time(Duration::from_secs(5)).build();
    let with_own_grant = || {
        let issuer = issuer.clone();
        Session::new(grant_fn(move |_| {
            let [access, refresh] = issuer.next();
            async {
                let tokens = TokenSet::new(access)?.with_refresh_token(refresh);
                Ok(tokens.with_lifetime(Duration::from_secs(LIFETIME)))
            }
        }))
    };
    for (name, bytes, own) in [
        ("refresh token", sessions(&runtime, plain, fetch).1, 0),
        ("refresh token, renewed", sessions(&runtime, plain, renew_twice).1, 0),
        ("refresh token, settings of its own", sessions(&runtime, with_settings, fetch).1, 0),
        // Two reference counts, and what the closure holds.
        ("own grant", sessions(&runtime, with_own_grant, fetch).1, 24),
        ("own grant, renewed", sessions(&runtime, with_own_grant, renew_twice).1, 24),
    ] {
        let overhead = bytes - SECRETS - own;
        println!("{name}: {overhead} bytes beyond the secrets");
        assert!(overhead <= OVERHEAD, "{name}: {overhead} bytes");
    }
}

#[test]
fn trouble_that_is_over_costs_nothing() {
    let runtime = runtime();
    let make = |fails: u64| {
        move || {
            let sends = AtomicU64::new(0);
            Session::new(grant_fn(move |_| {
                let fails = sends.fetch_add(1, Ordering::SeqCst) < fails;
                async move {
                    if fails {
                        return Err(Error::new(ErrorKind::Unavailable, "down"));
                    }
                    TokenSet::new("token")
                }
            }))
        }
    };
    let until_it_works = async |session: &Session| {
        while session.token().await.is_err() {
            advance(Duration::from_secs(60)).await;
        }
    };
    let (_sessions, healthy) = sessions(&runtime, make(0), until_it_works);
    let (_sessions, recovered) = sessions(&runtime, make(3), until_it_works);
    assert_eq!(recovered, healthy);
}

/// Case 81: whoever looks a minute later drops what a call has left that was healed, by its replay or by the next call.
#[test]
fn session_that_was_healed_is_as_small_as_a_resting_one_a_minute_later() {
    let (runtime, issuer) = (runtime(), Issuer::default());
    let endpoint = issuer.endpoint();
    let make = || Session::new(RefreshTokenGrant::new(endpoint.clone(), issuer.next()[1].as_str()));
    let rejects = Arc::new(AtomicBool::new(false));
    let call = async |session: &Session, replayed: bool| {
        let rejects = rejects.clone();
        let resource = service_fn(move |_: Request<Full<Bytes>>| {
            let mut response = Response::new(Full::<Bytes>::default());
            if rejects.swap(false, Ordering::SeqCst) {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            async { Ok::<_, Infallible>(response) }
        });
        let origins = Origins::only("https://api.example").unwrap();
        let mut request = Request::get("https://api.example/orders").body(Full::default()).unwrap();
        if !replayed {
            request.extensions_mut().insert(NoReplay);
        }
        let response = ReauthLayer::new(session.clone(), origins).layer(resource).oneshot(request).await;
        response.unwrap().status()
    };
    for replayed in [true, false] {
        for swept in [true, false] {
            let resting = sessions(&runtime, make, fetch).0;
            let among_many = Sessions::new();
            if swept {
                let insert = async {
                    resting.iter().enumerate().for_each(|(key, one)| drop(among_many.insert(key, one.clone())))
                };
                runtime.block_on(insert);
            }
            let requests = issuer.requests();
            let healed = allocation_counter::measure(|| {
                for session in &resting {
                    rejects.store(true, Ordering::SeqCst);
                    let first = runtime.block_on(call(session, replayed));
                    assert_eq!(first.is_success(), replayed);
                    // The renewal that nobody waits for.
                    runtime.block_on(async {
                        for _ in 0..8 {
                            tokio::task::yield_now().await;
                        }
                    });
                    assert_eq!(runtime.block_on(call(session, replayed)), 200);
                }
            });
            assert!(healed.bytes_current > 0, "{replayed}, {swept}");
            let later = allocation_counter::measure(|| {
                runtime.block_on(async { sleep(Duration::from_secs(if swept { 125 } else { 60 })).await });
                if !swept {
                    resting.iter().for_each(|session| assert_eq!(runtime.block_on(call(session, true)), 200));
                }
            });
            assert_eq!(issuer.requests(), requests + SESSIONS as u64, "without another landing");
            let left = (healed.bytes_current + later.bytes_current) / SESSIONS as i64;
            assert_eq!(left, 0, "bytes, replayed: {replayed}, swept: {swept}");
        }
    }
}

/// No task, and so no timer; no connection but the endpoint's; nothing that holds the session or its grant.
#[test]
fn resting_session_has_no_task_no_timer_and_no_connection() {
    let (runtime, issuer) = (runtime(), Issuer::default());
    let endpoint = issuer.endpoint();
    let clients = Arc::strong_count(&issuer.0);
    let make = || Session::new(RefreshTokenGrant::new(endpoint.clone(), issuer.next()[1].as_str()));
    let (resting, _) = sessions(&runtime, make, fetch);
    let requests = issuer.requests();
    let count = runtime.metrics();
    assert_eq!(count.num_alive_tasks(), 0);
    runtime.block_on(advance(Duration::from_secs(365 * 24 * 3600)));
    assert_eq!(count.num_alive_tasks(), 0);
    assert_eq!(issuer.requests(), requests);
    assert_eq!(Arc::strong_count(&issuer.0), clients);
    drop(resting);

    let grant = Arc::new(());
    let held = Arc::downgrade(&grant);
    let session = Session::new(grant_with(grant, async |_, _| TokenSet::new("token")));
    runtime.block_on(fetch(&session));
    assert!(held.upgrade().is_some());
    drop(session);
    assert!(held.upgrade().is_none(), "the last session takes everything with it");
}
