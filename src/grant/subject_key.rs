//! By what an exchange is found among those of many users.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use hmac_sha256::HMAC;
use secrecy::{ExposeSecret, SecretString};

use super::{token_type::TokenType, wanted::Wanted};
use crate::endpoint::TokenEndpoint;

/// A key of [`Sessions`](crate::Sessions) for a [`TokenExchangeGrant`](crate::TokenExchangeGrant): it stands for the subject token and
/// for all that is asked with it. Two exchanges have the same key only if nothing of that differs.
///
/// It is a hash under a key that each process draws for itself. It does not give the token away, and means nothing in another
/// process.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SubjectKey([u8; 32]);

impl SubjectKey {
    pub(super) fn of(
        endpoint: &TokenEndpoint,
        (subject, subject_type): (&SecretString, &TokenType),
        actor: Option<(SecretString, &TokenType)>,
        requested: Option<&TokenType>,
        wanted: &Wanted,
    ) -> Self {
        let mut hash = HMAC::new(*KEY);
        // Each with its length, so that nothing can be moved from one into the next.
        let mut add = |text: &str| {
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        };
        endpoint.mark(&mut add);
        add(subject.expose_secret());
        add(subject_type.as_str());
        add(requested.map_or("", TokenType::as_str));
        add(actor.as_ref().map_or("", |(token, _)| token.expose_secret()));
        add(actor.as_ref().map_or("", |(_, kind)| kind.as_str()));
        for (name, value) in wanted.parameters() {
            add(name);
            add(value.expose_secret());
        }
        Self(hash.finalize())
    }
}

/// From the operating system's randomness, by way of the standard library's.
static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut key = [0; 32];
    for (number, part) in key.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&RandomState::new().hash_one(number).to_le_bytes());
    }
    key
});

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(..)")
    }
}
