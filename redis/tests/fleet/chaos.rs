//! What goes wrong: with the engine, one thing after the other; with the processes and the tokens, all the time.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::time::sleep;

use super::{
    Kind, PROCESSES, SESSIONS,
    authority::Authority,
    engine::{Relay, Server, free_port},
    ledger::{Ledger, Millis, Replica, now},
    replica::{Handle, any_session},
};

/// What is done to the engine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Harm {
    /// Stopped, and started again with what it has on disk.
    Stopped,
    /// The same by SIGKILL.
    Killed,
    /// Nobody is answered for longer than a lease lives.
    Paused,
    /// All connections are closed, again and again.
    Cut,
    /// A server takes its place that knows nothing of the newest writes.
    Promoted,
}

const HARMS: [Harm; 5] = [Harm::Stopped, Harm::Promoted, Harm::Paused, Harm::Cut, Harm::Killed];

pub(crate) struct Engine {
    leader: Server,
    follower: Server,
    pub(crate) relay: Relay,
    folder: PathBuf,
    started: usize,
}

impl Engine {
    pub(crate) async fn start(folder: PathBuf) -> Self {
        let leader = Server::start(free_port().await, folder.join("0")).await;
        let follower = Server::start(free_port().await, folder.join("1")).await;
        follower.follow(leader.port).await;
        let relay = Relay::start(leader.port).await;
        Self { leader, follower, relay, folder, started: 2 }
    }

    async fn suffer(&mut self, harm: Harm, ledger: &Ledger) {
        ledger.note(None, format_args!("Redis: {harm:?}"));
        match harm {
            Harm::Stopped => {
                self.leader.stop(Signal::TERM).await;
                sleep(Duration::from_secs(4)).await;
                self.leader.start_again().await;
            }
            Harm::Killed => {
                self.leader.stop(Signal::KILL).await;
                sleep(Duration::from_secs(1)).await;
                self.leader.start_again().await;
            }
            Harm::Paused => {
                self.leader.signal(Signal::STOP);
                sleep(Duration::from_secs(16)).await;
                self.leader.signal(Signal::CONT);
            }
            Harm::Cut => {
                for _ in 0..10 {
                    for kind in ["normal", "pubsub"] {
                        let _: usize =
                            self.leader.ask(&format!("CLIENT KILL TYPE {kind} SKIPME yes")).await.unwrap();
                    }
                    sleep(Duration::from_millis(fastrand::u64(50..400))).await;
                }
            }
            Harm::Promoted => self.promote(ledger).await,
        }
        ledger.note(None, format_args!("Redis: {harm:?} is over"));
        let name = match harm {
            Harm::Stopped => "stopped",
            Harm::Killed => "killed",
            Harm::Paused => "paused",
            Harm::Cut => "cut",
            Harm::Promoted => "promoted",
        };
        *ledger.book().chaos.entry(name).or_default() += 1;
    }

    async fn promote(&mut self, ledger: &Ledger) {
        // After a restart it may still be about to follow again.
        self.follower.follow(self.leader.port).await;
        let from = now();
        self.leader.has_told().await;
        self.follower.ask::<()>("REPLICAOF NO ONE").await.unwrap();
        sleep(Duration::from_secs(2)).await;
        self.leader.stop(Signal::KILL).await;
        self.relay.change_over(self.follower.port);
        ledger.book().taken_back.push((from, now()));
        let next = Server::start(free_port().await, self.folder.join(self.started.to_string())).await;
        self.started += 1;
        self.leader = std::mem::replace(&mut self.follower, next);
        self.follower.follow(self.leader.port).await;
    }
}

/// Each harm at least twice, and until the time is over.
pub(crate) async fn harm_engine(engine: &mut Engine, ledger: &Ledger, time: Duration) {
    let (began, mut rounds) = (Instant::now(), 0);
    while rounds < 2 || began.elapsed() < time {
        let mut harms = HARMS;
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
        let at: Millis = now();
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
