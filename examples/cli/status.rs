//! `status`: what is stored, without its secrets. It asks nobody, so it works without a network, too.

use std::time::SystemTime;

use crate::{
    account::Account,
    failure::Failure,
    output::{in_words, plain, say},
};

pub(crate) async fn run(account: &Account) -> Result<(), Failure> {
    let record = account.record().await?;
    let now = SystemTime::now();
    let access_token = match record.expires_at().map(|end| end.duration_since(now)) {
        Some(Ok(left)) => format!("good for {}", in_words(left)),
        Some(Err(past)) => format!("expired {} ago", in_words(past.duration())),
        None if record.access_token().is_some() => "good until the server rejects it".to_owned(),
        None => "none".to_owned(),
    };
    let has_refresh_token = record.refresh_token().is_some();
    let refresh_token = if has_refresh_token { "there is one" } else { "none: then comes another login" };
    say(format_args!("{} is logged in at {}", account.server.client_id, account.server.token));
    say(format_args!("since          {} ago", in_words(now.duration_since(record.created()).unwrap_or_default())));
    say(format_args!("access token   {access_token}"));
    say(format_args!("refresh token  {refresh_token}"));
    if let Some(scope) = record.scope() {
        say(format_args!("scope          {}", plain(scope)));
    }
    say(format_args!("stored in      {}", account.place()));
    Ok(())
}
