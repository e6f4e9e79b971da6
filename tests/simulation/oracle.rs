//! What is allowed. The oracle knows the script and the wire, and nothing of the library's own state.
//!
//! 1. A login has one token request under way at most, none after its end, and none that nothing calls for: there is no
//!    token, its age calls for a new one, a call was rejected with *this* token, or a renewal was asked for.
//! 2. A token request is carried through, whatever becomes of its callers, for as long as a flight may last.
//! 3. The refresh token that was delivered last is the one that is sent; while there is one that works, no password is.
//! 4. A refused password is sent once more after 60 s if it had worked. Without a success, one that never worked is sent at
//!    most 3 times in 15 min and 5 times in all, one that had worked at most 10 times in 15 min, and no two within a second.
//!    What a 429 or 503 asks for is waited for by everybody.
//! 5. What goes out carries the last token that was delivered to the login that the call began with, while that login
//!    lasts, and to an origin that may see it. The body is the same each time.
//! 6. No more re-issues a minute are caused by rejections than the session allows, and no origin is left alone or turned
//!    away because of another one: see [`trial`](crate::trial).
//! 7. A call ends with the answer to its last attempt, or with an error and nothing sent. It fails only where each of its
//!    attempts was rejected, and where that was not healed, or nothing was sent, for a cause that the wire shows: see
//!    `excuse`.
//! 8. What a logout leaves behind is brought to the revocation endpoint, and so is what a flight brings in later.

use std::time::Duration;

use http::Uri;
use tokio::time::Instant;
use tower_reauth::{Error, ErrorKind, RenewAhead};

use crate::{
    issuer::{Asked, Outcome},
    script::{Call, End, Flight, Kind, Login, Regime, Send, Settings, State},
    trial::may_be_damped,
};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
const FLIGHT_LIMIT: Duration = Duration::from_secs(120);
const QUARTER: Duration = Duration::from_secs(15 * 60);
/// No call takes longer, whatever it has to wait for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1200);

pub(crate) fn token_request(state: &mut State, number: usize, asked: Asked) {
    let now = Instant::now();
    state.note(|| format!("login {number} asks: {asked:?}"));
    let is_current = state.is_current(number);
    let held_until = state.hold.0;
    let login = &mut state.logins[number];
    let mut wrong = Vec::new();
    login.running += 1;
    login.asked = now;
    if login.running > 1 {
        wrong.push("has two token requests under way");
    }
    if !is_current {
        wrong.push("asks for a token after its end");
    }
    if now < held_until {
        wrong.push("asks while everybody was told to wait");
    }
    let goes_on = asked == Asked::Own && login.refresh_refused == Some(now);
    if !goes_on {
        let early = login.latest.is_some() && !login.is_due(now);
        if early && !login.wanted {
            wrong.push("asks for a token that nothing calls for");
        }
        if early && login.only_wanted_by_the_left_alone(now) {
            wrong.push("asks for a token because of an origin that it said to leave alone");
        }
        login.flights.push(Flight { at: now, early, causes: login.causes() });
        let Settings { limit, ahead, patience, .. } = login.settings;
        // Whoever is patient asks again for a renewal that failed.
        if let (Some(limit), RenewAhead::Never, true) = (limit, ahead, patience.is_zero()) {
            let within = |at: Instant, time| now.duration_since(at) < time;
            // One that was asked for may have had to wait.
            let asked_for = login.renewals_asked.iter().filter(|at| within(**at, 2 * MINUTE)).count();
            let reissues = login.flights.iter().filter(|flight| flight.early && within(flight.at, MINUTE)).count();
            if reissues > Login::most_reissues(limit) + asked_for {
                wrong.push("was re-issued more often than its damping allows");
            }
        }
    }
    match asked {
        Asked::Refresh(pair) if login.refresh != Some(pair) => wrong.push("sends an outdated refresh token"),
        Asked::Own if login.refresh.is_some() && !login.stands_back(now) => {
            wrong.push("sends its own credential while it has a refresh token")
        }
        Asked::Own if login.kind == Kind::RefreshToken => wrong.push("has no credential of its own"),
        Asked::Own if login.kind == Kind::Password => {
            if login.refused.is_some_and(|at| !login.worked || login.refusals > 1 || now < at + MINUTE) {
                wrong.push("sends a password that was refused");
            }
            let since_last = login.password_sends.last().map(|at| now.duration_since(*at));
            if since_last.is_some_and(|pause| pause < Duration::from_secs(1)) {
                wrong.push("sends two passwords within a second");
            }
            login.password_sends.push(now);
            let recent = login.password_sends.iter().filter(|at| now.duration_since(**at) < QUARTER).count();
            if recent > most_passwords(login.worked) {
                wrong.push("sends a password too often in 15 min");
            }
            if !login.worked && login.password_sends.len() > 5 {
                wrong.push("sends a password that never worked for the sixth time");
            }
        }
        _ => {}
    }
    for what in wrong {
        state.violation(format_args!("login {number} {what}"));
    }
}

pub(crate) fn token_answer(state: &mut State, number: usize, asked: Asked, outcome: Outcome) {
    let now = Instant::now();
    state.note(|| format!("login {number} is answered: {outcome:?}"));
    if let Outcome::Held { retry_after } = outcome {
        let (least, most) = (retry_after.unwrap_or(1), retry_after.unwrap_or(60));
        state.hold.0 = state.hold.0.max(now + Duration::from_secs(least));
        state.hold.1 = state.hold.1.max(now + Duration::from_secs(most));
        state.holds.push(now + Duration::from_secs(most));
    }
    let holds = state.holds.len() as u32;
    let login = &mut state.logins[number];
    login.running -= 1;
    match outcome {
        Outcome::Tokens { pair, life, refreshes } => {
            login.wanted &= login.latest() == Some(pair);
            login.delivered(now, pair);
            login.latest = Some((pair, login.asked, life));
            if refreshes {
                login.refresh = Some(pair);
            }
            (login.failed_in_a_row, login.pause, login.objected) = (0, None, None);
            (login.refresh_refusals, login.refresh_breaks) = (0, Vec::new());
            if !login.is_alone() || asked == Asked::Own {
                login.refused = None;
            }
            if asked == Asked::Own {
                if !refreshes {
                    // One that did not work has had its time.
                    login.refresh = None;
                }
                (login.worked, login.refusals) = (true, 0);
                login.password_sends.clear();
                (login.password_breaks, login.password_pause) = (0, None);
            }
            return;
        }
        Outcome::Refused => {}
        Outcome::Objected => login.objected = Some(now),
        Outcome::Panicked => {
            login.lost = Some(now);
            login.fail(ErrorKind::RenewalLost, None, holds);
        }
        Outcome::Held { .. } | Outcome::Unavailable | Outcome::Broken => {}
    }
    let goes_on = matches!((asked, outcome), (Asked::Refresh(_), Outcome::Refused)) && !login.is_alone();
    match (asked, outcome) {
        (Asked::Refresh(_), Outcome::Refused) if goes_on => {
            (login.refresh, login.refresh_refused) = (None, Some(now));
        }
        // Once more, to make sure.
        (Asked::Refresh(_), Outcome::Refused) if login.refresh_refusals == 0 => login.refresh_refusals = 1,
        (Asked::Refresh(_), Outcome::Refused) => {
            (login.refresh, login.refresh_refused, login.refused) = (None, Some(now), Some(now));
        }
        (Asked::Refresh(_), Outcome::Unavailable | Outcome::Broken | Outcome::Held { .. }) => {
            login.refresh_breaks.push(now);
        }
        // A grant that panicked says nothing of the refresh token.
        (Asked::Refresh(_), Outcome::Panicked) => {}
        (Asked::Refresh(_), _) => login.refresh_breaks.clear(),
        (Asked::Own, Outcome::Refused) => {
            login.refused = Some(now);
            login.refusals += 1;
        }
        (Asked::Own, _) => {}
    }
    if let (Asked::Own, Kind::Password, Some(kind)) = (asked, login.kind, outcome.kind()) {
        login.password_failed(kind, now);
    }
    if let Some(kind) = outcome.kind().filter(|_| !goes_on) {
        let asked_for = match outcome {
            Outcome::Held { retry_after } => retry_after,
            _ => None,
        };
        login.fail(kind, asked_for, holds);
    }
}

fn most_passwords(worked: bool) -> usize {
    if worked { 10 } else { 3 }
}

impl Login {
    fn password_failed(&mut self, kind: ErrorKind, now: Instant) {
        self.password_breaks += 1;
        let spacing = match (self.worked, self.password_breaks) {
            (false, n) => [10, 120, 1200, 7200][n.min(4) - 1],
            (true, n) => (5 << (n - 1).min(6)).min(300),
        };
        self.password_pause = Some((kind, now + Duration::from_secs(spacing.max(300))));
        if !self.worked && self.password_sends.len() >= 5 {
            self.refused = Some(now);
        }
    }
}

pub(crate) fn token_request_dropped(state: &mut State, number: usize, asked: Asked) {
    let now = Instant::now();
    state.note(|| format!("login {number} drops its token request"));
    let holds = state.holds.len() as u32;
    let login = &mut state.logins[number];
    login.running -= 1;
    let began = login.flights.last().map_or(now, |flight| flight.at);
    login.fail(ErrorKind::TimedOut, None, holds);
    match asked {
        Asked::Refresh(_) => login.refresh_breaks.push(now),
        Asked::Own if login.kind == Kind::Password => login.password_failed(ErrorKind::TimedOut, now),
        Asked::Own => {}
    }
    state.check(now >= began + FLIGHT_LIMIT, || format!("login {number} did not carry its token request through"));
}

pub(crate) fn sent(state: &mut State, number: usize, pair: Option<usize>, uri: &Uri) -> usize {
    let call = &state.calls[number];
    let (over, origin, send) = (call.over, call.origin, call.sends.len());
    let (latest, is_current) = match call.login {
        Some(login) => (state.logins[login].latest(), state.is_current(login)),
        None => (None, false),
    };
    let login = call.login;
    state.note(|| format!("call {number} of login {login:?} is sent with {pair:?} to {uri}"));
    state.check(!over, || format!("call {number} was sent after its end"));
    if origin.is_none() {
        state.check(pair.is_none(), || format!("call {number} took a token away from home"));
    } else {
        state.check(is_current, || format!("call {number} was sent after the end of its login"));
        state.check(pair.is_some() && pair == latest, || {
            format!("call {number} was sent with {pair:?} while {latest:?} was the last token of its login")
        });
    }
    state.calls[number].sends.push(Send { pair, answer: None, broke: false, latest: None });
    send
}

pub(crate) fn answered(state: &mut State, number: usize, send: usize, status: Option<u16>) {
    let now = Instant::now();
    state.note(|| format!("call {number} is answered: {status:?}"));
    let call = &mut state.calls[number];
    let latest = call.login.and_then(|login| state.logins[login].latest());
    let it = &mut call.sends[send];
    (it.answer, it.broke, it.latest) = (status, status.is_none(), latest);
    let pair = it.pair;
    let (Some(401), Some(login), Some(origin)) = (status, call.login, call.origin) else { return };
    let login = &mut state.logins[login];
    login.wanted |= pair == latest;
    login.rejected(now, origin, pair);
}

/// The end of a call that was not cut off: the status and the number of the attempt that it is the answer to.
pub(crate) fn ended(state: &mut State, number: usize, result: Result<(u16, usize, Option<&Error>), &Error>) {
    let now = Instant::now();
    state.note(|| format!("call {number} ends: {result:?}"));
    let call = &mut state.calls[number];
    call.over = true;
    let (sends, began) = (call.sends.len(), call.began);
    let last = call.sends.last().map(|send| (send.answer, send.broke));
    let last_pair = call.sends.last().and_then(|send| send.pair);
    let rejections = call.sends.iter().filter(|send| send.answer == Some(401)).count();
    let (status, kind) = match &result {
        Ok((status, _, error)) => (Some(*status), error.map(Error::kind)),
        Err(error) => (None, Some(error.kind())),
    };
    let retry_after =
        result.as_ref().map_or_else(|error| Some(*error), |(_, _, error)| *error).and_then(Error::retry_after);
    state.check(now < began + PATIENCE, || format!("call {number} took too long"));
    match (result, kind) {
        (Ok((status, send, error)), _) => {
            state.check(send + 1 == sends && last == Some((Some(status), false)), || {
                format!("call {number} did not end with the answer to its last attempt")
            });
            state.check((status == 401) == error.is_some(), || {
                format!("call {number} ended with {status} and no cause")
            });
            if status == 401 {
                state.check(rejections == sends, || format!("call {number} failed, and not all its attempts"));
            }
        }
        (Err(error), Some(ErrorKind::Service)) => {
            state.check(last.is_some_and(|(_, broke)| broke), || format!("call {number} invents a failure: {error}"));
        }
        (Err(error), _) => {
            state.check(sends == 0, || format!("call {number} ends with an error, and was sent: {error}"))
        }
    }
    if let Some(kind) = kind.filter(|kind| *kind != ErrorKind::Service) {
        let call = &state.calls[number];
        let excused = match call.login {
            Some(login) => excuse(state, login, kind, began, Some(number)),
            None => kind == ErrorKind::LoggedOut,
        };
        state.check(excused, || format!("call {number} failed without a cause: {kind:?}"));
        // Invariant 4: a token that may still work is tried.
        let call = &state.calls[number];
        let usable = call.login.is_some_and(|login| state.logins[login].has_unexpired(now));
        // Where there was no place for it, it waited as long as a call waits.
        let kept = sends > 0 || call.forced || kind == ErrorKind::LoggedOut || !usable || state.is_full();
        state.check(kept, || format!("call {number} was not sent although there was a token: {kind:?}"));
    }
    if let Call { login: Some(login), origin: Some(origin), .. } = state.calls[number] {
        let login = &mut state.logins[login];
        match (last_pair, status, kind) {
            (_, _, Some(ErrorKind::CoolingDown)) => login.left_alone(now, origin, retry_after),
            (Some(pair), Some(_), None) => login.passed(origin, pair, state.temper.regime),
            _ => {}
        }
    }
    state.count("calls");
    state.count(status.map_or_else(|| "error".to_owned(), |status| status.to_string()));
    if status == Some(200) && sends > 1 {
        state.count("healed");
    }
    if let Some(kind) = kind {
        state.count(format!("{kind:?}"));
    }
}

/// Whether the wire shows a cause for this failure of a call that began then.
pub(crate) fn excuse(state: &State, number: usize, kind: ErrorKind, began: Instant, call: Option<usize>) -> bool {
    use ErrorKind::*;

    let now = Instant::now();
    let login = &state.logins[number];
    let call = call.map(|call| &state.calls[call]);
    // Seen while it happened, or within the pause that follows it.
    let witnessed = login.failures.iter().any(|failure| failure.kind == kind && failure.at >= began);
    let mut pauses = [login.pause, login.password_pause].into_iter().flatten();
    let failed = witnessed || pauses.any(|(pause, until)| pause == kind && now <= until);
    match kind {
        LoggedOut => !state.is_current(number),
        Damped => login
            .settings
            .limit
            .is_some_and(|limit| may_be_damped(state, login, limit, call.and_then(|call| call.origin), began)),
        CoolingDown => call.and_then(|call| call.origin).is_some_and(|origin| login.may_be_left_alone(now, origin)),
        Refused => failed || login.refused.is_some(),
        Misconfigured => login.objected.is_some_and(|at| at >= began || now <= at + QUARTER),
        Unavailable => {
            let sends = login.password_sends.iter().filter(|at| now.duration_since(**at) < QUARTER).count();
            // A flight that died leaves a password that was sent a moment ago.
            let just_sent = login.password_sends.last().is_some_and(|at| now <= *at + Duration::from_secs(1));
            failed || now <= state.hold.1 + Duration::from_secs(1) || sends >= most_passwords(login.worked) || just_sent
        }
        Transport | TimedOut => failed,
        WaitedTooLong => {
            let under_way = login.running > 0 || login.failures.last().is_some_and(|failure| failure.at == now);
            // Or there was no place in the pool: the waits of a call have one end.
            now >= began + login.settings.longest_wait() && (under_way || state.is_full())
        }
        RenewalLost => failed || login.lost.is_some_and(|at| at >= began),
        SameToken => {
            let sent = call.and_then(|call| call.sends.last()).and_then(|send| send.pair);
            let again = |(at, pair): &(Instant, usize)| *at >= began && sent.is_none_or(|sent| sent == *pair);
            state.temper.regime == Regime::SameAgain && login.delivered.iter().any(again)
        }
        RejectedAgain => call.is_some_and(|call| {
            // The latest token, each time; where others had renewed it meanwhile, one more attempt is free.
            let renewed = call.sends.iter().filter(|send| send.latest != send.pair).count();
            call.sends.len() > login.settings.max_replays as usize + renewed.min(1)
        }),
        NotReplayable => call.is_some_and(|call| call.no_replay),
        _ => false,
    }
}

/// The end of `token()` or `renew()`, with the token that it gave.
pub(crate) fn given(
    state: &mut State,
    login: Option<usize>,
    session: usize,
    began: Instant,
    result: Result<usize, &Error>,
) {
    state.note(|| format!("session {session} gives {result:?}"));
    match result {
        Ok(pair) => {
            // Whoever logged in meanwhile owns the session's token now.
            let latest = state.sessions[session].and_then(|login| state.logins[login].latest());
            state.check(latest == Some(pair), || format!("session {session} gave {pair}, not {latest:?}"));
        }
        Err(error) => {
            let excused = match login {
                Some(login) => excuse(state, login, error.kind(), began, None),
                None => error.kind() == ErrorKind::LoggedOut,
            };
            state.check(excused, || format!("session {session} gave no token without a cause: {error}"));
        }
    }
}

/// When nothing moves any more.
pub(crate) fn settled(state: &mut State) {
    for number in 0..state.logins.len() {
        let login = &state.logins[number];
        let (running, owner) = (login.running, login.owner);
        let left = login.latest().filter(|_| login.end == Some(End::LoggedOut)).filter(|pair| {
            // Unless somebody of the same name got the very same token.
            let again = |other: &Login| other.delivered.iter().any(|(_, again)| again == pair);
            let shared = state.temper.regime == Regime::SameAgain
                && state
                    .logins
                    .iter()
                    .enumerate()
                    .any(|(at, other)| at != number && other.owner == owner && again(other));
            !state.pairs[*pair].given_back && !shared
        });
        state.check(running == 0, || format!("login {number} still asks"));
        state.check(left.is_none(), || format!("login {number} was logged out, and {left:?} not given back"));
    }
}
