//! `jti`: what tells one assertion from every other one (RFC 7519 §4.1.7).

use std::{
    fmt::Write,
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// 128 bits that nobody has seen before, and nobody can foretell: a count under a hash function that each process keys with
/// randomness of the operating system.
pub(crate) fn next() -> String {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: the number only has to be unique.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut id = String::with_capacity(32);
    for key in KEYS.iter() {
        // Writing to a string never fails.
        let _ = write!(id, "{:016x}", key.hash_one(count));
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn no_id_comes_twice() {
        let ids: BTreeSet<_> = (0..10_000).map(|_| super::next()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
