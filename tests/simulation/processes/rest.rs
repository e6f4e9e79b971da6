//! The end of a world: it is brought to rest, and taken apart.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{oracle, world::World};

impl World {
    /// All faults are over; whoever has something in the store that is alive must serve within five minutes.
    pub(super) async fn rest(self) {
        let processes = {
            let mut state = self.scene.lock();
            let calm = state.plan.is_calm();
            (state.plan.fails, state.plan.breaks) = (0, 0);
            let place = &mut state.place;
            (place.fails, place.saves_fail, place.slow, place.frozen) = (false, false, false, None);
            if let Some(far) = &mut state.plan.remote {
                far.loses = 0;
            }
            state.lives.iter_mut().for_each(|life| life.deaf = None);
            if !calm {
                state.trouble(|| "all faults are over".to_owned());
            }
            state.plan.processes
        };
        sleep(Duration::from_secs(300)).await;
        for process in 0..processes {
            self.with(|all| all[process].as_mut().map(|process| process.callers.abort_all()));
            if !self.is_there(process) || self.is_logged_out(process) || self.is_refused(process) {
                self.start(process);
            }
        }
        let helped = self.scene.lock().plan.is_quiet() && self.is_there(0) && !self.is_logged_out(0);
        if helped || oracle::is_stored_alive(&self.scene.lock()) {
            // Whoever had no call for long learns by the first one of a login elsewhere, and that may take a moment.
            for process in 0..processes {
                self.probe(process).await;
            }
            sleep(Duration::from_secs(5)).await;
            for _ in 0..10 {
                let mut well = true;
                for process in 0..processes {
                    well &= self.probe(process).await;
                    if self.is_logged_out(process) {
                        // By somebody's later login.
                        self.start(process);
                    }
                }
                if well {
                    break;
                }
                sleep(Duration::from_secs(30)).await;
            }
        } else {
            self.scene.lock().note(|| "the login is lost".to_owned());
            self.log_in(0);
            self.probe(0).await;
            (1..processes).for_each(|process| self.start(process));
        }
        for process in 0..processes {
            let well = self.probe(process).await;
            self.scene.lock().check(well, || format!("process {process} does not serve when all is well"));
        }
        self.end(processes).await;
    }

    /// One logs out, and with it all; then nothing is left.
    async fn end(&self, processes: usize) {
        // Whoever missed a later login learns of it first: its own logout would leave that alone.
        for _ in 0..2 {
            sleep(Duration::from_secs(31)).await;
            for process in 0..processes {
                self.probe(process).await;
            }
        }
        sleep(Duration::from_secs(5)).await;
        for process in (0..processes).filter(|process| self.is_logged_out(*process)) {
            self.start(process);
        }
        let done = match self.session(processes - 1) {
            Some(session) => session.logout().await,
            None => Ok(()),
        };
        self.scene.lock().check(done.is_ok(), || format!("a logout failed when all is well: {done:?}"));
        for _ in 0..4 {
            for process in 0..processes {
                self.probe(process).await;
            }
            sleep(Duration::from_secs(20)).await;
        }
        for process in 0..processes {
            let out = self.is_logged_out(process);
            self.scene.lock().check(out, || format!("process {process} did not learn of the logout"));
            let Some(session) = self.session(process) else { continue };
            let idle = session.shutdown(Duration::from_secs(600)).await;
            self.scene.lock().check(idle, || format!("process {process} does not come to rest"));
        }
        drop(self.with(std::mem::take));
        let mut state = self.scene.lock();
        let now = Instant::now();
        let free = state.place.lease.as_ref().is_none_or(|holder| holder.free.is_some_and(|free| free <= now));
        state.check(free, || "a lease is left".to_owned());
    }
}
