//! What all calls of a layer that wait may keep together (invariant 12).
//!
//! 1. A share is taken only where there is room for it: one that does not fit takes nothing from the others.
//! 2. It is given back when it is dropped.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// A share of the budget.
pub(crate) struct Parked {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// What is kept of one rejection at the most: one that never ends is not to take all the room.
    pub(super) fn most_of_a_rejection(&self) -> usize {
        self.limit / 4
    }

    pub(super) fn park(self: &Arc<Self>, bytes: usize) -> Option<Parked> {
        self.take(bytes).then(|| Parked { budget: self.clone(), bytes })
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }
}

impl Parked {
    /// Makes the share as large as that; says whether there was room. If not, it stays what it is.
    pub(super) fn resize(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.bytes || self.budget.take(bytes - self.bytes);
        if fits {
            self.budget.used.fetch_sub(self.bytes.saturating_sub(bytes), Ordering::Relaxed);
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(budget: &Budget) -> usize {
        budget.used.load(Ordering::Relaxed)
    }

    #[test]
    fn share_that_does_not_fit_takes_no_room_from_others_even_while_it_is_refused() {
        let budget = Arc::new(Budget::new(100));
        let first = budget.park(60).unwrap();
        for bytes in [41, usize::MAX - 59, usize::MAX] {
            assert!(budget.park(bytes).is_none());
            assert_eq!(used(&budget), 60);
        }
        let second = budget.park(40).unwrap();
        drop((first, second));
        assert_eq!(used(&budget), 0);
    }

    #[test]
    fn share_grows_as_far_as_there_is_room_and_shrinks() {
        let budget = Arc::new(Budget::new(100));
        let mut share = budget.park(10).unwrap();
        assert!(share.resize(100) && !share.resize(101) && !share.resize(usize::MAX));
        assert_eq!(used(&budget), 100);
        assert!(share.resize(30));
        assert_eq!(used(&budget), 30);
        drop(share);
        assert_eq!(used(&budget), 0);
    }
}
