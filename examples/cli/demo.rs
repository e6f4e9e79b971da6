//! `demo`: a gateway, a user, and processes of this program that share one login.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{
    NAME, browser,
    failure::Failure,
    gateway,
    http_client::{self, Http},
    output::say,
    support::{self, Running},
};

const PROCESSES: u64 = 10;
/// The first access token is dead when the processes start; the second one outlives them.
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(3600);

struct Demo {
    gateway: Running,
    folder: Folder,
    key: String,
    http: Http,
}

/// A temporary folder. It goes when the demo ends, whichever way.
struct Folder(PathBuf);

pub(crate) async fn play() -> Result<(), Failure> {
    let options = gateway::options(|_| ()).token_lifetime(SHORT);
    let gateway = support::start(options).await.context("the embedded gateway does not start")?;
    let name = format!("{NAME}-{:016x}", fastrand::u64(..));
    let key = BASE64_STANDARD.encode(std::array::from_fn::<u8, 32, _>(|_| fastrand::u8(..)));
    let demo = Demo { gateway, folder: Folder(env::temp_dir().join(name)), key, http: http_client::new() };

    say(format_args!("One login, many processes. The gateway is at {}, and the tokens in", demo.gateway.url("")));
    say(demo.folder.0.display());
    let story = demo.story().await;
    demo.gateway.stop().await.context("the gateway does not end")?;
    Ok(story?)
}

impl Demo {
    async fn story(&self) -> anyhow::Result<()> {
        self.log_in(&["login"]).await?;
        self.run(&["status"], 0).await?;
        self.ten_at_once().await?;
        self.run(&["call", "/oauth2/userinfo"], 0).await?;
        self.run(&["logout"], 0).await?;
        let refused = self.run(&["call"], 1).await?;
        ensure!(refused.stdout.is_empty(), "a call without a login printed something");

        self.log_in(&["login", "--device"]).await?;
        self.run(&["call"], 0).await?;
        self.run(&["logout"], 0).await?;
        Ok(())
    }

    /// A login in a process of its own, and the user who says yes.
    async fn log_in(&self, arguments: &[&str]) -> anyhow::Result<()> {
        title(arguments);
        let mut child = self.command(arguments)?.stderr(Stdio::inherit()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("the output was asked for")?).lines();
        while let Some(line) = lines.next_line().await? {
            say(format_args!("  {line}"));
            if line.starts_with("http") {
                browser::allow(&self.http, &line).await.context("the browser fails")?;
            }
        }
        let status = child.wait().await?;
        ensure!(status.success(), "`{}` ended with {status}", arguments.join(" "));
        Ok(())
    }

    /// All start with a token that has expired. One of them renews it, the others take what that one got.
    async fn ten_at_once(&self) -> anyhow::Result<()> {
        self.gateway.gateway().set_token_lifetime(LONG);
        tokio::time::sleep(SHORT).await;
        let before = self.gateway.counters();

        say(format_args!("\n$ {NAME} call &     ({PROCESSES} at once, with an access token that has expired)"));
        let mut children = Vec::new();
        for _ in 0..PROCESSES {
            children.push(self.command(&["call"])?.spawn()?);
        }
        let mut failures = 0;
        for child in children {
            let output = child.wait_with_output().await?;
            show(&output);
            failures += u64::from(!output.status.success());
        }

        let after = self.gateway.counters();
        let calls = after.accepted - before.accepted;
        let token_requests = after.all_token_requests() - before.all_token_requests();
        say(format_args!("  {calls} calls let through, {token_requests} token request{}", plural(token_requests)));
        ensure!(failures == 0 && calls == PROCESSES, "{failures} of the {PROCESSES} processes failed");
        ensure!(token_requests == 1, "there should be one token request");
        Ok(())
    }

    /// Runs a command to its end, which has to have this status.
    async fn run(&self, arguments: &[&str], expected: i32) -> anyhow::Result<Output> {
        title(arguments);
        let output = self.command(arguments)?.spawn()?.wait_with_output().await?;
        show(&output);
        match output.status.code() {
            Some(code) if code == expected => {}
            _ => bail!("`{}` ended with {}, not with {expected}", arguments.join(" "), output.status),
        }
        if expected != 0 {
            say(format_args!("  (status {expected})"));
        }
        Ok(output)
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(env::current_exe().context("this program can't be found")?);
        command
            .args(arguments)
            .args(["--port", &self.gateway.address().port().to_string(), "--store"])
            .arg(&self.folder.0)
            .env("TOWER_REAUTH_CLI_KEY", &self.key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Self(folder) = self;
        // It is not there before the first login.
        let _ = fs::remove_dir_all::<&Path>(folder);
    }
}

fn title(arguments: &[&str]) {
    say(format_args!("\n$ {NAME} {}", arguments.join(" ")));
}

fn show(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        for line in String::from_utf8_lossy(text).lines() {
            say(format_args!("  {line}"));
        }
    }
}

fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}
