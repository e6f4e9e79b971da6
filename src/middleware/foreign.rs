//! Which requests go bare because of where they go. A mistyped origin shows in nothing else: no token, and a 401 that nobody
//! can explain.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use http::{Method, Uri, request::Parts};

use crate::{events, identity::SessionName, origin::Origins};

/// How many origins are told of at WARN (invariant 12): a proxy may be sent to any number of them.
const TOLD: usize = 16;
/// How much of an origin is told.
const LONGEST: usize = 255;

/// What was told already, in one layer.
#[derive(Default)]
pub(super) struct ForeignOrigins {
    told: Mutex<Vec<u64>>,
    hasher: RandomState,
}

impl ForeignOrigins {
    /// Tells of a request that none of these origins is for.
    #[cold]
    pub(super) fn tell(&self, head: &Parts, listed: &Origins, session: Option<SessionName>) {
        let reason = reason(head, listed);
        let origin = origin(&head.uri);
        // A CONNECT is no mistake: whoever sends one speaks to a proxy.
        let first = head.method != Method::CONNECT && self.is_first(self.hasher.hash_one((&origin, reason)));
        events::sent_elsewhere(first, session, &origin, listed, reason);
    }

    fn is_first(&self, told_now: u64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let first = told.len() < TOLD && !told.contains(&told_now);
        if first {
            told.push(told_now);
        }
        first
    }
}

fn reason(head: &Parts, listed: &Origins) -> &'static str {
    match head.uri.authority() {
        _ if head.method == Method::CONNECT => "a proxy must not see the token",
        None => "the URI has no host, and the origins are not those of `Origins::bound_to`",
        Some(authority) if authority.as_str().contains('@') => "the URI holds a user name or a password",
        Some(_) if listed.find(&head.method, &head.uri).is_some() => "the `Host` header names another host",
        Some(_) => "the origin is not listed",
    }
}

/// Never with the user name and the password that a URI may hold.
fn origin(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map_or(String::new(), |scheme| format!("{scheme}://"));
    let port = uri.port().map_or(String::new(), |port| format!(":{port}"));
    let origin = format!("{scheme}{}{port}", uri.host().unwrap_or_default());
    // A URI is ASCII.
    origin.chars().take(LONGEST).collect()
}
