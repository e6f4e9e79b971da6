//! Time for a connection to go back to its pool, before a replay asks the pool for one.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Handle, RuntimeFlavor};

/// Longer than the task of a connection needs from the end of a response to the pool.
const MOMENT: Duration = Duration::from_micros(10);
/// How often the processor is offered at the least: the first offer may go to another program.
const OFFERS: u32 = 2;
/// Longer than a thread that is ready to run stands still, as a rule, where all processors are busy.
const SLICE: Duration = Duration::from_millis(10);

/// Lets the task of an HTTP/1.1 connection, which has just given away the end of a response, take its next steps: it says
/// that it is idle, and a second task hands it back to the pool.
///
/// On a runtime of one thread these tasks were woken before this one and stand before it in the queue, so one turn is
/// enough. Worker threads are another matter. The thread of the connection has woken this one, and the system may run
/// the woken thread at once on the very processor where the other stood, in the middle of those steps. Turns only keep it
/// off that processor, and each wakes another thread. So the processor itself is offered between two of them.
///
/// No processor is offered where the first turn took a moment: others were at work in it, as in a storm. Beside workers, a
/// call that has waited for its renewal since it read the end has had its turn, and mostly its moment as well. The offers are
/// left to it, which cost nothing where no thread takes them, unless it waited for longer than a thread stands still.
pub(super) struct HandBack {
    // When the end was read, or later.
    began: Instant,
    // Since then, beside workers.
    waited: bool,
    beside_workers: bool,
    turns: u32,
}

impl HandBack {
    /// `waited`: for how long the call has waited since it read the end, if it has.
    pub(super) fn new(waited: Option<Duration>) -> Self {
        let one_thread =
            Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
        // In the model no step may depend on the time that another one took.
        let beside_workers = !one_thread && !cfg!(tower_reauth_model);
        let now = Instant::now();
        Self {
            began: now.checked_sub(waited.unwrap_or_default()).unwrap_or(now),
            waited: beside_workers && waited.is_some(),
            beside_workers,
            turns: 0,
        }
    }
}

impl Future for HandBack {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.waited {
            if self.began.elapsed() < SLICE {
                offer_processor(self.began);
            }
            return Poll::Ready(());
        }
        match self.turns {
            0 => {}
            1 if self.beside_workers && self.began.elapsed() < MOMENT => offer_processor(Instant::now()),
            _ => return Poll::Ready(()),
        }
        self.turns += 1;
        // Not `yield_now` of Tokio: that one never ends where somebody blocks a worker thread with this future.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Until a moment has passed since then.
fn offer_processor(since: Instant) {
    let mut offers = 0;
    while offers < OFFERS || since.elapsed() < MOMENT {
        thread::yield_now();
        offers += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use super::*;

    /// How often it has to be polled, and for how long.
    async fn polls(waited: Option<Duration>) -> (u32, Duration) {
        let began = Instant::now();
        let mut hand_back = pin!(HandBack::new(waited));
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            hand_back.as_mut().poll(cx)
        })
        .await;
        (polls, began.elapsed())
    }

    #[tokio::test]
    async fn on_one_thread_it_is_a_turn() {
        assert_eq!(polls(None).await.0, 2);
        assert_eq!(polls(Some(SLICE)).await.0, 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn beside_workers_a_moment_passes_as_well() {
        let (in_main, in_task) = (polls(None).await, tokio::spawn(polls(None)).await.expect("no panic"));
        for (polls, time) in [in_main, in_task] {
            // Two where the first turn took so long by itself.
            assert!((2..=3).contains(&polls) && time >= MOMENT, "{polls} polls, {time:?}");
        }
        let (polls, time) = polls(Some(MOMENT / 2)).await;
        assert!(polls == 1 && time >= MOMENT / 2, "{polls} polls, {time:?}");
    }

    #[test]
    fn ends_where_a_worker_is_blocked_with_it_and_where_there_is_no_runtime() {
        futures::executor::block_on(HandBack::new(None));
        // Neither drivers nor another worker.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let blocked = runtime.spawn(async { futures::executor::block_on(HandBack::new(None)) });
        runtime.block_on(blocked).expect("no panic");
    }
}
