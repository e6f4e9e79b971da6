//! A gate that holds whoever comes, until the test lets them through.

use std::sync::Arc;

use tokio::sync::watch;

/// Holds what arrives at it. Clones are the same gate.
///
/// Arrivals are numbered; one whose future is dropped while it waits keeps its number.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    arrived: watch::Sender<usize>,
    admitted: watch::Sender<usize>,
}

impl Gate {
    pub fn closed() -> Self {
        Self { state: Arc::new(State { arrived: watch::Sender::new(0), admitted: watch::Sender::new(0) }) }
    }

    /// Lets everybody through, those who come later included.
    pub fn open(&self) {
        self.state.admitted.send_replace(usize::MAX);
    }

    /// Lets `more` arrivals through, in the order in which they came or will come.
    pub fn admit(&self, more: usize) {
        self.state.admitted.send_modify(|admitted| *admitted = admitted.saturating_add(more));
    }

    /// Waits until so many have arrived, in all.
    pub async fn arrived(&self, count: usize) {
        self.state.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.expect("the sender is held");
    }

    /// How many have arrived, in all.
    pub fn arrivals(&self) -> usize {
        *self.state.arrived.borrow()
    }

    /// Arrives, and waits to be let through.
    pub async fn pass(&self) {
        let mut number = 0;
        self.state.arrived.send_modify(|arrived| {
            number = *arrived;
            *arrived += 1;
        });
        self.state.admitted.subscribe().wait_for(|admitted| number < *admitted).await.expect("the sender is held");
    }
}
