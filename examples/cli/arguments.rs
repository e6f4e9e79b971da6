//! What can be said on the command line. Secrets can't: they would be seen in the list of processes.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{NAME, output::plain};

const PORT: u16 = 8400;

/// A command line with a login, whose tokens outlive the process.
///
/// By default it talks to the gateway that `gateway` starts. For a real server give each command --token, --client-id, and what
/// it needs of --authorize, --device-authorization, --revoke and --api. A client's secret comes from the environment variable
/// REAUTH_CLIENT_SECRET, and the key that encrypts the stored tokens from TOWER_REAUTH_CLI_KEY (the base64 of 32 bytes).
#[derive(Parser)]
#[command(name = NAME)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The folder where the tokens are [default: the platform's folder for data]
    #[arg(long, value_name = "FOLDER", global = true)]
    pub(crate) store: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Logs in with the browser
    Login {
        /// With a browser on another machine
        #[arg(long)]
        device: bool,
    },
    /// Calls the API, and prints the answer
    Call {
        /// What stands after the API's address [default: nothing, at the embedded gateway /orders]
        path: Option<String>,
    },
    /// Says whether somebody is logged in, and until when the token is good
    Status,
    /// Ends the login, at the server too
    Logout,
    /// Runs the embedded gateway, for the other commands; its user is alice, with the password wonderland
    Gateway,
    /// Plays a story of all commands, with a gateway of its own; this is done without a command, too
    Demo,
}

/// Where the server is.
#[derive(Args)]
pub(crate) struct ServerArguments {
    /// The port of the embedded gateway [default: 8400]
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Where the browser asks the user
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) authorize: Option<String>,

    /// Where tokens come from
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) token: Option<String>,

    /// Where tokens are revoked; without it a logout only forgets them
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) revoke: Option<String>,

    /// Where login --device begins
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) device_authorization: Option<String>,

    /// The API
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) api: Option<String>,

    /// The client's id
    #[arg(long, value_name = "ID", global = true)]
    pub(crate) client_id: Option<String>,

    /// The scopes to ask for, with spaces between them
    #[arg(long, global = true)]
    pub(crate) scope: Option<String>,
}

impl ServerArguments {
    /// The embedded gateway's port.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(PORT)
    }

    /// A flag that only the one, or only the other kind of server has.
    pub(crate) fn names_embedded(&self) -> bool {
        self.port.is_some()
    }

    pub(crate) fn names_real(&self) -> bool {
        let all = [
            &self.authorize,
            &self.token,
            &self.revoke,
            &self.device_authorization,
            &self.api,
            &self.client_id,
            &self.scope,
        ];
        all.into_iter().any(Option::is_some)
    }
}

/// Whoever asks for help gets it. A mistake is told in one line.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        if !error.use_stderr() {
            // Who closes the pipe does not want to read on.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        let text = error.to_string();
        let what = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
        eprintln!("{NAME}: {}; --help tells more", plain(what.trim_start_matches("error: ")));
        ExitCode::from(2)
    })
}
