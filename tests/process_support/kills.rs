//! A process is killed at a step of a renewal, and another one goes on with what it finds.

use std::{collections::BTreeMap, fmt, pin::pin, sync::Arc};

use futures::{StreamExt, stream};
use rustix::process::Signal;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tower_reauth::{ErrorKind, FileStore};

use super::{
    Folder, Holds,
    child::Child,
    fault::{Step, WatchedStore},
    front::{Front, Hold},
    http,
    remote::Server,
    session, soon,
};

/// Many at once, since most of the time goes by in waiting for a dead process's claim to be over.
const AT_ONCE: usize = 16;

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It went on with a token set or a refresh token that was in the store.
    Kept,
    /// The own grant began it anew.
    Healed,
    /// The user has to log in.
    Lost,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    pub end: End,
    pub sent_twice: bool,
}

/// The outcomes of all kills at one step, and how often each was seen.
pub struct Row {
    pub step: Step,
    pub holds: Holds,
    pub outcomes: BTreeMap<Outcome, usize>,
}

/// What has to come of a kill. The only pair that the server has in force is lost when nobody but the dead process had it.
/// Whoever holds a password does not try a refresh token that may be spent.
pub fn expected(step: Step, holds: Holds) -> Outcome {
    let (end, sent_twice) = match (step, holds) {
        (
            Step::BeforeTheLook
            | Step::AfterTheLease
            | Step::WritingTheClaim
            | Step::AfterTheSave
            | Step::AfterTheHandOut,
            _,
        )
        | (Step::AfterTheClaim | Step::RequestLost, Holds::Nothing) => (End::Kept, false),
        (_, Holds::Nothing) => (End::Lost, true),
        _ => (End::Healed, false),
    };
    Outcome { end, sent_twice }
}

/// So many kills at each of these steps, and what came of them.
pub async fn kill_at(server: Arc<dyn Server>, steps: &[Step], kills: usize) -> Vec<Row> {
    let cases = steps.iter().flat_map(|step| [(*step, Holds::Nothing), (*step, Holds::Password)]);
    let rounds = cases.clone().flat_map(|case| std::iter::repeat_n(case, kills));
    let outcomes: Vec<_> = stream::iter(rounds)
        .map(|(step, holds)| {
            let server = server.clone();
            async move {
                let outcome = loop {
                    // Where the kill came too late, that round is none to count.
                    if let Some(outcome) = round(server.clone(), step, holds).await {
                        break outcome;
                    }
                };
                ((step, holds), outcome)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    cases
        .map(|(step, holds)| {
            let mut row = Row { step, holds, outcomes: BTreeMap::new() };
            for (_, outcome) in outcomes.iter().filter(|(case, _)| *case == (step, holds)) {
                *row.outcomes.entry(*outcome).or_default() += 1;
            }
            row
        })
        .collect()
}

/// Every kill came to what it had to.
pub fn assert_all(rows: &[Row], kills: usize) {
    println!("killed at | the next process holds | kills | kept | healed by the grant | lost");
    rows.iter().for_each(|row| println!("{row}"));
    for row in rows {
        let expected = expected(row.step, row.holds);
        assert_eq!(row.outcomes, BTreeMap::from([(expected, kills)]), "{row}");
    }
}

async fn round(server: Arc<dyn Server>, step: Step, holds: Holds) -> Option<Outcome> {
    let (front, folder) = (Front::start(server, None).await, Folder::new());
    if step == Step::BeforeTheRename {
        front.pad();
    }
    let tokens = front.log_in().await;
    let store = FileStore::open(&*folder).unwrap();
    let first = session(holds, front.endpoint(http()), store, |settings| settings.tokens = Some(tokens.clone()));
    first.save().await.unwrap();
    drop(first);

    if !kill(&front, &folder, step, holds).await {
        return None;
    }

    let loads = watch::Sender::new(0);
    let store = WatchedStore { store: FileStore::open(&*folder).unwrap(), loads: loads.clone() };
    let next = session(holds, front.endpoint(http()), store, |_| ());
    let found = soon(next.token()).await.unwrap();
    let late = async {
        if step == Step::RequestLate {
            // The dead process's request arrives while this one waits; or after its own, if it does not wait.
            let mut looked = loads.subscribe();
            futures::future::select(pin!(looked.wait_for(|loads| *loads > 4)), pin!(front.answered(1))).await;
            front.let_go();
            front.answered(2).await;
        }
    };
    let (renewed, ()) = soon(futures::future::join(next.renew(found.generation()), late)).await;
    let end = match renewed {
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Refused, "{step:?}: {error}");
            End::Lost
        }
        Ok(token) => {
            assert!(front.accepts(token.token_set().access_token().expose_secret()).await, "{step:?}");
            let is_healed = front.asked().iter().any(|asked| asked.grant_type == "password");
            // And the login lives.
            soon(next.renew(token.generation())).await.unwrap();
            if is_healed { End::Healed } else { End::Kept }
        }
    };
    Some(Outcome { end, sent_twice: front.saw_one_twice() })
}

/// `false`: it was too late, which happens only where the process looks for the file that it writes.
async fn kill(front: &Front, folder: &Folder, step: Step, holds: Holds) -> bool {
    if let Some(hold) = step.hold() {
        front.hold_next(hold);
    }
    let mut child = Child::new("renew", folder, &front.url, holds, Some(step));
    if step.hold().is_some() {
        soon(front.held()).await;
        child.signal(Signal::KILL);
    }
    let died_of = soon(async { tokio::task::spawn_blocking(move || child.died_of()).await.unwrap() }).await;
    if step == Step::BeforeTheRename && !folder.has_unfinished() {
        return false;
    }
    let killed_by = match step {
        Step::WritingTheClaim | Step::WritingTheSave => Signal::XFSZ,
        _ => Signal::KILL,
    };
    assert_eq!(died_of, Some(killed_by.as_raw()), "{step:?}");
    let writes = [Step::WritingTheClaim, Step::WritingTheSave, Step::BeforeTheRename];
    assert_eq!(folder.has_unfinished(), writes.contains(&step), "{step:?}");
    if step.hold().is_some_and(|hold| hold != Hold::Late) {
        front.let_go();
    }
    true
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |end| self.outcomes.iter().filter(|(outcome, _)| outcome.end == end).map(|(_, count)| count).sum();
        let (kept, healed, lost): (usize, usize, usize) = (count(End::Kept), count(End::Healed), count(End::Lost));
        let all = kept + healed + lost;
        write!(f, "{:?} | {:?} | {all} | {kept} | {healed} | {lost}", self.step, self.holds)
    }
}
