//! What becomes of a login: in the browser, in the store, and when the server has ended it.

#[path = "../../support/mod.rs"]
mod support;

use std::{
    collections::HashMap,
    env, fs,
    path::PathBuf,
    process::{Output, Stdio},
};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use support::{Options, Regime, Running};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tower-reauth-cli");
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

struct Place {
    gateway: Running,
    port: String,
    folder: PathBuf,
}

/// A login that waits for its browser.
struct Waiting {
    child: Child,
    asked: HashMap<String, String>,
}

impl Place {
    async fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        let options = Options::new(Regime::Beside).reuse_detection().user("alice", "wonderland");
        let options = options.public_client("cli").redirect_uri("cli", "http://127.0.0.1/callback");
        let gateway = support::start(options).await.expect("loopback has free ports");
        Self { port: gateway.address().port().to_string(), gateway, folder }
    }

    fn command(&self, arguments: &[&str], key: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).args(["--port", &self.port, "--store"]).arg(&self.folder);
        command.env("TOWER_REAUTH_CLI_KEY", key).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, arguments: &[&str], key: &str) -> Output {
        self.command(arguments, key).output().await.expect("the program was built")
    }

    async fn login(&self, key: &str) -> Waiting {
        let mut child = self.command(&["login"], key).spawn().expect("the program was built");
        let mut lines = BufReader::new(child.stdout.as_mut().expect("it is piped")).lines();
        let address = loop {
            let line = lines.next_line().await.expect("it is text").expect("it waits for the browser");
            if line.starts_with("http") {
                break line;
            }
        };
        let query = address.split_once('?').expect("something is asked for").1;
        Waiting { child, asked: form_urlencoded::parse(query.as_bytes()).into_owned().collect() }
    }

    /// Alice says yes.
    async fn log_in(&self, key: &str) {
        let waiting = self.login(key).await;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&waiting.asked);
        form.extend_pairs([("username", "alice"), ("password", "wonderland"), ("decision", "allow")]);
        let request = Request::post(self.gateway.url("/oauth2/authorize"));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.finish());
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request.expect("the form is valid")).await.expect("the gateway answers");
        let back = answer.headers()["location"].to_str().expect("an address is text");
        assert_eq!(get(back).await, StatusCode::OK);
        let output = waiting.child.wait_with_output().await.expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Waiting {
    /// The address that the browser comes back to, with this query.
    fn back(&self, query: &str) -> String {
        format!("{}?{query}", self.asked["redirect_uri"])
    }
}

async fn get(address: &str) -> StatusCode {
    let request = Request::get(address.parse::<Uri>().expect("the address is valid")).body(Full::<Bytes>::default());
    let client = Client::builder(TokioExecutor::new()).build_http();
    client.request(request.expect("the request is valid")).await.expect("there is an answer").status()
}

/// The one line that a failure prints.
fn line(output: &Output, status: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).expect("errors are text");
    assert_eq!((output.status.code(), said.lines().count()), (Some(status), 1), "{said}");
    said
}

#[tokio::test]
async fn page_that_does_not_know_the_state_neither_ends_nor_takes_over_a_login() {
    let place = Place::new("state").await;
    let waiting = place.login(KEY).await;
    assert_eq!(get(&waiting.back("code=stolen&state=guessed")).await, StatusCode::NOT_FOUND);
    assert_eq!(get(&waiting.back("error=access_denied")).await, StatusCode::NOT_FOUND);
    let elsewhere = waiting.back(&format!("code=x&state={}", waiting.asked["state"])).replace("callback", "elsewhere");
    assert_eq!(get(&elsewhere).await, StatusCode::NOT_FOUND);
    assert_eq!(waiting.asked["code_challenge_method"], "S256");

    let no = waiting.back(&format!("error=access_denied&state={}", waiting.asked["state"]));
    assert_eq!(get(&no).await, StatusCode::OK);
    let said = line(&waiting.child.wait_with_output().await.expect("it ends"), 3);
    assert!(said.contains("the server says no: access_denied"), "{said}");
    assert_eq!(place.gateway.counters().all_token_requests(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn interrupt_ends_a_login_that_waits_for_its_browser() {
    use std::os::unix::process::ExitStatusExt;

    let place = Place::new("interrupt").await;
    let waiting = place.login(KEY).await;
    let id = waiting.child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.expect("there is a kill").success());
    let output = waiting.child.wait_with_output().await.expect("it ends");
    assert_eq!(output.status.signal(), Some(2));
    line(&place.run(&["status"], KEY).await, 1);
}

#[tokio::test]
async fn status_shows_no_secret() {
    let place = Place::new("secrets").await;
    place.log_in("").await;
    let output = place.run(&["status"], "").await;
    let said = String::from_utf8(output.stdout).expect("it is text");
    assert!(said.contains("cli is logged in") && said.contains("not encrypted"), "{said}");
    let files =
        fs::read_dir(&place.folder).expect("the folder is there").map(|file| file.expect("it can be read").path());
    let stored: Vec<_> = files.filter_map(|file| fs::read_to_string(file).ok()).collect();
    let secrets: Vec<_> = stored.iter().flat_map(|text| text.split('"')).filter(|word| word.len() == 32).collect();
    assert!(secrets.len() >= 2, "the access and the refresh token have 32 digits each: {}", secrets.len());
    assert!(secrets.iter().all(|secret| !said.contains(secret)));
}

#[tokio::test]
async fn call_says_to_log_in_when_the_server_has_ended_the_login() {
    let place = Place::new("ended").await;
    place.log_in(KEY).await;
    assert!(place.run(&["call"], KEY).await.status.success());
    place.gateway.gateway().revoke_all();
    let said = line(&place.run(&["call"], KEY).await, 1);
    assert!(said.contains("run `tower-reauth-cli login`"), "{said}");
    place.log_in(KEY).await;
    assert!(place.run(&["call"], KEY).await.status.success());
}

#[tokio::test]
async fn another_key_is_told_and_writes_nothing_over() {
    let place = Place::new("key").await;
    place.log_in(KEY).await;
    for command in ["status", "call", "logout"] {
        let said = line(&place.run(&[command], OTHER_KEY).await, 3);
        assert!(!said.contains(OTHER_KEY), "{said}");
    }
    assert!(place.run(&["call"], KEY).await.status.success());
}

#[tokio::test]
async fn logout_forgets_the_tokens_though_the_server_is_out_of_reach() {
    let place = Place::new("offline").await;
    place.log_in(KEY).await;
    let Place { gateway, port, folder } = place;
    gateway.stop().await.expect("it ran until now");
    // Nobody listens there any more; the other gateway only fills the place.
    let place = Place { gateway: support::start(Options::new(Regime::Jwt)).await.expect("a port"), port, folder };
    let said = line(&place.run(&["logout"], KEY).await, 3);
    assert!(said.contains("gone here"), "{said}");
    line(&place.run(&["status"], KEY).await, 1);
}
