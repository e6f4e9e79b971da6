//! A backup that is written with one token and read with the next.

use hyper_util::client::legacy::connect::HttpConnector;
use object_store::{ObjectStoreExt, path::Path};
use tower_reauth::testing::Issuer;
use tower_reauth_clients::{
    bucket::{Bucket, unauthenticated},
    clients,
    server::{guarded, session},
};

pub(crate) async fn play() -> anyhow::Result<()> {
    let issuer = Issuer::new();
    let url = guarded(Bucket::default().router(), &issuer, unauthenticated).await?;
    let store = clients::object_store::store(&url, "backups", session(&issuer), HttpConnector::new())?;

    let monday = Path::from("monday");
    store.put(&monday, "two pears".into()).await?;
    println!("  monday's backup is written; the token dies");
    issuer.revoke_all();
    println!("  it is read: {}", String::from_utf8_lossy(&store.get(&monday).await?.bytes().await?));
    issuer.revoke_all();
    store.put(&Path::from("tuesday"), "three plums".into()).await?;
    println!("  the token dies, and tuesday's is written; {} token requests were made", issuer.token_requests());
    Ok(())
}
