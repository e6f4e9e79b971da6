//! A program that says on its standard output when it is ready.

use std::process::{ExitStatus, Stdio};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::PATIENCE;

/// Killed when it is dropped.
pub(crate) struct Process {
    name: String,
    output: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let output = child.stdout.take().context("standard output is piped")?;
        Ok(Self { name, output: BufReader::new(output).lines(), child })
    }

    /// Asks it to end, and waits for that.
    pub(crate) async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        self.signal("TERM").await?;
        let ended = timeout(PATIENCE, self.child.wait()).await;
        Ok(ended.with_context(|| format!("{} does not end", self.name))??)
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) async fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let id = self.child.id().with_context(|| format!("{} has ended", self.name))?;
        let told = Command::new("kill").args(["-s", signal, &id.to_string()]).status().await?;
        anyhow::ensure!(told.success(), "{} can't be sent a signal", self.name);
        Ok(())
    }

    /// Ends it without a word (SIGKILL).
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("{} has ended", self.name))
    }

    /// The next line for which `read` has something.
    pub(crate) async fn line<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let search = async {
            while let Some(line) = self.output.next_line().await? {
                if let Some(found) = read(&line) {
                    return anyhow::Ok(found);
                }
            }
            anyhow::bail!("{} ended before it was ready", self.name)
        };
        timeout(PATIENCE, search).await.with_context(|| format!("{} is not ready", self.name))?
    }
}
