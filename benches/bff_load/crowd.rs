//! All users at once: they log in, and for the length of a turn they call the API.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    browser::{Browser, Cookie},
    processor,
    stand::{PASSWORD, Stand, Way},
    support::Counters,
};

/// 127.1.0.0; a user's own address is as many further on as their number says.
const ADDRESSES: u32 = 0x7f01_0000;
/// One in so many users loses the tokens in each second: nobody as often as ten times a minute, which is when the layer would
/// hold renewals back.
const USERS_FOR_A_KILL: u32 = 100;
/// Of an order, in bytes.
const ORDER: usize = 256;

/// What came of a turn.
pub(crate) struct Turn {
    pub(crate) way: Way,
    pub(crate) length: Duration,
    /// How long each request took, shortest first; those that failed are not among them.
    pub(crate) times: Vec<Duration>,
    pub(crate) failures: Vec<String>,
    /// What the gateway was asked, tokens included.
    pub(crate) exchanges: u64,
    /// CPU time of the server.
    pub(crate) processor: Duration,
    /// Tokens that were renewed with their refresh token: they had expired.
    pub(crate) refreshes: u64,
    /// Tokens that were had with the password: the refresh token was dead.
    pub(crate) reissues: u64,
    /// Requests that were rejected by the gateway. Each was sent again, if none has failed.
    pub(crate) rejections: u64,
    /// Users whose tokens were killed.
    pub(crate) kills: u64,
}

/// What came of a connection.
#[derive(Default)]
struct Outcome {
    times: Vec<Duration>,
    failures: Vec<String>,
}

/// Lets every user log in once, from an address of their own.
///
/// # Panics
/// When one can't.
pub(crate) async fn log_in(stand: &Stand, connections: u32) -> Vec<Cookie> {
    let users = stand.users.iter().zip(ADDRESSES..);
    let cookies = stream::iter(users).map(async |(user, from)| {
        let mut browser = Browser::connect(Ipv4Addr::from_bits(from).into(), stand.address).await.unwrap();
        browser.log_in(user, PASSWORD).await.unwrap()
    });
    cookies.buffer_unordered(connections as usize).collect().await
}

/// Loads a server for a turn.
pub(crate) async fn load(stand: &Stand, connections: u32, length: Duration) -> Turn {
    let (before, processor, kills) = (stand.gateway.counters(), processor::time("server"), AtomicU64::new(0));
    let began = Instant::now();
    let mut crowd = JoinSet::new();
    for _ in 0..connections {
        crowd.spawn(connection(stand.address, stand.cookies.clone(), began + length));
    }
    let outcomes = tokio::select! {
        outcomes = crowd.join_all() => outcomes,
        never = kill(stand, &kills), if stand.way == Way::Layer => match never {},
    };

    let (length, after) = (began.elapsed(), stand.gateway.counters());
    let mut all = Outcome::default();
    for Outcome { times, failures } in outcomes {
        all.times.extend(times);
        all.failures.extend(failures);
    }
    all.times.sort_unstable();
    let asked = |counters: &Counters| counters.accepted + counters.rejected + counters.all_token_requests();
    let refreshed = |counters: &Counters| counters.token_requests("refresh_token") - counters.refused_token_requests;
    let reissued = |counters: &Counters| counters.token_requests("password");
    Turn {
        way: stand.way,
        length,
        times: all.times,
        failures: all.failures,
        exchanges: asked(&after) - asked(&before),
        processor: processor::time("server") - processor,
        refreshes: refreshed(&after) - refreshed(&before),
        reissues: reissued(&after) - reissued(&before),
        rejections: after.rejected - before.rejected,
        kills: kills.into_inner(),
    }
}

async fn connection(to: SocketAddr, cookies: Arc<[Cookie]>, until: Instant) -> Outcome {
    let mut random = fastrand::Rng::new();
    let mut outcome = Outcome::default();
    let mut browser = Browser::connect(Ipv4Addr::LOCALHOST.into(), to).await.unwrap();
    while Instant::now() < until {
        let cookie = random.choice(cookies.iter()).unwrap();
        let order = random.bool().then(|| order(&mut random));
        let began = Instant::now();
        let done = match order {
            Some(order) => browser.order(cookie, order).await,
            None => browser.look(cookie).await,
        };
        match done {
            Ok(()) => outcome.times.push(began.elapsed()),
            Err(error) => outcome.failures.push(format!("{error:#}")),
        }
    }
    outcome
}

/// A JSON text like no other.
fn order(random: &mut fastrand::Rng) -> Bytes {
    let note: String = std::iter::repeat_with(|| random.alphanumeric()).take(ORDER - 11).collect();
    format!("{{\"note\":\"{note}\"}}").into()
}

/// Kills one user's tokens after the other, all the time. No user loses them twice within a request.
async fn kill(stand: &Stand, kills: &AtomicU64) -> Infallible {
    let pause = Duration::from_secs(1) * USERS_FOR_A_KILL / stand.users.len() as u32;
    let mut pauses = interval(pause);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pauses.tick().await;
        let victim = stand.next_victim.fetch_add(1, Ordering::Relaxed) % stand.users.len();
        stand.gateway.gateway().revoke_user(&stand.users[victim]);
        kills.fetch_add(1, Ordering::Relaxed);
    }
}
