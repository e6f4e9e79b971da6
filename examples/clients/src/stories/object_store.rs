//! A backup that is written with one token and read with the next.

use hyper_util::client::legacy::connect::HttpConnector;
use object_store::{ObjectStoreExt, path::Path};
use tower_reauth_clients::{
    bucket::{Bucket, unauthenticated},
    clients,
    gateway::{Gateway, session},
};

pub(crate) async fn play() -> anyhow::Result<()> {
    let gateway = Gateway::default();
    let url = gateway.start(Bucket::default().router(), unauthenticated).await?;
    let store = clients::object_store::store(&url, "backups", session(&url)?, HttpConnector::new())?;

    let monday = Path::from("monday");
    store.put(&monday, "two pears".into()).await?;
    println!("  monday's backup is written; the token dies");
    gateway.revoke();
    println!("  it is read: {}", String::from_utf8_lossy(&store.get(&monday).await?.bytes().await?));
    gateway.revoke();
    store.put(&Path::from("tuesday"), "three plums".into()).await?;
    println!("  the token dies, and tuesday's is written; {} tokens were issued", gateway.issued());
    Ok(())
}
