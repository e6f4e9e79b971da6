//! This test binary as another process: it runs itself again with a role.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

use rlimit::Resource;
use tower_reauth::{FileStore, Leased, Record, Saved, TokenStore, Version};

use super::folder::{Folder, key, number, record, save, secret, text, version};

const ROLE: &str = "FILE_STORE_ROLE";
const FOLDER: &str = "FILE_STORE_FOLDER";

/// Another process. It is killed when the test is done with it.
pub(crate) struct Child {
    process: process::Child,
    said: BufReader<process::ChildStdout>,
}

impl Child {
    pub(crate) fn new(role: &str, folder: &Path) -> Self {
        Self::with_shell(":", role, folder)
    }

    /// After a command of the shell that changes what the process may do.
    pub(crate) fn with_shell(command: &str, role: &str, folder: &Path) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", &format!("{command}; exec \"$0\" --exact child::plays_its_role --nocapture")])
            .arg(env::current_exe().unwrap())
            .env(ROLE, role)
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        Self { process, said }
    }

    /// The next thing that it says with this word at the beginning, without that word. It fails if the process ends before.
    pub(crate) fn says(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.said.read_line(&mut line).unwrap(), 0, "the process ended without saying {word:?}");
            // libtest writes the test's name before the first line.
            if let Some((_, rest)) = line.split_once(&format!("# {word}")) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Lets it go on from where it waits.
    pub(crate) fn go_on(&mut self) {
        writeln!(self.process.stdin.as_mut().unwrap()).unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Ends it, if it has not ended by itself.
    pub(crate) fn kill(mut self) {
        assert_eq!(self.process.try_wait().unwrap(), None);
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(what: impl std::fmt::Display) {
    println!("# {what}");
}

/// Until the test says so.
fn wait() {
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// What another process does. Without a role this is no test, but a door for the others.
#[tokio::test]
async fn plays_its_role() {
    let Ok(role) = env::var(ROLE) else { return };
    let folder = PathBuf::from(env::var_os(FOLDER).unwrap());
    match role.as_str() {
        "hold a lock" => {
            let file = File::options().write(true).open(&folder).unwrap();
            file.try_lock().unwrap();
            say("held");
            wait();
        }
        "save and lease" => {
            let store = FileStore::open(&folder).unwrap();
            save(&store, 1).await;
            let _lease = store.lease(&key()).await.unwrap();
            say("done");
        }
        "lease" => {
            let store = FileStore::open(&folder).unwrap();
            let lease = store.lease(&key()).await.unwrap();
            say(if matches!(lease, Leased::Held(_)) { "held" } else { "taken" });
            wait();
        }
        "race for saves" => race_for_saves(&folder).await,
        "race for leases" => race_for_leases(&folder).await,
        "sweep for ever" => sweep_for_ever(&folder),
        "save for ever" => save_for_ever(&folder).await,
        "fill the disk" => fill_the_disk(&folder).await,
        _ => panic!("there is no role {role}"),
    }
}

pub(crate) const RACE: u64 = 200;
pub(crate) const TURNS: usize = 1500;

/// Counts up with the others, and tells of each number that it wrote itself.
async fn race_for_saves(folder: &Path) {
    let store = FileStore::builder(folder).encrypt_with("a", secret(1)).open().unwrap();
    say("ready");
    wait();
    let mut seen: Option<Version> = None;
    loop {
        let next = seen.map_or(1, |seen| seen.number() + 1);
        if next > RACE {
            break;
        }
        let mine = text(&record(next)).replace("00000000000000ff", &format!("{:016x}", process::id()));
        let mine = Record::from_json(&mine).unwrap();
        seen = Some(match store.save(&key(), &mine, seen).await.unwrap() {
            Saved::Saved => {
                say(format!("won {next}"));
                mine.version()
            }
            Saved::Overtaken(other) => other.version(),
            _ => panic!("there is a third outcome"),
        });
    }
    say("done");
}

/// Holds the lease again and again, and looks whether somebody else holds it as well.
async fn race_for_leases(folder: &Path) {
    let store = FileStore::open(folder).unwrap();
    let inside = folder.join("inside");
    say("ready");
    wait();
    let mut turns = 0;
    while turns < TURNS {
        if let Leased::Held(_lease) = store.lease(&key()).await.unwrap() {
            File::create_new(&inside).expect("nobody else holds the lease");
            tokio::task::yield_now().await;
            fs::remove_file(&inside).unwrap();
            turns += 1;
        }
    }
    say("done");
}

/// Removes the lock file of the lease whenever nobody holds it, by the rule of the store itself and much more often.
fn sweep_for_ever(folder: &Path) {
    FileStore::open(folder).unwrap();
    say("ready");
    loop {
        for path in Folder::all_in(folder, ".lease") {
            let Ok(file) = File::options().write(true).open(&path) else { continue };
            let opened = file.metadata().unwrap().ino();
            if file.try_lock().is_ok() && fs::metadata(&path).is_ok_and(|found| found.ino() == opened) {
                fs::remove_file(&path).unwrap();
            }
        }
    }
}

async fn save_for_ever(folder: &Path) {
    let store = FileStore::open(folder).unwrap();
    let mut next = number(&store).await.map_or(0, |number| number + 1);
    loop {
        save(&store, next).await;
        say(format!("saved {next}"));
        next += 1;
    }
}

/// A limit on the size of files does what a full disk does, without the right to mount one.
async fn fill_the_disk(folder: &Path) {
    let store = FileStore::open(folder).unwrap();
    save(&store, 1).await;
    let (_, most) = Resource::FSIZE.get().unwrap();
    Resource::FSIZE.set(20, most).unwrap();
    let error = store.save(&key(), &record(2), Some(version(1))).await.unwrap_err();
    say(format!("failed {error}"));
    assert_eq!(number(&store).await, Some(1));
    assert!(store.changed(&key(), Some(version(0))).await.unwrap());
    assert!(matches!(store.lease(&key()).await.unwrap(), Leased::Held(_)));
    Resource::FSIZE.set(most, most).unwrap();
    save(&store, 2).await;
    say("done");
}
