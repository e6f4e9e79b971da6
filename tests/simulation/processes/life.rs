//! The life of a process: all that it does outside of its memory passes here.

use std::{future::pending, panic::resume_unwind};

use tokio::time::sleep_until;

use super::scene::Scene;

#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) scene: Scene,
    pub(crate) number: usize,
}

impl Life {
    pub(crate) fn is_over(&self) -> bool {
        self.scene.lock().lives[self.number].ended
    }

    /// Waits while the process is stopped; for ever once it was killed.
    pub(crate) async fn pass(&self) {
        if !self.awakes().await {
            pending().await
        }
    }

    /// Waits while the process is stopped; says whether it goes on, and was not killed.
    pub(crate) async fn awakes(&self) -> bool {
        loop {
            let until = {
                let state = self.scene.lock();
                let life = &state.lives[self.number];
                if life.ended { None } else { Some(life.stopped) }
            };
            match until {
                None => return false,
                Some(None) => return true,
                Some(Some(until)) => sleep_until(until).await,
            }
        }
    }

    /// Ends the task of a process that was killed, which tries this.
    pub(crate) fn must_go_on(&self) {
        if self.is_over() {
            // Says nothing on standard error.
            resume_unwind(Box::new("killed"));
        }
    }

    pub(crate) fn skew(&self) -> i64 {
        let state = self.scene.lock();
        state.plan.skews[state.lives[self.number].process]
    }
}
