//! `logout`: the tokens are forgotten here, and revoked at the server. Other processes that use them learn of it.

use anyhow::anyhow;

use crate::{account::Account, failure::Failure, http_client, output::say};

pub(crate) async fn run(account: &Account) -> Result<(), Failure> {
    account.record().await?;
    let session = account.session(http_client::new())?.build();
    if let Err(error) = session.logout().await {
        return Err(Failure::Failed(anyhow!("the tokens are gone here, but may live on at the server: {error}")));
    }
    say("You are logged out.");
    Ok(())
}
