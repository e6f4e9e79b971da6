//! What goes wrong: with the engine, one thing after the other; with the processes and the tokens, all the time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    Kind, PROCESSES, SESSIONS,
    authority::Authority,
    engine::{Engine, Harm},
    ledger::{Ledger, Replica, now},
    replica::{Handle, any_session},
};

/// Each harm at least twice, and until the time is over.
pub(crate) async fn harm(engine: &mut Engine, ledger: &Ledger, time: Duration) {
    let (began, mut rounds) = (Instant::now(), 0);
    while rounds < 2 || began.elapsed() < time {
        let mut harms = Harm::ALL;
        fastrand::shuffle(&mut harms);
        for harm in harms {
            sleep(Duration::from_millis(fastrand::u64(1_000..3_000))).await;
            engine.suffer(harm, ledger).await;
        }
        rounds += 1;
    }
}

/// The processes of the fleet, and who they are just now.
pub(crate) struct Fleet {
    pub(crate) handles: Vec<Handle>,
    authority: String,
    redis: String,
    ledger: Arc<Ledger>,
    pub(crate) kills: usize,
}

impl Fleet {
    /// The login of some sessions is begun by a process that is gone before the others come.
    pub(crate) async fn start(authority: String, redis: String, ledger: Arc<Ledger>) -> Self {
        let mut fleet = Self { handles: Vec::new(), authority, redis, ledger, kills: 0 };
        let mut first = fleet.launch(Replica { process: PROCESSES, life: 0 });
        first.says("ready").await;
        fleet.end(first).await;
        fleet.handles = (0..PROCESSES).map(|process| fleet.launch(Replica { process, life: 0 })).collect();
        for handle in &mut fleet.handles {
            handle.says("ready").await;
        }
        for handle in &mut fleet.handles {
            handle.tell("go").await;
        }
        fleet
    }

    fn launch(&self, replica: Replica) -> Handle {
        self.ledger.note(None, format_args!("{replica} starts"));
        Handle::start(replica, &self.authority, &self.redis, Arc::clone(&self.ledger))
    }

    async fn end(&self, handle: Handle) {
        let replica = handle.replica;
        let at = now();
        self.ledger.book().killed.insert(replica, at);
        self.ledger.note(None, format_args!("{replica} is killed"));
        handle.kill().await;
    }

    /// One process after the other, until this future is dropped.
    pub(crate) async fn kill_some(&mut self) {
        loop {
            sleep(Duration::from_millis(fastrand::u64(500..3_500))).await;
            let process = fastrand::usize(..PROCESSES);
            let Replica { life, .. } = self.handles[process].replica;
            let mut next = self.launch(Replica { process, life: life + 1 });
            next.tell("go").await;
            let old = std::mem::replace(&mut self.handles[process], next);
            self.end(old).await;
            self.kills += 1;
        }
    }

    pub(crate) async fn all(&mut self, tell: &str, hear: &str) {
        for handle in &mut self.handles {
            handle.tell(tell).await;
        }
        for handle in &mut self.handles {
            handle.says(hear).await;
        }
    }
}

/// Access tokens are withdrawn, and a few logins of those who have a password are ended, until this future is dropped.
pub(crate) async fn withdraw_some(authority: &Authority) {
    loop {
        sleep(Duration::from_millis(fastrand::u64(100..500))).await;
        let session = any_session();
        if fastrand::u8(..20) == 0 && Kind::of(session) == Kind::Everywhere {
            authority.end_login(session).await;
        } else {
            authority.withdraw(session);
        }
    }
}

/// Everybody has to renew.
pub(crate) fn withdraw_all(authority: &Authority) {
    (0..SESSIONS).for_each(|session| authority.withdraw(session));
}
