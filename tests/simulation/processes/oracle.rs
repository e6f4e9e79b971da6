//! What is held against the library. It knows the script, the wire and the store, and nothing of what a process has in memory.
//!
//! 1. In a calm world every call succeeds, no refresh token comes twice, and a token is asked for only when the newest one is due
//!    or was rejected.
//! 2. A refresh token comes twice only if whoever sent it first was killed or stopped, or got no answer, or could not save it;
//!    and never once the next one is saved, unless the store lost that.
//! 3. What was logged out stays so until somebody logs in, and its tokens are used for 30 s of traffic at most.
//! 4. A call ends within its waiting time and what its own answers take.
//! 5. A call fails only if something happened shortly before, or if the store holds nothing that is alive.
//! 6. No record takes the place of a newer one.
//!
//! Where the store is far away, moreover:
//! 7. One token request is under way at a time, unless its sender was stopped, or the store or the way to it failed.
//! 8. Nobody calls with an older version than before.
//! 9. A login that was ended is not used for longer than it takes to look twice.
//! 10. What a fail-over took away is written back by whoever calls with it.
//! 11. Where a process has the password, and hears of it, no other one stays without a token.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tower_reauth::{Error, ErrorKind, Record, Version};

use super::scene::{Over, Spend, State};
use crate::issuer::number;

const WAITING: Duration = Duration::from_secs(30);
/// How long what happened may show: a claim, a pause and a call's wait.
const SHOWS: Duration = Duration::from_secs(250);
/// Between two looks at the store while there is traffic.
const LOOKS: Duration = Duration::from_secs(30);
/// And at one that is far away.
pub(crate) const REMOTE_NEWS: Duration = Duration::from_secs(4);
/// As long as a claim may stand that nobody takes back.
const CLAIM: Duration = Duration::from_secs(130);
/// What a look may take.
const LOOK: Duration = Duration::from_secs(10);

/// Gives the place of the spend.
pub(crate) fn token_request(state: &mut State, by: usize, pair: Option<usize>) -> usize {
    state.note(|| format!("life {by} asks with {pair:?}"));
    state.count("token requests");
    let now = Instant::now();
    // Where clocks differ, the first token that a process finds may seem to have expired.
    let first_of_skewed = state.lives[by].requests == 0 && state.plan.skews.iter().any(|hours| *hours != 0);
    state.lives[by].requests += 1;
    if state.plan.is_calm() && !first_of_skewed {
        // What is under way is the newest one for whoever asks.
        let newest = state.pairs.iter().rposition(|pair| pair.saved);
        let called_for = newest.is_none_or(|newest| {
            let newest = &state.pairs[newest];
            // It ages from when it was asked for.
            let slack = Duration::from_millis(state.plan.issuer_delay + 1);
            let life = newest.expires - newest.issued;
            newest.rejected || !newest.lives || now + slack >= newest.issued + life.mul_f64(0.7)
        });
        state.check(called_for, || format!("life {by} asks for a token that nothing calls for"));
    }
    one_at_a_time(state, by);
    if let Some(pair) = pair {
        spent(state, by, pair);
    }
    state.spends.push(Spend { pair, by, at: now, over: None });
    state.spends.len() - 1
}

/// Invariant 1, for a fleet.
fn one_at_a_time(state: &mut State, by: usize) {
    if state.plan.remote.is_none() {
        return;
    }
    let is_alone = |other: &Spend| {
        let since = other.at.checked_sub(CLAIM).unwrap_or(state.began);
        let excused = |life| state.was_disturbed(life, since) || state.was_cut_off(life, since);
        other.over.is_some() || excused(other.by) || excused(by)
    };
    let other = state.spends.iter().rev().take(16).find(|other| !is_alone(other)).map(|other| other.by);
    state.check(other.is_none(), || format!("life {by} asks while a request of life {other:?} is under way"));
}

/// A refresh token is sent.
fn spent(state: &mut State, by: usize, pair: usize) {
    let now = Instant::now();
    let family = state.pairs[pair].family;
    let dead = !state.families[family].lives;
    if let Some(first) = state.spends.iter().rfind(|spend| spend.pair == Some(pair)) {
        let (other, at) = (first.by, first.at);
        // Of a login that is dead it does no harm, and each process asks once more to make sure.
        let excused = dead || is_excused(state, first);
        state.check(excused, || format!("life {by} sends the refresh token of {pair} again, as life {other} did"));
        let next = state.pairs.iter().skip(pair + 1).any(|pair| pair.family == family && pair.saved);
        let before = now - CLAIM.min(now - state.began);
        let knew =
            next && !dead && !state.plan.losses && !state.was_disturbed(by, before) && !state.was_cut_off(by, before);
        state.check(!knew, || format!("life {by} sends the refresh token of {pair} though the next one is saved"));
        state.note(|| format!("it was sent {} ms ago", at.elapsed().as_millis()));
    }
}

/// Whether a refresh token may come again after this.
fn is_excused(state: &State, first: &Spend) -> bool {
    state.was_disturbed(first.by, first.at)
        || state.was_cut_off(first.by, first.at)
        || first.over == Some(Over::Failed)
        || state.plan.losses
}

/// A refresh token that was redeemed is sent once more, and its login dies of it.
pub(crate) fn reused(state: &mut State, by: usize, pair: usize) {
    state.count("reuse");
    state.trouble(|| format!("life {by} used the refresh token of {pair} again"));
}

/// A record is about to be written.
pub(crate) fn saved(state: &mut State, by: usize, record: &Record) {
    let version = record.version();
    let pair = record.access_token().map(number_of);
    state.note(|| {
        let (claims, mark) = (record.to_json().expose_secret().contains("spending"), record.is_logged_out());
        // Without the epoch, which is a time of day.
        format!("life {by} saves {}: {pair:?}, claim: {claims}, mark: {mark}", version.number())
    });
    if let Some(current) = state.place.record.as_deref().map(|text| Record::from_json(text).expect("a record")) {
        // One mark is as good as another.
        let older = version < current.version() && !(record.is_logged_out() && current.is_logged_out());
        state.check(!older, || format!("life {by} writes an older record over a newer one"));
        let begins = version.epoch() > current.version().epoch();
        // Whoever knows of a login that the store has lost may write it back.
        let may =
            record.is_logged_out() || state.lives[by].logs_in || state.place.taken_back.contains(&version.epoch());
        state.check(may || !(begins || current.is_logged_out()), || format!("life {by} brings a login back"));
        if begins {
            state.login = Some(Instant::now());
        }
    }
    if record.is_logged_out() {
        let now = Instant::now();
        state.place.marks.entry(version.epoch()).or_insert(now);
        state.login = Some(now);
        state.count("marks");
    }
    if let Some(pair) = pair {
        state.lives[by].unsaved = false;
        (state.pairs[pair].saved, state.pairs[pair].version) = (true, Some(version));
        let family = state.pairs[pair].family;
        state.families[family].epoch = Some(version.epoch());
    }
}

/// A replica has taken over, without the newest writes.
pub(crate) fn lost(state: &mut State, lost: Option<Version>, left: Option<Version>) {
    let now = Instant::now();
    state.place.lost = Some(now);
    state.trouble(|| {
        let number = |version: Option<Version>| version.map(Version::number);
        format!("a replica takes over: {:?} is lost, {:?} is left", number(lost), number(left))
    });
    state.count("fail-overs");
    for pair in &mut state.pairs {
        pair.saved &= pair.version.is_none_or(|version| left.is_some_and(|left| version <= left));
    }
    let ended =
        state.place.record.as_deref().is_some_and(|text| Record::from_json(text).expect("a record").is_logged_out());
    let is_left = |epoch: u64| left.is_some_and(|left| epoch < left.epoch() || (ended && epoch == left.epoch()));
    let marks = state.place.marks.len();
    state.place.marks.retain(|epoch, _| is_left(*epoch));
    let epoch = |version: Option<Version>| version.map(Version::epoch);
    if epoch(lost) != epoch(left) || marks > state.place.marks.len() {
        state.place.taken_back.extend(epoch(lost));
        state.login = Some(now);
    }
}

/// A request reaches the API.
pub(crate) fn sent(state: &mut State, by: usize, pair: usize) {
    let now = Instant::now();
    if let Some(version) = state.pairs[pair].version.filter(|_| state.plan.remote.is_some()) {
        let older = state.lives[by].newest.is_some_and(|newest| version < newest);
        let held = state.was_disturbed(by, now);
        state.check(!older || held, || format!("life {by} calls with {pair}, and had something newer"));
        state.lives[by].newest = state.lives[by].newest.max(Some(version));
        written_back(state, by, version);
    }
    let looks = if state.plan.remote.is_some() { REMOTE_NEWS } else { LOOKS };
    let epoch = state.families[state.pairs[pair].family].epoch;
    let Some((epoch, marked)) = epoch.and_then(|epoch| Some((epoch, *state.place.marks.get(&epoch)?))) else { return };
    // From here on a look finds the mark, and there is one half a minute later.
    let life = &state.lives[by];
    let seen = [Some(marked), state.place.failed, life.stop, life.cut].into_iter().flatten().max().unwrap_or(marked);
    let looked = life.looked.filter(|(other, at)| *other == epoch && *at >= seen + looks);
    match looked {
        Some((_, at)) => state.check(now <= at + LOOK, || format!("life {by} calls with {pair}, which was logged out")),
        None if now >= seen + looks => state.lives[by].looked = Some((epoch, now)),
        None => {}
    }
}

/// Somebody calls with this version: if the store has lost it, it is there again after two looks.
fn written_back(state: &mut State, by: usize, version: Version) {
    let now = Instant::now();
    let Some(lost) = state.place.lost.filter(|lost| lost.elapsed() < SHOWS) else { return };
    if state.place.version() >= Some(version) {
        state.lives[by].behind = None;
        return;
    }
    let life = &state.lives[by];
    let since = [state.place.failed, life.stop, life.cut].into_iter().flatten().fold(lost, Instant::max) + REMOTE_NEWS;
    match life.behind.filter(|at| *at >= since) {
        Some(at) => state.check(now <= at + LOOK, || {
            format!("life {by} calls with version {}, and leaves an older one in the store", version.number())
        }),
        None if now >= since => state.lives[by].behind = Some(now),
        None => {}
    }
}

/// The end of a call: its status or none, and what went wrong.
pub(crate) fn ended(state: &mut State, by: usize, began: Instant, status: Option<u16>, error: Option<&Error>) {
    let now = Instant::now();
    let kind = error.map(Error::kind);
    state.note(|| format!("a call of life {by} ends: {status:?} {kind:?}"));
    state.count("calls");
    state.count(status.map_or_else(|| "error".to_owned(), |status| status.to_string()));
    let longest = WAITING + Duration::from_millis(8 * state.plan.resource_delay + 100);
    let in_time = now <= began + longest || state.was_disturbed(by, began);
    state.check(in_time, || format!("a call of life {by} took {:?}", now - began));
    let Some(kind) = kind else {
        state.check(status == Some(200), || format!("a call of life {by} ends with {status:?} and no cause"));
        return;
    };
    state.count(format!("{kind:?}"));
    let excused = match kind {
        // Of somebody else's login or logout, or its own.
        ErrorKind::LoggedOut => state.login.is_some(),
        ErrorKind::Refused if state.lives[by].unsaved => true,
        // The new token died as well, perhaps on its way, and the API is left alone for a minute.
        ErrorKind::RejectedAgain | ErrorKind::CoolingDown if state.revoked.is_some_and(|at| at + SHOWS >= began) => {
            true
        }
        _ => is_shown(state, began) || !(is_stored_alive(state) || is_helped(state, began)),
    };
    state.check(excused, || format!("a call of life {by} failed without a cause: {kind:?}"));
}

fn is_shown(state: &State, began: Instant) -> bool {
    [state.trouble, state.login].into_iter().flatten().any(|at| at + SHOWS >= began)
}

/// Whether somebody with a password is there all the time, and can be asked.
pub(crate) fn is_helped(state: &State, began: Instant) -> bool {
    let since = began.checked_sub(SHOWS).unwrap_or(state.began);
    let Some(helper) = state.lives.iter().rposition(|life| life.process == 0) else { return false };
    let hears = state.lives[helper].deaf.is_none_or(|(until, _)| until < since);
    state.plan.is_quiet() && hears && !state.was_disturbed(helper, since) && !state.was_cut_off(helper, since)
}

/// Whether the store holds a refresh token that the issuer would take.
pub(crate) fn is_stored_alive(state: &State) -> bool {
    let record = state.place.record.as_deref().map(|text| Record::from_json(text).expect("a record"));
    record.and_then(|record| record.refresh_token().map(number_of)).is_some_and(|pair| state.is_redeemable(pair))
}

fn number_of(token: &SecretString) -> usize {
    number(token.expose_secret())
}
