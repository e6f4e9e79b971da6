//! `login`: the user says yes in a browser, and the tokens go into the store. The flows are the `oauth2` crate's.

mod device;
mod loopback;
mod redirect;

use std::{fmt::Display, io};

use anyhow::anyhow;
use oauth2::{ErrorResponseType, RequestTokenError, StandardErrorResponse};
use tower_reauth::Record;

use crate::{account::Account, failure::Failure, http_client, output::say};

pub(crate) async fn run(account: &Account, device: bool) -> Result<(), Failure> {
    let http = http_client::new();
    let response = if device {
        device::log_in(&account.server, http.clone()).await?
    } else {
        redirect::log_in(&account.server, http.clone()).await?
    };
    let session = account.session(http)?.record(Record::from_oauth2(&response)?)?.build();
    session.save().await?;
    say(format_args!("You are logged in. The tokens are in {}.", account.place()));
    Ok(())
}

/// What went wrong with a request of a login. An answer that could not be read may hold tokens, so nothing of it is told.
fn explain<T: ErrorResponseType + Display>(
    error: RequestTokenError<io::Error, StandardErrorResponse<T>>,
) -> anyhow::Error {
    match error {
        RequestTokenError::ServerResponse(refusal) => anyhow!("the server says no: {refusal}"),
        RequestTokenError::Request(error) => anyhow::Error::new(error).context("the server is out of reach"),
        RequestTokenError::Parse(..) => anyhow!("the server's answer is none that OAuth 2.0 knows"),
        RequestTokenError::Other(what) => anyhow!("the server's answer is of no use: {what}"),
    }
}
