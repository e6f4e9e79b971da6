//! A save found something else in its place.

use std::sync::Weak;

use super::{
    inner::{Inner, with_login},
    look::end,
    pending,
    state::{Brought, Found, Order, logged_out},
};
use crate::{error::Error, store::Record, token::TokenSet};

/// Whether a record of this login has no token that is worth a try.
pub(super) fn is_useless(session: &Weak<Inner>, order: &Order, record: &Record) -> bool {
    with_login(session, order, |login| {
        let judged = login.known().map(|known| known.judge(Some(record), login.has_own_credential()));
        matches!(judged, Some(Found::News(_))) && !login.is_helped_by(record, order.wish.as_deref())
    })
    .unwrap_or(false)
}

pub(super) fn overtaken(
    session: &Weak<Inner>,
    order: &Order,
    tokens: &TokenSet,
    newer: &Record,
) -> Result<Brought, Error> {
    let judged = with_login(session, order, |login| {
        login.known().map_or(Found::Same, |known| known.judge(Some(newer), login.has_own_credential()))
    });
    if newer.is_logged_out() || order.parting().revoke {
        // Logged out: nobody else has this pair, and it is nobody's; whether the session is still there or not.
        pending::revoke_later(session, order, tokens);
    }
    match judged? {
        Found::News(record) => Ok(Brought::Found(record)),
        Found::Ended => Err(end(session, order)),
        Found::Foreign(error) => Err(error),
        Found::Same | Found::Nobody => Err(logged_out()),
    }
}
