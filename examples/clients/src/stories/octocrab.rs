//! Pages of tags, and an archive on another host.

use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::HttpConnector;
use tower_reauth::testing::Issuer;
use tower_reauth_clients::{
    clients,
    forge::{self, Archives},
    server::{guarded, serve, session},
};

pub(crate) async fn play() -> anyhow::Result<()> {
    let (issuer, archives) = (Issuer::new(), Archives::default());
    let elsewhere = serve(archives.router()).await?;
    let url = guarded(forge::router(&elsewhere), &issuer, forge::bad_credentials).await?;
    let github = clients::octocrab::client(url.parse()?, session(&issuer), HttpConnector::new())?;

    let first = github.repos("acme", "shop").list_tags().send().await?;
    println!("  the first page has {} tags; the token dies", first.items.len());
    issuer.revoke_all();
    let tags = github.all_pages(first).await?;
    println!("  all pages have {}, up to {}", tags.len(), tags[tags.len() - 1].name);
    let archive = github.repos("acme", "shop").download_tarball("v3.2".to_owned()).await?;
    println!("  {} came from another host", String::from_utf8_lossy(&archive.into_body().collect().await?.to_bytes()));
    println!("  which saw these tokens: {:?}", archives.seen().into_iter().flatten().collect::<Vec<_>>());
    println!("  {} token requests were made", issuer.token_requests());
    Ok(())
}
