//! A gate that holds whoever comes, until the test lets them through.

use std::sync::Arc;

use tokio::sync::watch;

/// Holds what arrives at it. Clones are the same gate.
///
/// Arrivals are numbered from 0. One whose future is dropped while it waits keeps its number.
///
/// # Example
/// The server is held in the middle of a call, and the test does something else meanwhile:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Full;
/// use tower::ServiceExt;
/// use tower_reauth::testing::{Gate, Issuer, Resource};
///
/// let issuer = Issuer::new();
/// issuer.accept("the-token");
/// let resource = Resource::new(&issuer);
/// let gate = Gate::closed();
/// resource.hold("/slow", &gate);
///
/// let request = Request::get("/slow").header("authorization", "Bearer the-token").body(Full::<Bytes>::default()).unwrap();
/// let call = tokio::spawn(resource.clone().oneshot(request));
/// gate.arrived(1).await;
/// issuer.revoke("the-token");
/// gate.open();
/// assert_eq!(call.await.unwrap().unwrap().status(), 401);
/// # }
/// ```
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
    /// A gate that lets nobody through yet. One that is never opened is a server that hangs.
    #[must_use]
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
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn arrived(&self, count: usize) {
        reaches(&self.state.arrived, count).await;
    }

    /// How many have arrived, in all.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        *self.state.arrived.borrow()
    }

    /// Arrives, and waits to be let through.
    ///
    /// # Cancel safety
    /// May be dropped at any point. The arrival counts from the first poll on.
    pub async fn pass(&self) {
        let mut number = 0;
        self.state.arrived.send_modify(|arrived| {
            number = *arrived;
            *arrived += 1;
        });
        reaches(&self.state.admitted, number + 1).await;
    }
}

/// Waits until this counter is at least at `count`.
pub(super) async fn reaches(counter: &watch::Sender<usize>, count: usize) {
    // The sender is held while we borrow it, so the wait ends only as it should.
    let _ = counter.subscribe().wait_for(|at| *at >= count).await;
}
