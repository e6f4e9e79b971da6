//! The order of renewals: the refresh token, then the session's own grant, then give up.
//!
//! Every rung looks at the session first: one that was logged out, or logged in anew, or that gave this flight up, sends
//! nothing more, and learns nothing from it but what it brings in. Which rung comes first, and whether there is a next one,
//! is said in `state/rung.rs`.

use std::{
    error::Error as _,
    sync::{Arc, Weak},
};

use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

use super::{
    asks::{Asked, ask},
    inner::{Inner, with_login},
    state::{Brought, Fate, Login, Order, Rung, logged_out},
    visit::{self, Entered, Visit},
};
use crate::{
    clock,
    context::GrantContext,
    error::{Error, ErrorKind, TokenVerdict},
    events, metrics,
    store::{Record, Spending},
    token::TokenSet,
};

/// Climbs until there are tokens, no rung is left, or the time is over; by way of the store, if the session has one.
pub(super) async fn climb(session: &Weak<Inner>, order: &mut Order, mut limit: Instant) -> Result<Brought, Error> {
    let Some(shelf) = order.shelf.clone() else {
        return rungs(session, order, limit, None).await;
    };
    let mut visit = match visit::enter(session, order, &shelf, &mut limit).await? {
        Entered::Found(record) => return Ok(Brought::Found(record)),
        Entered::Visit(visit) => visit,
    };
    match rungs(session, order, limit, Some(&mut visit)).await {
        Ok(Brought::Tokens(tokens)) => visit.keep(session, order, tokens).await,
        Ok(found) => Ok(found),
        Err(error) => {
            visit.release(session, order, &error).await;
            Err(error)
        }
    }
}

async fn rungs(
    session: &Weak<Inner>,
    order: &mut Order,
    limit: Instant,
    visit: Option<&mut Visit>,
) -> Result<Brought, Error> {
    let (rung, passed_over);
    (rung, passed_over, order.found, order.spent) = with_login(session, order, |login| {
        let rung = visit.as_deref().and_then(Visit::only).map_or_else(|| login.rung(Instant::now()), Ok);
        let passed_over = login.rare().doubts.last().filter(|_| matches!(rung, Ok(Rung::Grant))).cloned();
        (rung, passed_over, login.generation(), login.refresh_token_mark())
    })?;
    let mut refused = None;
    match (rung?, &order.endpoint) {
        (Rung::Refresh, Some(endpoint)) => {
            // When it is its turn.
            let visited = visit.as_deref();
            let token = || {
                is_in_time(visited, limit)?;
                with_login(session, order, |login| login.refresh_token.clone())?.ok_or_else(logged_out)
            };
            let context = context(session, order, None);
            match in_time(limit, &context, endpoint.refresh(&context, token)).await {
                Ok(tokens) => {
                    // Where the login has ended meanwhile, the landing decides what becomes of them.
                    let _ = with_login(session, order, Login::reached);
                    return Ok(Brought::Tokens(tokens));
                }
                Err(error) if order.is_wish_refused(&error) => return Err(error),
                Err(error) => {
                    if let Some(record) = second_look(session, order, visit.as_deref(), &error).await {
                        return Ok(Brought::Found(record));
                    }
                    let (fate, error) = descend(session, order, error)?;
                    match fate {
                        Fate::Kept => return kept(session, order, limit, error, visit).await,
                        Fate::Final => return give_up(session, order, limit, error, visit).await,
                        Fate::PassedOver | Fate::Forgotten => refused = Some(error),
                    }
                }
            }
        }
        _ => {
            if let Some(error) = passed_over {
                events::refresh_token_passed_over(order.session, &error);
            }
        }
    }
    if order.endpoint.is_some() {
        order.spent = None;
    }
    fetch(session, order, limit, refused, visit.as_deref()).await
}

/// A refusal is believed only if no other process has brought something better meanwhile: that may be its cause.
async fn second_look(
    session: &Weak<Inner>,
    order: &Order,
    visit: Option<&Visit>,
    error: &Error,
) -> Option<Box<Record>> {
    match error.verdict(order.session.id) {
        TokenVerdict::Refused(_) => visit?.look(session, order).await,
        _ => None,
    }
}

/// Notes a refresh that failed.
fn descend(session: &Weak<Inner>, order: &Order, error: Error) -> Result<(Fate, Error), Error> {
    let name = order.session;
    let error = error.of_session(name.id);
    let verdict = error.verdict(name.id);
    let fate = with_login(session, order, |login| {
        // Another one may have come meanwhile, with a flight that had been given up.
        let in_force = order.spent == login.refresh_token_mark();
        if in_force { login.refresh_failed(Instant::now(), &error, verdict) } else { Fate::Kept }
    });
    let fate = fate?;
    match fate {
        Fate::Kept => {}
        Fate::PassedOver => events::refresh_token_passed_over(name, &error),
        Fate::Forgotten | Fate::Final => {
            events::refresh_token_refused(name, &error);
            metrics::refresh_token_refused();
        }
    }
    Ok((fate, error))
}

/// It is tried again later. Where the server would not have it, another process may have something better now.
async fn kept(
    session: &Weak<Inner>,
    order: &Order,
    limit: Instant,
    error: Error,
    visit: Option<&mut Visit>,
) -> Result<Brought, Error> {
    let is_refused = matches!(error.verdict(order.session.id), TokenVerdict::Refused(_));
    match ask_others(session, order, limit, &error, visit.filter(|_| is_refused)).await? {
        Asked::Found(record) => Ok(Brought::Found(record)),
        Asked::Changed | Asked::Nobody => Err(error),
    }
}

async fn ask_others(
    session: &Weak<Inner>,
    order: &Order,
    limit: Instant,
    error: &Error,
    visit: Option<&mut Visit>,
) -> Result<Asked, Error> {
    if let (Some(shelf), Some(visit)) = (&order.shelf, visit)
        && visit.give_back(session, order, error).await
    {
        return ask(session, order, shelf, limit).await;
    }
    Ok(Asked::Nobody)
}

/// Nothing is left here. Another process may have something left.
async fn give_up(
    session: &Weak<Inner>,
    order: &Order,
    limit: Instant,
    error: Error,
    visit: Option<&mut Visit>,
) -> Result<Brought, Error> {
    match ask_others(session, order, limit, &error, visit).await? {
        Asked::Found(record) => return Ok(Brought::Found(record)),
        Asked::Changed => return Err(error),
        Asked::Nobody => {}
    }
    let error = error.into_final();
    with_login(session, order, |login| login.rare_mut().refusals.end(error.clone()))?;
    events::credentials_refused(order.session, &error);
    metrics::credentials_refused();
    Err(error)
}

/// The session's own grant. `refused` is what became of the refresh token in this flight.
async fn fetch(
    session: &Weak<Inner>,
    order: &Order,
    limit: Instant,
    refused: Option<Error>,
    visit: Option<&Visit>,
) -> Result<Brought, Error> {
    is_in_time(visit, limit)?;
    let id = order.session.id;
    let (grant, own) = with_login(session, order, |login| {
        let now = Instant::now();
        login.rare().refusals.check(now).inspect(|()| login.rare_mut().refusals.sent(now))?;
        // One that stands in a store that cannot be reached is never spent.
        let is_spendable = visit.is_none_or(Visit::is_free);
        let own = login.refresh_token.clone().filter(|_| order.endpoint.is_none() && is_spendable);
        Ok((login.grant.clone(), own))
    })??;
    let context = context(session, order, own);
    let answer = in_time(limit, &context, grant.fetch(context.clone())).await;
    if let Err(error) = &answer
        && order.is_wish_refused(error)
    {
        let _ = with_login(session, order, |login| login.rare_mut().refusals.take_back());
        return answer.map(Brought::Tokens);
    }
    let answer = answer.and_then(|tokens| order.may_keep(tokens));
    let mut answer = answer.map_err(|error| error.of_session(id));
    if let Err(error) = &answer
        && let Some(record) = second_look(session, order, visit, error).await
    {
        return Ok(Brought::Found(record));
    }
    // A grant that had nothing left to send: what the server said of the refresh token is the cause.
    if let (Err(error), Some(cause)) = (&answer, refused)
        && (error.kind(), error.status()) == (ErrorKind::Refused, None)
        && error.source().is_none()
    {
        answer = Err(error.clone().with_source(cause));
    }
    let (left, confirmations) = (grant.credential(), grant.confirm_after());
    let noted = with_login(session, order, |login| {
        login.credential = left;
        match &answer {
            Ok(_) => {
                login.worked();
                false
            }
            Err(error) => {
                let refusals = &mut login.rare_mut().refusals;
                refusals.failed(Instant::now(), error, error.verdict(id), left, confirmations)
            }
        }
    });
    // Where nothing could be noted, the login ended while the answer was on its way: the landing decides what becomes of it.
    if let (Ok(true), Err(error)) = (noted, &answer) {
        events::credentials_refused(order.session, error);
        metrics::credentials_refused();
    }
    // A refresh token that was asked for with a wish may be good for that alone: it is not the login's.
    let is_own = order.wish.is_none() || order.spent.is_some();
    answer.map(|tokens| Brought::Tokens(if is_own { tokens } else { tokens.split_refresh_token().0 }))
}

/// What a token request is told. Servers repeat tokens in their errors, also those that they were not sent.
fn context(session: &Weak<Inner>, order: &Order, refresh_token: Option<SecretString>) -> GrantContext {
    let (session, epoch) = (session.clone(), order.epoch);
    order.context(refresh_token).watched().holding(move || {
        let held = |inner: Arc<Inner>| {
            inner.read(|state| state.login.as_ref().filter(|login| login.epoch == epoch).map(Login::secrets))
        };
        session.upgrade().and_then(held).unwrap_or_default()
    })
}

/// What is under way at the flight's limit counts as broken: it may have arrived. Not so what has not gone out yet.
async fn in_time(
    limit: Instant,
    context: &GrantContext,
    answer: impl Future<Output = Result<TokenSet, Error>>,
) -> Result<TokenSet, Error> {
    let over = |_| Err(if context.is_unsent() { over().not_sent() } else { over() });
    timeout_at(limit, answer).await.unwrap_or_else(over)
}

/// Nothing is sent after the end of a claim: another process may have renewed by then. It comes to that where this one was
/// stopped for a while.
fn is_in_time(visit: Option<&Visit>, limit: Instant) -> Result<(), Error> {
    let Some(visit) = visit else { return Ok(()) };
    // tokio's clock may stand still while the machine sleeps.
    let is_over = |claim: Spending| claim.left(clock::date()).is_zero();
    if Instant::now() < limit && !visit.record.spending.is_some_and(is_over) { Ok(()) } else { Err(over().not_sent()) }
}

fn over() -> Error {
    Error::new(ErrorKind::TimedOut, "the renewal did not end within its limit")
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        time::Duration,
    };

    use super::*;
    use crate::{grant::grant_fn, session::Session, store::store_fn};

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_where_the_machine_slept_until_its_claim_was_over() {
        let sent = Arc::new(AtomicUsize::new(0));
        let grant = grant_fn({
            let sent = sent.clone();
            move |_| {
                sent.fetch_add(1, Relaxed);
                async { TokenSet::new("a-token") }
            }
        });
        let save = |_, _| async {
            clock::test::sleeps(Duration::from_secs(3600));
            Ok(())
        };
        let session = Session::builder(grant).store(store_fn(|_| async { Ok(None) }, save), "alice").build();
        assert!(session.token().await.is_err());
        assert_eq!(sent.load(Relaxed), 0);
    }
}
