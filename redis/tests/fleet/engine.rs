//! Two real Redis servers, one of which follows the other, and the only way that the processes know to them.

use std::time::Duration;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::block_in_place,
    time::sleep,
};

use super::{
    ledger::{Ledger, now},
    replica::LEASE_LIFE,
    server::{Server, wait},
};

/// What is done to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Harm {
    /// Shut down, and started again with what it has on disk.
    Stopped,
    /// The same by SIGKILL.
    Killed,
    /// By SIGSTOP: nobody is answered for longer than a lease lives.
    Paused,
    /// All connections are closed, again and again.
    Cut,
    /// A server takes its place that knows nothing of the newest writes.
    Promoted,
}

impl Harm {
    pub(crate) const ALL: [Self; 5] = [Self::Stopped, Self::Killed, Self::Paused, Self::Cut, Self::Promoted];
}

pub(crate) struct Engine {
    leader: Server,
    follower: Server,
    relay: Relay,
}

impl Engine {
    pub(crate) async fn start() -> Self {
        let (leader, follower) = block_in_place(|| {
            let (leader, follower) = (start(), start());
            follow(&follower, &leader);
            (leader, follower)
        });
        let relay = Relay::start(leader.port).await;
        Self { leader, follower, relay }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.relay.port)
    }

    pub(crate) async fn suffer(&mut self, harm: Harm, ledger: &Ledger) {
        ledger.note(None, format_args!("Redis: {harm:?}"));
        match harm {
            Harm::Stopped => {
                block_in_place(|| self.leader.cli(&["SHUTDOWN"]));
                sleep(Duration::from_secs(4)).await;
                block_in_place(|| self.leader.restart());
            }
            Harm::Killed => {
                block_in_place(|| self.leader.kill());
                sleep(Duration::from_secs(1)).await;
                block_in_place(|| self.leader.restart());
            }
            Harm::Paused => {
                block_in_place(|| self.leader.pause());
                sleep(LEASE_LIFE + Duration::from_secs(3)).await;
                block_in_place(|| self.leader.resume());
            }
            Harm::Cut => {
                for _ in 0..10 {
                    block_in_place(|| self.leader.cut());
                    sleep(Duration::from_millis(fastrand::u64(50..400))).await;
                }
            }
            Harm::Promoted => self.promote(ledger).await,
        }
        ledger.note(None, format_args!("Redis: {harm:?} is over"));
        *ledger.book().harms.entry(harm).or_default() += 1;
    }

    async fn promote(&mut self, ledger: &Ledger) {
        let from = block_in_place(|| {
            // After a restart it may still be about to follow again.
            follow(&self.follower, &self.leader);
            let from = now();
            // It has all that was written before.
            let written = offset(&self.leader, "master_repl_offset");
            wait("the follower has caught up", || offset(&self.follower, "slave_repl_offset") >= written);
            self.follower.promote();
            from
        });
        sleep(Duration::from_secs(2)).await;
        block_in_place(|| self.leader.kill());
        ledger.book().taken_back.push((from, now()));
        self.relay.change_over(self.follower.port);
        block_in_place(|| {
            self.leader = std::mem::replace(&mut self.follower, start());
            follow(&self.follower, &self.leader);
        });
    }
}

/// A server that writes every command to disk before it answers.
fn start() -> Server {
    Server::start_with(&["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"])
}

fn follow(follower: &Server, leader: &Server) {
    follower.cli(&["REPLICAOF", "127.0.0.1", &leader.port.to_string()]);
    wait("the follower follows", || follower.cli(&["INFO", "replication"]).contains("master_link_status:up"));
}

fn offset(server: &Server, name: &str) -> u64 {
    let told = server.cli(&["INFO", "replication"]);
    let offset = told.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')?.parse().ok());
    offset.expect("it tells its offset")
}

/// Passes connections on to one of the servers. Those that are open are cut when it changes over to the other.
struct Relay {
    port: u16,
    to: watch::Sender<u16>,
}

impl Relay {
    async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = watch::Sender::new(to);
        let pointed = to.clone();
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let mut pointed = pointed.subscribe();
                tokio::spawn(async move {
                    let port = *pointed.borrow_and_update();
                    let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut from, &mut to) => {}
                        _ = pointed.changed() => {}
                    }
                });
            }
        });
        Self { port, to }
    }

    fn change_over(&self, to: u16) {
        self.to.send_replace(to);
    }
}
