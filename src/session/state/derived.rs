//! The access tokens of a login that are for derived sessions, each for what its session wants.
//!
//! 1. A flight for a derived session leaves its token here, and the session takes it. So it is not lost if that session's own
//!    flight has ended meanwhile, a session that is derived anew has a token at once, and a logout finds all there is to revoke.
//! 2. No session gets one twice: whoever comes again wants another.
//! 3. A token is handed out for the very wish that it was asked for with, and for claims only if it was asked for with those.

use std::sync::Arc;

use tokio::time::Instant;

use super::{granted::Granted, login::Login};
use crate::{
    clock,
    context::Wish,
    credential::Credential,
    identity::SessionId,
    store::{MOST_TOKENS, Record},
    token::TokenSet,
};

impl Login {
    pub(crate) fn granted(&self) -> &[Granted] {
        &self.rare().granted
    }

    /// Whether a derived session could take a token.
    pub(crate) fn has_for(&self, wish: &Wish, by: SessionId, claims: Option<&str>, now: Instant) -> bool {
        self.granted().iter().any(|granted| granted.is_for(wish, by, claims) && !granted.is_over(now))
    }

    /// Gives a derived session its token.
    pub(crate) fn take_for(&mut self, wish: &Wish, by: SessionId, claims: Option<&str>) -> Option<TokenSet> {
        let all = &mut self.rare.as_mut()?.granted;
        let granted = all.iter_mut().find(|granted| granted.is_for(wish, by, claims))?;
        granted.taken = Some(by);
        Some(granted.tokens.clone())
    }

    /// Whether a token of the login's own comes before one for a derived session: the refresh token that comes with it is good for
    /// all of them, and one that is asked for with a wish may be good for that alone.
    pub(crate) fn begins_with_own(&self, now: Instant) -> bool {
        let may_bring_one = matches!(self.credential, Credential::Password | Credential::Subject | Credential::Custom);
        let is_open = !self.worked || self.had_refresh_token;
        let is_fresh = self.held.as_ref().is_some_and(|held| held.is_fresh(now));
        self.redeems && self.refresh_token.is_none() && may_bring_one && is_open && !is_fresh
    }

    /// Keeps what a flight for a derived session brings. The login's own token stays as it is.
    pub(crate) fn keep_for(&mut self, now: Instant, wish: &Arc<Wish>, claims: Option<Box<str>>, tokens: TokenSet) {
        let (tokens, refresh_token) = tokens.split_refresh_token();
        if refresh_token.is_some() {
            self.keep_refresh_token(refresh_token, false);
        }
        let asked = tokens.asked().unwrap_or_else(|| clock::with_sleep(now));
        let tokens = tokens.asked_at(Some(asked));
        let rare = self.rare_mut();
        rare.backoff.succeeded();
        rare.granted.retain(|granted| granted.wish != *wish && !granted.is_over(now));
        if rare.granted.len() >= MOST_TOKENS {
            rare.granted.remove(0);
        }
        rare.granted.push(Granted { wish: wish.clone(), claims, tokens, taken: None });
    }

    /// Goes on from a record that is newer than what is known. Other tokens than it has are kept: they are to be revoked one day.
    pub(super) fn adopt_granted(&mut self, record: &Record) {
        let takes = self.takes;
        let mut older = self.rare.as_mut().map_or_else(Vec::new, |rare| std::mem::take(&mut rare.granted));
        let granted: Vec<_> = record
            .granted_tokens(clock::date())
            .filter(|(_, tokens)| takes.allows(tokens.is_bound()))
            .map(|(wish, tokens)| {
                let known = older
                    .iter_mut()
                    .find(|granted| *granted.wish == *wish && granted.tokens.same_access_token(&tokens));
                let (claims, taken) = known.map_or((None, None), |known| (known.claims.take(), known.taken));
                Granted { wish: Arc::new(wish.clone()), claims, tokens, taken }
            })
            .collect();
        older.retain(|older| granted.iter().all(|newer| newer.wish != older.wish));
        older.extend(granted);
        if !older.is_empty() {
            self.rare_mut().granted = older;
        }
    }

    /// Whether a record has a token for this wish that nobody has taken.
    pub(super) fn is_helped_with(&self, wish: &Wish, record: &Record) -> bool {
        let is_taken = |tokens: &TokenSet| {
            let known = self.granted().iter().find(|granted| granted.tokens.same_access_token(tokens));
            known.is_some_and(|known| known.taken.is_some())
        };
        let allows = |tokens: &TokenSet| self.takes.allows(tokens.is_bound());
        record
            .granted_tokens(clock::date())
            .any(|(other, tokens)| other == wish && allows(&tokens) && !is_taken(&tokens))
    }

    /// The record with the tokens of derived sessions.
    pub(super) fn with_granted(&self, record: Record, now: Instant) -> Record {
        let wall = clock::date();
        let alive = self.granted().iter().filter(|granted| !granted.is_over(now));
        alive.fold(record, |record, granted| record.granting(&granted.wish, &granted.tokens, wall))
    }
}
