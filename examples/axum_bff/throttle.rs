//! How often somebody may try to log in: per user name, so that nobody guesses one user's password, and per address, so that
//! nobody tries one password on all users.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{Quota, RateLimiter, clock::Clock, state::keyed::HashMapStateStore};

/// Five at once, then one in 30 s.
const PER_USER: Quota = Quota::per_minute(number(2)).allow_burst(number(5));
/// Twenty at once, then one in 3 s.
const PER_ADDRESS: Quota = Quota::per_minute(number(20));
/// What is remembered is looked through when it is more than this.
const REMEMBERED: usize = 10_000;

/// Why an attempt may not be made, and the time until it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    User(Duration),
    Address(Duration),
}

/// Counts attempts, successful ones too.
pub(crate) struct Throttle {
    users: Limiter<String>,
    addresses: Limiter<IpAddr>,
}

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, TokioClock>;

/// tokio's time, which tests can stop.
#[derive(Clone)]
struct TokioClock;

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            users: RateLimiter::hashmap_with_clock(PER_USER, TokioClock),
            addresses: RateLimiter::hashmap_with_clock(PER_ADDRESS, TokioClock),
        }
    }

    /// Notes an attempt. The address is that of the connection: behind a proxy take it from the header that the proxy sets, and
    /// from nowhere else.
    pub(crate) fn attempt(&self, address: IpAddr, user: Option<&str>) -> Result<(), Held> {
        if self.users.len() + self.addresses.len() > REMEMBERED {
            self.users.retain_recent();
            self.addresses.retain_recent();
        }
        // The address first: who is held back there can't hold back a user.
        attempt(&self.addresses, &network(address)).map_err(Held::Address)?;
        user.map_or(Ok(()), |user| attempt(&self.users, &user.to_lowercase()).map_err(Held::User))
    }
}

impl Clock for TokioClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

fn attempt<K: std::hash::Hash + Eq + Clone>(limiter: &Limiter<K>, key: &K) -> Result<(), Duration> {
    limiter.check_key(key).map_err(|held| held.wait_time_from(TokioClock.now()))
}

/// Whoever has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

const fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}
