//! `jti`: what tells one assertion from every other one (RFC 7519 §4.1.7).

use std::{
    fmt::Write,
    hash::{BuildHasher, RandomState},
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// 128 bits that nobody has seen before, and nobody can foretell.
pub(crate) fn next() -> String {
    // Asked for each time: whatever is kept in memory would go on twice in two copies of a machine that was stopped and started.
    #[cfg(feature = "dpop")]
    {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_ok() {
            return format!("{:032x}", u128::from_ne_bytes(bytes));
        }
    }
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: the number only has to be unique.
    counted(COUNT.fetch_add(1, Ordering::Relaxed), process::id())
}

/// A count under a hash function that each process keys with randomness of the operating system. A process that forks hands keys and
/// count on, but not its number.
fn counted(count: u64, process: u32) -> String {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    let mut id = String::with_capacity(32);
    for key in KEYS.iter() {
        // Writing to a string never fails.
        let _ = write!(id, "{:016x}", key.hash_one((count, process)));
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

    #[test]
    fn processes_that_have_the_same_keys_and_count_after_a_fork_make_other_ids() {
        assert_ne!(super::counted(7, 1), super::counted(7, 2));
        assert_ne!(super::counted(7, 1), super::counted(8, 1));
        assert_eq!(super::counted(7, 1), super::counted(7, 1));
    }

    #[cfg(feature = "dpop")]
    #[test]
    fn ids_of_proofs_are_of_nothing_that_a_copy_of_this_memory_could_go_on_with() {
        let next: std::collections::BTreeSet<_> = (0..100).map(|_| super::next()).collect();
        let counted = (0..100_000).map(|count| super::counted(count, std::process::id()));
        assert!(counted.into_iter().all(|id| !next.contains(&id)));
    }
}
