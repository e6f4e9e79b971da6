//! What the gateway saw: the counters, and the words for it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, Method};

use super::{fault::Fault, options::Observer};

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Token requests by grant type, refused ones included.
    pub(crate) token_requests: BTreeMap<&'static str, u64>,
    /// Token requests that were refused.
    pub(crate) refused_token_requests: u64,
    /// Revocations that ended something.
    pub(crate) revocations: u64,
    /// API calls that were accepted.
    pub(crate) accepted: u64,
    /// API calls that were rejected because of their token.
    pub(crate) rejected: u64,
    /// Rejected API calls that came again with another token, known by their `x-request-id`.
    pub(crate) replayed: u64,
}

/// One thing that the gateway did; as text it is a sentence.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The `User-Agent` of the request.
    pub(crate) device: String,
    /// What was done.
    pub(crate) what: What,
}

/// What the gateway did. Tokens go by their numbers.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A token was handed out, perhaps one that was there `again`; other pairs `ended` by that.
    Issued { grant_type: &'static str, number: u64, again: bool, ended: Vec<u64> },
    /// A token request was refused with an OAuth error code (RFC 6749 §5.2).
    Refused { grant_type: &'static str, code: &'static str },
    /// Tokens of a pair were revoked: both where neither is alone.
    Revoked { number: u64, access: bool, refresh: bool },
    /// There was nothing to revoke.
    NothingRevoked,
    /// An API call was let through, for the second time if it is `again`.
    Accepted { method: Method, path: String, number: u64, again: bool },
    /// An API call was rejected.
    Rejected { method: Method, path: String, number: Option<u64>, fault: Fault },
}

/// Counts, and tells the observer.
pub(super) struct Journal {
    observer: Observer,
    // One lock for both, so that the observer hears of things in the order in which they are counted.
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    counters: Counters,
    /// The token that a request, by its id, was rejected with.
    rejected: HashMap<String, String>,
}

impl Counters {
    /// All token requests.
    pub(crate) fn all_token_requests(&self) -> u64 {
        self.token_requests.values().sum()
    }

    /// Token requests of one grant type.
    pub(crate) fn token_requests(&self, grant_type: &str) -> u64 {
        self.token_requests.get(grant_type).copied().unwrap_or_default()
    }
}

impl Seen {
    /// Whether the gateway said no.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.what, What::Refused { .. } | What::Rejected { .. })
    }
}

impl Journal {
    pub(super) fn new(observer: Observer) -> Self {
        Self { observer, book: Mutex::default() }
    }

    pub(super) fn counters(&self) -> Counters {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).counters.clone()
    }

    /// Writes down what was done for the request with these headers.
    pub(super) fn write(&self, headers: &HeaderMap, what: What) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.count(headers, &what);
        let device = text(headers, "user-agent").unwrap_or("somebody").to_owned();
        (self.observer)(&Seen { device, what });
        drop(book);
    }

    /// Whether a request with this id was rejected before, with another token.
    pub(super) fn is_replay(&self, headers: &HeaderMap) -> bool {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).is_replay(headers)
    }
}

impl Book {
    fn count(&mut self, headers: &HeaderMap, what: &What) {
        if matches!(what, What::Accepted { .. } | What::Rejected { .. }) && self.is_replay(headers) {
            self.counters.replayed += 1;
        }
        match what {
            What::Issued { grant_type, .. } => *self.counters.token_requests.entry(grant_type).or_default() += 1,
            What::Refused { grant_type, .. } => {
                *self.counters.token_requests.entry(grant_type).or_default() += 1;
                self.counters.refused_token_requests += 1;
            }
            What::Revoked { .. } => self.counters.revocations += 1,
            What::NothingRevoked => {}
            What::Accepted { .. } => {
                self.counters.accepted += 1;
                if let Some(id) = text(headers, "x-request-id") {
                    self.rejected.remove(id);
                }
            }
            What::Rejected { .. } => {
                self.counters.rejected += 1;
                if let (Some(id), Some(token)) = (text(headers, "x-request-id"), text(headers, "authorization")) {
                    self.rejected.insert(id.to_owned(), token.to_owned());
                }
            }
        }
    }

    fn is_replay(&self, headers: &HeaderMap) -> bool {
        let before = text(headers, "x-request-id").and_then(|id| self.rejected.get(id));
        before.is_some_and(|token| text(headers, "authorization") != Some(token))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Issued { grant_type, number, again, ended } => {
                let again = if *again { ", the one that was there" } else { "" };
                write!(f, "hands out token {number}{again} ({grant_type})")?;
                for ended in ended {
                    write!(f, "; token {ended} is dead now")?;
                }
                Ok(())
            }
            What::Refused { grant_type, code } => write!(f, "hands out no token: {code} ({grant_type})"),
            What::Revoked { number, access: false, .. } => write!(f, "revokes the refresh token of token {number}"),
            What::Revoked { number, refresh: false, .. } => write!(f, "revokes token {number}"),
            What::Revoked { number, .. } => write!(f, "revokes token {number} with its refresh token"),
            What::NothingRevoked => f.write_str("has nothing to revoke: that token is dead already"),
            What::Accepted { number, again, .. } => {
                write!(f, "takes token {number}{}", if *again { ", and the call that it had rejected" } else { "" })
            }
            What::Rejected { number: Some(number), fault, .. } => write!(f, "rejects token {number}: 401, {fault}"),
            What::Rejected { number: None, fault, .. } => write!(f, "rejects the call: 401, {fault}"),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
