//! A command line with a login. Its tokens outlive the process, and all processes that run at once share them.
//!
//! `cargo run -p tower-reauth-cli` plays a story with a gateway of its own. To start a product from this, leave out `demo.rs`,
//! `browser.rs` and `gateway.rs`.

mod account;
mod arguments;
mod browser;
mod call;
mod demo;
mod failure;
mod gateway;
mod http_client;
mod key;
mod login;
mod logout;
mod output;
mod server;
mod status;

#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use crate::{
    account::Account,
    arguments::{Arguments, Command},
    failure::Failure,
};

/// The name by which the user calls it.
const NAME: &str = "tower-reauth-cli";

/// Exits with 0 when all went well, 1 if nobody is logged in, 2 if something is wrong with what was typed, and 3 if something
/// else failed.
#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(arguments) => arguments,
        Err(done) => return done,
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{NAME}: {failure}");
            failure.exit_code()
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { command, store, server } = arguments;
    match command.unwrap_or(Command::Demo) {
        Command::Gateway | Command::Demo if server.names_real() => {
            Err(Failure::input("these flags name a server, which goes with login, call, status or logout"))
        }
        Command::Login { device } => login::run(&Account::open(store, server, true)?, device).await,
        Command::Call { path } => call::run(&Account::open(store, server, false)?, path.as_deref()).await,
        Command::Status => status::run(&Account::open(store, server, false)?).await,
        Command::Logout => logout::run(&Account::open(store, server, false)?).await,
        Command::Gateway => gateway::serve(server.port()).await,
        Command::Demo => demo::play().await,
    }
}
