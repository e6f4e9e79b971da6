//! A store that is reached by messages, as Redis is one, and as one process reaches it.
//!
//! 1. What it does, it does in one step. A command goes its own way once it is sent, whatever becomes of whoever sent it: it may be
//!    lost, its answer may be, it may arrive after everybody has given it up, or twice.
//! 2. A lease runs out after 15 s; its holder extends it every 5 s, while it lives and is not stopped.
//! 3. Claims are kept on the store's own clock.
//! 4. A load may be answered by a replica that does not know the newest write yet.
//! 5. A fail-over takes the newest writes back. For 3 s whoever asks for the lease is turned away, and all are told what stands there:
//!    whoever knows more writes it back.

use std::time::Duration;

use futures::future::{Either, select};
use secrecy::ExposeSecret;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until, timeout},
};
use tower_reauth::{Claim, Ear, Error, Lease, Leased, Listening, News, Record, Saved, StoreKey, TokenStore, Version};

use super::{
    life::Life,
    news, oracle,
    scene::{Contents, Holder, Scene, State},
    store::{now, shifted},
};
use crate::issuer::wait;

/// How long a lease lasts, and how often it is extended.
const LEASE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(5));
/// A client gives up after that.
const PATIENCE: Duration = Duration::from_secs(2);
/// So far a replica lags behind at most.
const LAG: Duration = Duration::from_secs(1);
/// So long nobody gets a lease where a replica took over.
const GRACE: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(crate) struct Remote(pub(crate) Life);

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    Lost,
    /// It is done, and nobody is told.
    Unanswered,
    Late,
    Twice,
}

/// What stands there, and how the claim in it stands to the store's clock.
type Found = Option<(String, Option<Claim>)>;

impl Remote {
    /// Sends a command, and waits for its answer.
    async fn command<T: Send + 'static>(
        &self,
        act: impl Fn(&mut State, usize) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.0.must_go_on();
        self.0.pass().await;
        let fate = fate(&mut self.0.scene.lock(), self.0.number);
        let (tell, told) = oneshot::channel();
        tokio::spawn(deliver(self.0.clone(), fate, act, tell));
        let answer = told.await;
        self.0.pass().await;
        answer.unwrap_or_else(|_| Err(Error::store("the connection broke")))
    }

    fn record(&self, (text, claim): (String, Option<Claim>)) -> Result<Record, Error> {
        Ok(Record::from_json(&shifted(&text, -self.0.skew()))?.with_claim(claim, now()))
    }
}

fn fate(state: &mut State, by: usize) -> Fate {
    let remote = state.plan.remote.clone().expect("a store far away");
    let fate = match state.rng.u32(..1000) {
        roll if roll < remote.loses => [Fate::Lost, Fate::Unanswered, Fate::Late][state.rng.usize(..3)],
        roll if roll < remote.loses + remote.repeats => Fate::Twice,
        _ => return Fate::Done,
    };
    if fate != Fate::Twice {
        state.lives[by].cut = Some(Instant::now() + Duration::from_secs(10));
        state.trouble(|| format!("a command of life {by} is {fate:?}"));
    }
    fate
}

async fn deliver<T>(
    life: Life,
    fate: Fate,
    act: impl Fn(&mut State, usize) -> T,
    tell: oneshot::Sender<Result<T, Error>>,
) {
    let (there, back, lost, late, pause, slow) = {
        let mut state = life.scene.lock();
        let most = state.plan.store_delay;
        (
            state.delay(most),
            state.delay(most),
            state.rng.bool(),
            state.rng.u64(2000..8000),
            state.delay(1000),
            state.place.slow,
        )
    };
    wait(if fate == Fate::Late { late } else { there }).await;
    wait(if slow { 2500 } else { 0 }).await;
    if fate == Fate::Lost {
        return silence(tell, lost).await;
    }
    let frozen = life.scene.lock().place.frozen;
    if let Some(until) = frozen {
        sleep_until(until).await;
    }
    // Whatever becomes of whoever sent it.
    if lost && life.is_over() {
        return;
    }
    let answer = done(&life, &act);
    wait(back).await;
    if fate == Fate::Unanswered {
        return silence(tell, lost).await;
    }
    let _ = tell.send(answer);
    if fate == Fate::Twice {
        wait(pause).await;
        let _ = done(&life, &act);
    }
}

/// The connection breaks, or nothing comes at all.
async fn silence<T>(tell: oneshot::Sender<T>, breaks: bool) {
    if !breaks {
        sleep(PATIENCE * 2).await;
    }
    drop(tell);
}

fn done<T>(life: &Life, act: impl Fn(&mut State, usize) -> T) -> Result<T, Error> {
    let (answer, news) = {
        let mut state = life.scene.lock();
        if state.place.fails {
            return Err(Error::store("the connection was refused"));
        }
        (act(&mut state, life.number), std::mem::take(&mut state.place.told))
    };
    news::carry(&life.scene, &news);
    Ok(answer)
}

impl TokenStore for Remote {
    async fn load(&self, _key: &StoreKey) -> Result<Option<Record>, Error> {
        self.command(load).await?.map(|found| self.record(found)).transpose()
    }

    async fn save(&self, _key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        let claim = record.claim(now());
        let text = shifted(record.clone().with_claim(None, now()).to_json().expose_secret(), self.0.skew());
        let number = {
            let place = &mut self.0.scene.lock().place;
            place.tickets += 1;
            place.tickets
        };
        let newer = self.command(move |state, by| save(state, by, (&text, claim, number), seen)).await??;
        newer.map_or(Ok(Saved::Saved), |found| Ok(Saved::Overtaken(Box::new(self.record(found)?))))
    }

    async fn lease(&self, _key: &StoreKey) -> Result<Leased, Error> {
        let ticket = {
            let place = &mut self.0.scene.lock().place;
            place.tickets += 1;
            place.tickets
        };
        if !self.command(move |state, by| take(state, by, ticket)).await? {
            return Ok(Leased::Taken);
        }
        let (end, ended) = oneshot::channel();
        tokio::spawn(keep(self.clone(), ticket, ended));
        Ok(Leased::Held(Lease::new(end)))
    }

    async fn changed(&self, _key: &StoreKey, seen: Option<Version>) -> Result<bool, Error> {
        self.command(move |state, _| state.place.version() != seen).await
    }

    fn news_every(&self) -> Duration {
        oracle::REMOTE_NEWS
    }

    fn listen(&self, _key: &StoreKey, ear: Ear) -> Option<Listening> {
        Some(Listening::new(news::listen(&self.0, ear)))
    }

    async fn ask(&self, _key: &StoreKey, dead: Version) -> Result<bool, Error> {
        self.command(move |state, by| {
            state.count("asks");
            state.note(|| format!("life {by} asks for help with {}", dead.number()));
            state.place.told.push(News::Wanted(dead));
            !state.place.ears.is_empty()
        })
        .await
    }
}

fn load(state: &mut State, _by: usize) -> Found {
    let stale = state.plan.remote.as_ref().map_or(0, |remote| remote.stale);
    let lagging = Instant::now().checked_sub(LAG).unwrap_or(state.began);
    let now = state.time();
    let older = match state.place.journal.back() {
        Some((at, older)) if *at > lagging => Some(older.clone()),
        _ => None,
    };
    let contents = match older {
        Some(older) if state.chance(stale) => older,
        _ => state.place.contents(),
    };
    Some((contents.record?, contents.claim.map(|claim| moved(claim, -now))))
}

/// Writes a record, if that is allowed; else gives what stands there.
fn save(
    state: &mut State,
    by: usize,
    (text, claim, number): (&str, Option<Claim>, u64),
    seen: Option<Version>,
) -> Result<Found, Error> {
    // The very same one, once more.
    if state.place.written == Some(number) {
        return Ok(None);
    }
    if state.place.saves_fail {
        return Err(Error::store("this replica is read-only"));
    }
    let (time, now) = (state.time(), now());
    let record = Record::from_json(text)?.with_claim(claim, now);
    if let Some(current) = &state.place.record {
        let there = state.place.claim.map(|claim| moved(claim, -time));
        if !record.may_replace(&Record::from_json(current)?.with_claim(there, now), seen, now) {
            return Ok(Some((current.clone(), there)));
        }
    }
    oracle::saved(state, by, &record);
    state.place.remember();
    state.place.written = Some(number);
    state.place.record = Some(text.to_owned());
    state.place.claim = claim.map(|claim| moved(claim, time));
    state.place.told.push(News::Saved(record.version()));
    Ok(None)
}

/// Takes the lease if it is free, and whoever may know more than is known here has had his time.
fn take(state: &mut State, by: usize, ticket: u64) -> bool {
    let promoted = state.place.lost.is_some_and(|lost| lost.elapsed() < GRACE);
    if promoted && let Some(version) = state.place.version() {
        state.place.told.push(News::Saved(version));
        return false;
    }
    hold(state, by, ticket)
}

/// Takes the lease if it is free, and extends it if it is the own one.
fn hold(state: &mut State, by: usize, ticket: u64) -> bool {
    let now = Instant::now();
    let foreign = |holder: &Holder| holder.ticket != ticket && holder.free.is_none_or(|free| now < free);
    if state.place.lease.as_ref().is_some_and(foreign) {
        return false;
    }
    state.place.remember();
    state.place.lease = Some(Holder { by, ticket, free: Some(now + LEASE.0) });
    true
}

fn release(state: &mut State, ticket: u64) {
    if state.place.lease.as_ref().is_some_and(|holder| holder.ticket == ticket) {
        state.place.remember();
        state.place.lease = None;
        state.place.told.push(News::Free);
    }
}

/// Extends a lease until it is given back, or lost.
async fn keep(remote: Remote, ticket: u64, mut ended: oneshot::Receiver<()>) {
    loop {
        let over = match select(&mut ended, Box::pin(sleep(LEASE.1))).await {
            Either::Left(_) => true,
            Either::Right(_) => false,
        };
        if !remote.0.awakes().await {
            return;
        }
        let command = async {
            if over {
                let released = remote.command(move |state, _| release(state, ticket)).await;
                return released.is_ok();
            }
            matches!(remote.command(move |state, by| hold(state, by, ticket)).await, Ok(false))
        };
        if timeout(PATIENCE, command).await.unwrap_or(false) || over {
            return;
        }
    }
}

/// The newest writes are gone, up to this old.
pub(crate) fn fail_over(scene: &Scene, lag: Duration) {
    let mut state = scene.lock();
    let Some(since) = Instant::now().checked_sub(lag) else { return };
    let place = &mut state.place;
    let Some(first) = place.journal.iter().position(|(at, _)| *at > since) else { return };
    let lost = place.version();
    let (_, older) = place.journal.drain(first..).next().expect("it is there");
    (place.record, place.claim, place.lease, place.written) = (older.record, older.claim, older.lease, None);
    let left = place.version();
    oracle::lost(&mut state, lost, left);
}

impl Contents {
    fn version(&self) -> Option<Version> {
        self.record.as_ref().map(|text| Record::from_json(text).expect("a record").version())
    }
}

impl super::scene::Place {
    pub(crate) fn contents(&self) -> Contents {
        Contents { record: self.record.clone(), claim: self.claim, lease: self.lease.clone() }
    }

    pub(crate) fn version(&self) -> Option<Version> {
        self.contents().version()
    }

    pub(crate) fn last_write(&self) -> Option<Instant> {
        self.journal.back().map(|(at, _)| *at)
    }

    /// Before each write.
    fn remember(&mut self) {
        let now = Instant::now();
        let contents = self.contents();
        self.journal.push_back((now, contents));
        while self.journal.front().is_some_and(|(at, _)| now.duration_since(*at) > Duration::from_secs(60)) {
            self.journal.pop_front();
        }
    }
}

fn moved(claim: Claim, by: i64) -> Claim {
    Claim::new(claim.by, claim.since.saturating_add(by), claim.until.saturating_add(by))
}
