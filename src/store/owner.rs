//! Whose a record is: hashes that are keyed by a random salt of the record's own.
//!
//! There are two. One is made of the token endpoint, the client and the name that the application gives; the other of the user
//! and the kind of grant as well. A program that has only what the store keeps knows no user: for it the first decides.

use std::fmt;

use hmac_sha256::HMAC;

use crate::credential::Credential;

pub(super) const SALT: usize = 16;
/// Both halves.
pub(super) const HASH: usize = 32;
const HALF: usize = HASH / 2;

/// Whose a record is. It tells nothing of what it was made of, but to whoever knows that already.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(super) salt: [u8; SALT],
    pub(super) hash: [u8; HASH],
    pub(super) named: bool,
}

/// What tells an owner from every other one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnerFacts {
    /// Where the tokens come from.
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) client: Option<Box<str>>,
    /// What the application calls the owner.
    pub(crate) name: Option<Box<str>>,
    pub(crate) credential: Option<Credential>,
    /// The user, where the grant knows one.
    pub(crate) user: Option<Box<str>>,
    /// The thumbprint of the session's key. It stands in the record by itself.
    pub(crate) dpop: Option<Box<str>>,
}

impl Owner {
    pub(crate) fn new(facts: &OwnerFacts) -> Self {
        let mut salt = [0; SALT];
        fastrand::fill(&mut salt);
        Self::with_salt(facts, salt)
    }

    fn with_salt(facts: &OwnerFacts, salt: [u8; SALT]) -> Self {
        let kind = facts.credential.map(|credential| format!("{credential:?}"));
        let place = [facts.issuer.as_deref(), facts.client.as_deref(), facts.name.as_deref()];
        let user = [kind.as_deref(), facts.user.as_deref()];
        let mut hash = [0; HASH];
        hash[..HALF].copy_from_slice(&of(&place, salt)[..HALF]);
        hash[HALF..].copy_from_slice(&of(&[&place[..], &user].concat(), salt)[..HALF]);
        Self { salt, hash, named: facts.name.is_some() }
    }

    /// Whether this may be the owner of these facts.
    pub(crate) fn is(&self, facts: &OwnerFacts) -> bool {
        let other = Self::with_salt(facts, self.salt);
        let knows_user = facts.credential != Some(Credential::RefreshToken);
        other.named == self.named
            && other.hash[..HALF] == self.hash[..HALF]
            && (!knows_user || other.hash[HALF..] == self.hash[HALF..])
    }

    /// Whether the application gave the owner a name.
    pub(crate) fn is_named(&self) -> bool {
        self.named
    }
}

fn of(parts: &[Option<&str>], salt: [u8; SALT]) -> [u8; 32] {
    let mut mac = HMAC::new(salt);
    for part in parts {
        // With its length before it, so that no two lists look alike.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        mac.update(length.to_be_bytes());
        mac.update(part.unwrap_or_default());
    }
    mac.finalize()
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("named", &self.named).finish_non_exhaustive()
    }
}
