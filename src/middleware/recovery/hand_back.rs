//! Time for a connection to go back to its pool, before a replay asks the pool for one.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Handle, RuntimeFlavor};

/// Longer than the task of a connection needs from the end of a response to the pool. A turn that took as long was one
/// in which others were at work.
const MOMENT: Duration = Duration::from_micros(10);
/// How often the processor is offered at the least: the first offer may go to another program.
const OFFERS: u32 = 2;

/// Lets the task of an HTTP/1.1 connection, which has just given away the end of a response, take its next steps: it says
/// that it is idle, and a second task hands it back to the pool.
///
/// On a runtime of one thread these tasks were woken before this one and stand before it in the queue, so one turn is
/// enough. Worker threads are another matter. The thread of the connection has woken this one, and the system may run
/// the woken thread at once on the very processor where the other stood, in the middle of those steps. Turns only keep it
/// off that processor. So the processor itself is offered to it, unless the first turn went to other tasks: in a storm
/// there is time enough without that.
pub(super) struct HandBack {
    began: Instant,
    beside_workers: bool,
    turns: u32,
}

impl HandBack {
    pub(super) fn new() -> Self {
        let one_thread =
            Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
        // In the model no step may depend on the time that another one took.
        let beside_workers = !one_thread && !cfg!(tower_reauth_model);
        Self { began: Instant::now(), beside_workers, turns: 0 }
    }
}

impl Future for HandBack {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.turns {
            0 => {}
            1 if self.beside_workers && self.began.elapsed() < MOMENT => offer_processor(),
            _ => return Poll::Ready(()),
        }
        self.turns += 1;
        // Not `yield_now` of Tokio: that one never ends where somebody blocks a worker thread with this future.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn offer_processor() {
    let began = Instant::now();
    let mut offers = 0;
    while offers < OFFERS || began.elapsed() < MOMENT {
        thread::yield_now();
        offers += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use super::*;

    /// How often it has to be polled, if all others together take so long between two polls.
    async fn polls(others: Duration) -> u32 {
        let mut hand_back = pin!(HandBack::new());
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            thread::sleep(others);
            hand_back.as_mut().poll(cx)
        })
        .await;
        polls
    }

    #[tokio::test]
    async fn on_one_thread_it_is_a_turn() {
        assert_eq!(polls(Duration::ZERO).await, 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn turn_that_others_used_is_enough_beside_workers() {
        assert_eq!(polls(MOMENT * 2).await, 2);
        assert_eq!(tokio::spawn(polls(MOMENT * 2)).await.expect("no panic"), 2);
    }

    #[test]
    fn ends_where_a_worker_is_blocked_with_it_and_where_there_is_no_runtime() {
        futures::executor::block_on(HandBack::new());
        // Neither drivers nor another worker.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let blocked = runtime.spawn(async { futures::executor::block_on(HandBack::new()) });
        runtime.block_on(blocked).expect("no panic");
    }
}
