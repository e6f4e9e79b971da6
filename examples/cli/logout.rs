//! `logout`: the tokens are forgotten here, and revoked at the server. Other processes that use them learn of it.

use std::time::Duration;

use anyhow::anyhow;
use tower_reauth::ErrorKind;

use crate::{account::Account, failure::Failure, http_client, output::say};

pub(crate) async fn run(account: &Account) -> Result<(), Failure> {
    account.record().await?;
    let session = account.session(http_client::new())?.build();
    if let Err(error) = session.logout().await {
        // What could not be removed is tried again for as long as this program runs.
        let done = session.shutdown(Duration::from_secs(5)).await;
        return Err(Failure::Failed(match error.kind() {
            ErrorKind::Store if !done => anyhow!("the tokens still stand in the folder: {error}"),
            _ => anyhow!("the tokens are gone here, but may live on at the server: {error}"),
        }));
    }
    say("You are logged out.");
    Ok(())
}
