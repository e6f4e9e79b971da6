//! What the server logs.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
};

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tower_reauth_browser::Server;

#[tokio::test]
async fn log_that_goes_to_no_terminal_has_no_colours() -> anyhow::Result<()> {
    let mut command = Server::program()?;
    command.args(["--listen", "127.0.0.1:0"]).env("RUST_LOG", "debug").env_remove("NO_COLOR");
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut said = BufReader::new(server.stdout.take().context("it is piped")?).lines();
    let url = said.next_line().await?.context("it says where it listens")?;
    let mut browser = TcpStream::connect(url.trim_start_matches("http://"))?;
    write!(browser, "GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    browser.read_to_end(&mut Vec::new())?;
    server.kill().await?;
    let mut log = String::new();
    server.stderr.take().context("it is piped")?.read_to_string(&mut log).await?;
    assert!(log.contains("/login") && !log.contains('\u{1b}'), "{log}");
    Ok(())
}
