//! What servers said: the nonce that each wants to see next, and how far its clock is off. Both are bounded.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::{At, Line, Server};
use crate::{clock::server::ServerClock, origin::Origin};

/// So many servers are remembered; whoever was not heard of for the longest time is forgotten, and costs a send to learn again.
const MOST: usize = 64;
/// A longer nonce is not sent back: with every request it would cost more than all else in it.
const LONGEST: usize = 1024;
/// Servers take proofs of a few seconds ago, and few take those of a minute ago.
const TOLERATED: i64 = 2;
/// No proof is dated further ahead: whoever sees one keeps it until it is good. Older ones are good for nobody.
const FURTHEST: i64 = 60 * 60;

/// The servers, the one that spoke last at the end.
#[derive(Default)]
pub(super) struct Memory(Vec<Known>);

struct Known {
    server: Server,
    origin: Origin,
    nonce: Option<HeaderValue>,
    /// The one that was refused last. A late answer to an older request may still bring it.
    refused: Option<HeaderValue>,
    clock: ServerClock,
    line: Arc<Line>,
}

impl Memory {
    /// The nonce of a server, and by how many seconds its clock is ahead.
    pub(super) fn of(&self, at: At<'_>) -> (Option<HeaderValue>, i64) {
        let known = self.0.iter().rfind(|known| known.is(at));
        known.map_or((None, 0), |known| (known.nonce.clone(), known.clock.ahead()))
    }

    pub(super) fn hears(&mut self, at: At<'_>, nonce: &HeaderValue) -> bool {
        let known = self.entry(at);
        let is_news = known.nonce.as_ref() != Some(nonce) && known.refused.as_ref() != Some(nonce);
        if is_news {
            known.nonce = own(nonce);
        }
        is_news
    }

    /// A proof with the nonce `refused` was answered by the wish for another one, `given` if it says which.
    pub(super) fn wants(&mut self, at: At<'_>, refused: Option<&HeaderValue>, given: Option<&HeaderValue>) {
        let known = self.entry(at);
        if refused.is_some() {
            known.refused = refused.cloned();
        }
        if let Some(given) = given {
            // Whoever wants it takes it, whatever was said of it before.
            known.refused.take_if(|refused| refused == given);
            known.nonce = own(given);
        }
    }

    /// Where calls take turns for this server's nonces.
    pub(super) fn line(&mut self, at: At<'_>) -> Arc<Line> {
        self.entry(at).line.clone()
    }

    /// Back to our own clock, unless somebody else has learned another one since.
    pub(super) fn doubt(&mut self, at: At<'_>, ahead: i64) {
        if let Some(known) = self.0.iter_mut().rfind(|known| known.is(at)) {
            known.clock.doubt(ahead);
        }
    }

    pub(super) fn refused(&mut self, at: At<'_>, ahead: i64, headers: &HeaderMap) -> Option<i64> {
        self.entry(at).clock.refused(ahead, headers)
    }

    /// By how many seconds the clock of whoever gave this answer is ahead, if that matters.
    pub(super) fn differs(headers: &HeaderMap) -> Option<i64> {
        ServerClock::tolerating(TOLERATED).differs(headers)
    }

    fn entry(&mut self, at: At<'_>) -> &mut Known {
        let place = self.0.iter().rposition(|known| known.is(at));
        let known = match place {
            Some(place) => self.0.remove(place),
            None => {
                if self.0.len() >= MOST {
                    self.0.remove(0);
                }
                Known {
                    server: at.server,
                    origin: at.origin.clone(),
                    nonce: None,
                    refused: None,
                    clock: ServerClock::tolerating(TOLERATED).at_most_ahead(FURTHEST),
                    line: Arc::default(),
                }
            }
        };
        self.0.push(known);
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}

impl Known {
    fn is(&self, at: At<'_>) -> bool {
        self.server == at.server && self.origin == *at.origin
    }
}

/// Over bytes of its own: the answer's may be a slice of a large buffer.
fn own(nonce: &HeaderValue) -> Option<HeaderValue> {
    let mut own = HeaderValue::from_bytes(nonce.as_bytes()).ok()?;
    // Nothing that logs headers shows it.
    own.set_sensitive(true);
    Some(own)
}

/// Whether a nonce can be sent back (RFC 9449 §8.1).
pub(super) fn readable(nonce: &HeaderValue) -> bool {
    let is_allowed = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    (1..=LONGEST).contains(&nonce.len()) && nonce.as_bytes().iter().all(is_allowed)
}
