//! A flight's look into the store.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::{
    inner::{Inner, with_login},
    state::{Found, Order, Shelf},
};
use crate::{
    error::{Error, ErrorKind},
    store::{Record, Spending},
};

/// What a look found.
pub(super) enum Look {
    Found(Box<Record>),
    /// Nothing new; and somebody's claim, if there is one.
    Same(Option<Spending>),
    Failed(Error),
}

/// Looks at what stands in the store, and takes note of it.
pub(super) async fn look(session: &Weak<Inner>, order: &Order, shelf: &Arc<Shelf>) -> Result<Look, Error> {
    let found = match shelf.load(order.session).await {
        Ok(found) => found,
        Err(error) => return Ok(Look::Failed(error)),
    };
    let judged = with_login(session, order, |login| {
        let own = login.has_own_credential();
        let judged = login.known().map_or(Found::Same, |known| known.judge(found.as_ref(), own));
        match judged {
            Found::Same => {
                login.note(found.as_ref(), shelf.claimant, Instant::now());
                Ok(Found::Same)
            }
            Found::News(record)
                if order.challenge.claims().is_none() && login.is_helped_by(&record, order.wish.as_deref()) =>
            {
                Ok(Found::News(record))
            }
            // It is taken in now: it is not the end of the matter.
            Found::News(record) => {
                login.adopt(Instant::now(), &record, shelf.claimant)?;
                Ok(Found::Same)
            }
            other => Ok(other),
        }
    })??;
    match judged {
        Found::Same => Ok(Look::Same(found.and_then(|found| found.spending))),
        Found::News(record) => Ok(Look::Found(record)),
        // Whatever would be fetched could not be saved.
        Found::Foreign(error) => Err(error),
        Found::Ended => Err(end(session, order)),
        Found::Nobody => {
            if let Some(inner) = session.upgrade() {
                inner.change(|state| state.login.take_if(|login| login.epoch == order.epoch));
            }
            Err(Error::new(ErrorKind::LoggedOut, "there is no session for this key"))
        }
    }
}

/// The login was ended by somebody else.
pub(super) fn end(session: &Weak<Inner>, order: &Order) -> Error {
    if let Some(inner) = session.upgrade() {
        inner.end_elsewhere(order.epoch);
    }
    Error::new(ErrorKind::LoggedOut, "the login was ended by another process")
}
