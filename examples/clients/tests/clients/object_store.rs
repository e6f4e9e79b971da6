use bytes::Bytes;
use futures::future;
use hyper_util::client::legacy::connect::HttpConnector;
use object_store::{ObjectStoreExt, PutPayload, gcp::GoogleCloudStorage, path::Path};
use tower_reauth::{
    Error, ErrorKind,
    testing::{Answer, Issuer},
};
use tower_reauth_clients::{
    bucket::{Bucket, unauthenticated},
    clients,
    server::{guarded, issue_bad_tokens, rejected, session},
};

async fn world() -> anyhow::Result<(Issuer, GoogleCloudStorage)> {
    let issuer = Issuer::new();
    let url = guarded(Bucket::default().router(), &issuer, unauthenticated).await?;
    let store = clients::object_store::store(&url, "backups", session(&issuer), HttpConnector::new())?;
    Ok((issuer, store))
}

#[tokio::test]
async fn an_object_in_pieces_is_sent_again_whole() -> anyhow::Result<()> {
    let (issuer, store) = world().await?;
    store.put(&Path::from("monday"), "two pears".into()).await?;
    issuer.revoke_all();
    let pieces: PutPayload = ["three ", "plums, ", "one fig"].into_iter().map(Bytes::from).collect();
    store.put(&Path::from("tuesday"), pieces).await?;
    issuer.revoke_all();
    assert_eq!(store.get(&Path::from("tuesday")).await?.bytes().await?, "three plums, one fig");
    assert_eq!((issuer.token_requests(), rejected(&issuer)), (3, 2));
    Ok(())
}

#[tokio::test]
async fn a_large_object_is_sent_again() -> anyhow::Result<()> {
    let (issuer, store) = world().await?;
    store.put(&Path::from("monday"), "two pears".into()).await?;
    issuer.revoke_all();
    let content = Bytes::from(vec![7; 8 * 1024 * 1024]);
    store.put(&Path::from("tuesday"), content.clone().into()).await?;
    let kept = store.get(&Path::from("tuesday")).await?.bytes().await?;
    assert!(kept == content, "{} bytes came back", kept.len());
    assert_eq!((issuer.token_requests(), rejected(&issuer)), (2, 1));
    Ok(())
}

#[tokio::test]
async fn a_crowd_shares_one_token_request() -> anyhow::Result<()> {
    let (issuer, store) = world().await?;
    let monday = Path::from("monday");
    store.put(&monday, "two pears".into()).await?;
    issuer.revoke_all();
    future::try_join_all((0..50).map(|_| store.get(&monday))).await?;
    assert_eq!(issuer.token_requests(), 2);
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_is_found_in_object_stores_error() -> anyhow::Result<()> {
    let (issuer, store) = world().await?;
    issuer.always(Answer::error(401, "invalid_client"));
    let error = store.get(&Path::from("monday")).await.expect_err("nobody is let in");
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Misconfigured), "{error}");
    assert!(!error.to_string().contains("retries"), "it was tried in vain: {error}");
    Ok(())
}

#[tokio::test]
async fn a_rejection_that_stays_is_object_stores_own_error() -> anyhow::Result<()> {
    let (issuer, store) = world().await?;
    issue_bad_tokens(&issuer);
    let error = store.get(&Path::from("monday")).await.expect_err("nobody is let in");
    assert!(matches!(error, object_store::Error::Unauthenticated { .. }), "{error}");
    Ok(())
}
