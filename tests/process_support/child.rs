//! This test binary as another process: it runs itself again with a role.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret;
use tower::{Layer, ServiceExt, service_fn};
use tower_reauth::{FileStore, Origins, Reauth, ReauthLayer, Session, Status, TokenEndpoint};

use super::{
    Holds, Http,
    fault::{Act, Fault, FaultyStore, Step},
    http, session,
};

const ROLE: &str = "PROCESS_ROLE";
const FOLDER: &str = "PROCESS_FOLDER";
const URL: &str = "PROCESS_URL";
const HOLDS: &str = "PROCESS_HOLDS";
const STEP: &str = "PROCESS_STEP";

/// Another process. It is killed when the test is done with it.
pub struct Child {
    process: process::Child,
    said: BufReader<process::ChildStdout>,
}

impl Child {
    pub fn new(role: &str, folder: &Path, url: &str, holds: Holds, step: Option<Step>) -> Self {
        let (_, path) = concat!(module_path!(), "::plays_its_role").split_once("::").unwrap();
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", path, "--nocapture"])
            .env(ROLE, role)
            .env(FOLDER, folder)
            .env(URL, url)
            .env(HOLDS, format!("{holds:?}"))
            .env(STEP, step.map(|step| format!("{step:?}")).unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        Self { process, said }
    }

    /// The next thing that it says, which begins with this word; without that word. It fails if it says something else.
    pub fn says(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.said.read_line(&mut line).unwrap(), 0, "the process ended without saying {word:?}");
            // libtest writes the test's name before the first line.
            if let Some((_, said)) = line.split_once("# ") {
                let said = said.trim();
                return said
                    .strip_prefix(word)
                    .unwrap_or_else(|| panic!("not {word:?}, but {said:?}"))
                    .trim()
                    .to_owned();
            }
        }
    }

    /// Lets it go on from where it waits.
    pub fn go_on(&mut self) {
        writeln!(self.process.stdin.as_mut().unwrap()).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// The signal that it died of; `None` if it ended by itself.
    pub fn died_of(&mut self) -> Option<i32> {
        self.process.wait().unwrap().signal()
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

/// Until the test says so; `false` when it is gone.
fn wait() -> bool {
    std::io::stdin().read_line(&mut String::new()).unwrap() > 0
}

/// What a child works with.
struct Work {
    session: Session,
    api: Reauth<Http>,
    url: String,
    fault: Fault,
}

impl Work {
    fn new(act: Act) -> Self {
        let setting = |name| env::var(name).unwrap();
        let (url, folder) = (setting(URL), PathBuf::from(setting(FOLDER)));
        let held = [Holds::Nothing, Holds::Password, Holds::WrongPassword];
        let holds = held.into_iter().find(|holds| format!("{holds:?}") == setting(HOLDS)).unwrap();
        let step = Step::named(&setting(STEP));
        let fault = Fault::new(step, act, &folder);
        let (at, client) = (fault.clone(), http());
        let listening = service_fn(move |request: Request<Full<Bytes>>| {
            let (at, answer) = (at.clone(), client.request(request));
            async move {
                let answer = answer.await;
                at.reached(Step::HeadOfTheAnswer);
                answer
            }
        });
        let endpoint = TokenEndpoint::new(listening, format!("{url}/token")).unwrap();
        let store = FaultyStore { store: FileStore::open(&folder).unwrap(), fault: fault.clone() };
        let session =
            session(holds, endpoint, store, |settings| settings.renewal_limit = step.map(Step::renewal_limit));
        let origins = Origins::only(&url).unwrap();
        let api = ReauthLayer::new(session.clone(), origins).layer(http());
        Self { session, api, url, fault }
    }

    async fn call(&self) -> Result<StatusCode, tower_reauth::Error> {
        let request = Request::get(format!("{}/api", self.url)).body(Full::default()).unwrap();
        self.api.clone().oneshot(request).await.map(|answer| answer.status())
    }

    async fn renew(&self) {
        let token = self.session.token().await.unwrap();
        self.fault.arm();
        match self.session.renew(token.generation()).await {
            Ok(token) => say(format!("has {}", token.token_set().access_token().expose_secret())),
            Err(error) => say(format!("failed {error}")),
        }
        self.fault.reached(Step::AfterTheHandOut);
    }
}

/// What another process does. Without a role this is no test, but a door for the others.
#[tokio::test]
async fn plays_its_role() {
    let Ok(role) = env::var(ROLE) else { return };
    match role.as_str() {
        "renew" => Work::new(Act::Die).renew().await,
        "stop while renewing" => {
            let work = Work::new(Act::Stop);
            work.renew().await;
            wait();
            say(format!("called {:?}", work.call().await.map(|status| status.as_u16())));
        }
        "call when told" => {
            let work = Work::new(Act::Die);
            say("ready");
            while wait() {
                match work.call().await {
                    Ok(status) => say(format!("called {}", status.as_u16())),
                    Err(error) => say(format!("called {:?}, {:?}", error.kind(), work.session.status())),
                }
            }
        }
        "call on and on" => call_on_and_on(Work::new(Act::Die), Duration::ZERO).await,
        "call five times a second" => call_on_and_on(Work::new(Act::Die), Duration::from_millis(200)).await,
        _ => panic!("there is no role {role}"),
    }
}

/// Until it is told to stop.
async fn call_on_and_on(work: Work, pause: Duration) {
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    thread::spawn(move || {
        wait();
        told.store(true, Ordering::SeqCst);
    });
    let (mut calls, mut others) = (0, Vec::new());
    while !over.load(Ordering::SeqCst) {
        calls += 1;
        match work.call().await {
            Ok(StatusCode::OK) => {}
            other => others.push(format!("{other:?}")),
        }
        tokio::time::sleep(pause).await;
    }
    assert_eq!(work.session.status(), Status::Active);
    say(format!("done {calls} {others:?}"));
}
