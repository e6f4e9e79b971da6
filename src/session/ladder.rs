//! The order of renewals: the refresh token, then the session's own grant, then give up.
//!
//! Every rung looks at the session first: one that was logged out, or logged in anew, sends nothing more.

use std::{error::Error as _, sync::Weak};

use tokio::time::Instant;

use super::{Inner, flight::Order, state::Login};
use crate::{Error, ErrorKind, GrantContext, TokenSet, events, identity::SessionName, metrics};

pub(super) async fn climb(session: &Weak<Inner>, order: &Order) -> Result<TokenSet, Error> {
    let refresh_token = with_login(session, order, |login| login.refresh_token.clone())?;
    let mut refused = None;
    if let (Some(endpoint), Some(refresh_token)) = (&order.endpoint, &refresh_token) {
        let context = GrantContext::new(order.session.id, order.claims.clone(), None);
        match endpoint.refresh(&context, refresh_token).await {
            // Invariant 4: only a server that refused this very refresh token makes us forget it.
            Err(error) if error.kind() == ErrorKind::Refused => {
                with_login(session, order, |login| login.refresh_token = None)?;
                events::refresh_token_refused(order.session, &error);
                refused = Some(error);
                metrics::refresh_token_refused();
            }
            answer => {
                let Ok(grant) = with_login(session, order, |login| login.grant.clone()) else { return answer };
                let left = grant.credential();
                let noted = with_login(session, order, |login| match &answer {
                    Ok(_) => {
                        login.reached();
                        false
                    }
                    // The client, or the request as such, whatever the refresh token is worth.
                    Err(error) if error.kind() == ErrorKind::Misconfigured => {
                        login.rare_mut().refusals.failed(Instant::now(), error, left)
                    }
                    Err(_) => false,
                });
                tell(order.session, noted, &answer);
                return answer;
            }
        }
    }
    if let Some(endpoint) = &order.endpoint {
        // What is stopped here was not sent, and must not count as a send.
        endpoint.check_pause()?;
    }
    let grant = with_login(session, order, |login| {
        let now = Instant::now();
        login.rare().refusals.check(now).inspect(|()| login.rare_mut().refusals.sent(now))?;
        Ok(login.grant.clone())
    })??;
    let own = refresh_token.filter(|_| order.endpoint.is_none());
    let mut answer = grant.fetch(GrantContext::new(order.session.id, order.claims.clone(), own)).await;
    // A grant that had nothing left to send: what the server said of the refresh token is the cause.
    if let (Err(error), Some(cause)) = (&answer, refused)
        && (error.kind(), error.status()) == (ErrorKind::Refused, None)
        && error.source().is_none()
    {
        answer = Err(error.clone().with_source(cause));
    }
    let left = grant.credential();
    let noted = with_login(session, order, |login| match &answer {
        Ok(_) => {
            login.worked();
            false
        }
        Err(error) => {
            if error.never_left() {
                login.rare_mut().refusals.unsent();
            }
            login.rare_mut().refusals.failed(Instant::now(), error, left)
        }
    });
    tell(order.session, noted, &answer);
    answer
}

/// Where nothing could be noted, the login ended while the answer was on its way: the landing decides what becomes of it.
fn tell(name: SessionName, noted: Result<bool, Error>, answer: &Result<TokenSet, Error>) {
    if let (Ok(true), Err(error)) = (noted, answer) {
        events::credentials_refused(name, error);
        metrics::credentials_refused();
    }
}

fn with_login<T>(session: &Weak<Inner>, order: &Order, act: impl FnOnce(&mut Login) -> T) -> Result<T, Error> {
    let inner = session.upgrade().ok_or_else(super::logged_out)?;
    inner.change(|state| {
        let login = state.login.as_mut().filter(|login| login.epoch == order.epoch);
        login.map(act).ok_or_else(super::logged_out)
    })
}
