//! Where a process dies or stops: a store and a transport that do it at one step of a renewal.

use std::{
    fs,
    io::stdin,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rlimit::Resource;
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::watch;
use tower_reauth::{Error, FileStore, Leased, Record, Saved, StoreKey, TokenStore, Version};

use super::front::Hold;

const RENEWAL_LIMIT: Duration = Duration::from_secs(2);

/// The steps of a renewal, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    BeforeTheLook,
    /// The lease is held, and the claim not written yet.
    AfterTheLease,
    /// By the kernel: its temporary file is written in part.
    WritingTheClaim,
    AfterTheClaim,
    /// Sent, and lost on the way.
    RequestLost,
    /// Sent, and it arrives when the process is dead.
    RequestLate,
    /// The server has answered.
    AnswerOnItsWay,
    /// Its head is there, the body is not.
    HeadOfTheAnswer,
    BeforeTheSave,
    /// By the kernel: the temporary file is written in part.
    WritingTheSave,
    /// The temporary file is there, in part or whole, and not renamed.
    BeforeTheRename,
    AfterTheSave,
    AfterTheHandOut,
}

impl Step {
    pub const ALL: [Self; 13] = [
        Self::BeforeTheLook,
        Self::AfterTheLease,
        Self::WritingTheClaim,
        Self::AfterTheClaim,
        Self::RequestLost,
        Self::RequestLate,
        Self::AnswerOnItsWay,
        Self::HeadOfTheAnswer,
        Self::BeforeTheSave,
        Self::WritingTheSave,
        Self::BeforeTheRename,
        Self::AfterTheSave,
        Self::AfterTheHandOut,
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| format!("{step:?}") == name)
    }

    /// How long the renewal takes at most, and so how long its claim is waited for.
    pub fn renewal_limit(self) -> Duration {
        // The claim has to stand while another process looks a few times.
        if self == Self::RequestLate { 3 * RENEWAL_LIMIT } else { RENEWAL_LIMIT }
    }

    /// Where it is the test that kills the process, since the request has left it.
    pub fn hold(self) -> Option<Hold> {
        match self {
            Self::RequestLost => Some(Hold::Lost),
            Self::RequestLate => Some(Hold::Late),
            Self::AnswerOnItsWay => Some(Hold::Unanswered),
            _ => None,
        }
    }
}

/// What happens at the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Die,
    /// Until the test says so, which stops the process meanwhile.
    Stop,
}

/// Shared by the store and the transport of one process.
#[derive(Clone)]
pub struct Fault {
    step: Option<Step>,
    act: Act,
    folder: PathBuf,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    armed: AtomicBool,
    saves: AtomicUsize,
}

impl Fault {
    pub fn new(step: Option<Step>, act: Act, folder: &Path) -> Self {
        Self { step, act, folder: folder.to_owned(), state: Arc::default() }
    }

    /// From now on: a renewal begins.
    pub fn arm(&self) {
        self.state.armed.store(true, Ordering::SeqCst);
    }

    fn is_at(&self, step: Step) -> bool {
        self.step == Some(step) && self.state.armed.load(Ordering::SeqCst)
    }

    /// Once.
    pub fn reached(&self, step: Step) {
        if !self.is_at(step) || !self.state.armed.swap(false, Ordering::SeqCst) {
            return;
        }
        match self.act {
            Act::Die => die(),
            // Its only thread stands still, so that it does not matter how soon the signal takes effect. A claim is over by then.
            Act::Stop => {
                thread::sleep(RENEWAL_LIMIT);
                println!("# at the step");
                stdin().read_line(&mut String::new()).unwrap();
            }
        }
    }
}

fn die() -> ! {
    kill_process(getpid(), Signal::KILL).unwrap();
    loop {
        thread::park();
    }
}

/// A folder of tokens in which a process dies.
pub struct FaultyStore {
    pub store: FileStore,
    pub fault: Fault,
}

impl TokenStore for FaultyStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        self.fault.reached(Step::BeforeTheLook);
        self.store.load(key).await
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        let armed = self.fault.state.armed.load(Ordering::SeqCst);
        let (writing, saved) = if armed && self.fault.state.saves.fetch_add(1, Ordering::SeqCst) == 0 {
            (Step::WritingTheClaim, Step::AfterTheClaim)
        } else {
            self.fault.reached(Step::BeforeTheSave);
            (Step::WritingTheSave, Step::AfterTheSave)
        };
        if self.fault.is_at(writing) {
            // The kernel ends a process that writes more than it may.
            Resource::CORE.set(0, 0).unwrap();
            Resource::FSIZE.set(20, 20).unwrap();
        }
        if writing == Step::WritingTheSave && self.fault.is_at(Step::BeforeTheRename) {
            let folder = self.fault.folder.clone();
            thread::spawn(move || die_when_something_is_written(&folder));
        }
        let outcome = self.store.save(key, record, seen).await;
        self.fault.reached(saved);
        outcome
    }

    async fn lease(&self, key: &StoreKey) -> Result<Leased, Error> {
        let lease = self.store.lease(key).await?;
        self.fault.reached(Step::AfterTheLease);
        Ok(lease)
    }

    async fn changed(&self, key: &StoreKey, seen: Option<Version>) -> Result<bool, Error> {
        self.store.changed(key, seen).await
    }
}

/// A folder of tokens that counts how often it is read.
pub struct WatchedStore {
    pub store: FileStore,
    pub loads: watch::Sender<usize>,
}

impl TokenStore for WatchedStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        self.loads.send_modify(|loads| *loads += 1);
        self.store.load(key).await
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        self.store.save(key, record, seen).await
    }

    async fn lease(&self, key: &StoreKey) -> Result<Leased, Error> {
        self.store.lease(key).await
    }

    async fn changed(&self, key: &StoreKey, seen: Option<Version>) -> Result<bool, Error> {
        self.store.changed(key, seen).await
    }
}

fn die_when_something_is_written(folder: &Path) {
    loop {
        for file in fs::read_dir(folder).unwrap().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "tmp") {
                die();
            }
        }
    }
}
