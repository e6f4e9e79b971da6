//! The replicas, as processes of their own that this one starts, reads, kills and ends.

use std::{env, io, process::Stdio, sync::Mutex, sync::PoisonError, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    board::{Board, Doing, Report},
    replica::{Place, ROLE},
};

/// A replica that does not end by itself within this time is killed.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Crew {
    place: Place,
    board: watch::Sender<Board>,
    members: Mutex<Vec<Option<Member>>>,
}

/// It is killed when this is dropped.
struct Member {
    process: Child,
    reader: JoinHandle<()>,
}

impl Crew {
    pub(crate) async fn start(place: Place, board: &watch::Sender<Board>) -> anyhow::Result<Self> {
        let replicas = board.borrow().replicas.len();
        let members = Mutex::new((0..replicas).map(|_| None).collect());
        let crew = Self { place, board: board.clone(), members };
        for at in 0..replicas {
            crew.begin(at).await?;
        }
        Ok(crew)
    }

    /// Starts the replica of this place.
    pub(crate) async fn begin(&self, at: usize) -> anyhow::Result<()> {
        let mut process = Command::new(env::current_exe()?)
            .env(ROLE, "1")
            // Ctrl-C is for this program, which then ends them.
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a replica does not start")?;
        let input = process.stdin.as_mut().expect("it is piped");
        input.write_all(self.place.lines().as_bytes()).await.context("a replica does not start")?;
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let board = self.board.clone();
        let before = board.borrow().replicas[at];
        board.send_modify(|board| board.replicas[at] = Report { doing: Doing::Starts, token: 0, ..before });
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(report) = line.parse::<Report>() {
                    board.send_modify(|board| board.replicas[at] = report.after(before));
                }
            }
            board.send_modify(|board| board.replicas[at].doing = Doing::Ended);
        });
        self.members()[at] = Some(Member { process, reader });
        Ok(())
    }

    /// SIGKILL: it finishes nothing and says nothing.
    pub(crate) async fn kill(&self, at: usize) -> io::Result<()> {
        let Some(mut member) = self.members()[at].take() else { return Ok(()) };
        member.reader.abort();
        member.process.kill().await?;
        self.board.send_modify(|board| board.replicas[at].doing = Doing::Killed);
        Ok(())
    }

    /// Tells all to end, and waits for their last words.
    pub(crate) async fn end(self) {
        let mut members: Vec<_> = self.members().drain(..).flatten().collect();
        members.iter_mut().for_each(|member| drop(member.process.stdin.take()));
        for mut member in members {
            let ended = async {
                let _ = member.reader.await;
                let _ = member.process.wait().await;
            };
            let _ = timeout(PATIENCE, ended).await;
        }
    }

    fn members(&self) -> std::sync::MutexGuard<'_, Vec<Option<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
