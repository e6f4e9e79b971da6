use std::pin::pin;

use futures::{StreamExt, future};
use hyper_util::client::legacy::connect::HttpConnector;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Config, ResourceExt,
    api::{ListParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tower_reauth::{
    Error, ErrorKind,
    testing::{Answer, Issuer},
};
use tower_reauth_clients::{
    clients,
    cluster::{Cluster, unauthorized},
    server::{guarded, issue_bad_tokens, rejected, session},
};

struct World {
    issuer: Issuer,
    cluster: Cluster,
    maps: Api<ConfigMap>,
}

impl World {
    async fn new() -> anyhow::Result<Self> {
        let (issuer, cluster) = (Issuer::new(), Cluster::default());
        let url = guarded(cluster.router(), &issuer, unauthorized).await?;
        let client = clients::kube::client(Config::new(url.parse()?), session(&issuer), HttpConnector::new())?;
        Ok(Self { issuer, cluster, maps: Api::default_namespaced(client) })
    }

    async fn list(&self) -> kube::Result<Vec<String>> {
        Ok(self.maps.list(&ListParams::default()).await?.iter().map(ResourceExt::name_any).collect())
    }
}

fn named(name: &str) -> Value {
    json!({ "metadata": { "name": name } })
}

#[tokio::test]
async fn a_create_is_sent_again_with_its_body() -> anyhow::Result<()> {
    let world = World::new().await?;
    assert_eq!(world.list().await?, [""; 0]);
    world.issuer.revoke_all();
    let map: ConfigMap =
        serde_json::from_value(json!({ "metadata": { "name": "first" }, "data": { "pears": "2".repeat(1_000_000) } }))?;
    let created = world.maps.create(&PostParams::default(), &map).await?;
    assert!(created.data == map.data, "something else came back");
    assert_eq!(world.list().await?, ["first"]);
    assert_eq!((world.issuer.token_requests(), rejected(&world.issuer)), (2, 1));
    Ok(())
}

#[tokio::test]
async fn a_crowd_shares_one_token_request() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.list().await?;
    world.issuer.revoke_all();
    future::try_join_all((0..50).map(|_| world.list())).await?;
    assert_eq!(world.issuer.token_requests(), 2);
    Ok(())
}

#[tokio::test]
async fn a_watch_outlives_its_token() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.cluster.create(named("first"));
    let mut seen = pin!(watcher(world.maps.clone(), watcher::Config::default()).applied_objects());
    assert_eq!(seen.next().await.expect("a watcher has no end")?.name_any(), "first");
    // The stream of events begins with the next look.
    world.cluster.create(named("second"));
    assert_eq!(seen.next().await.expect("a watcher has no end")?.name_any(), "second");

    world.issuer.revoke_all();
    world.cluster.create(named("third"));
    assert_eq!(seen.next().await.expect("a watcher has no end")?.name_any(), "third");
    assert_eq!((world.issuer.token_requests(), rejected(&world.issuer), world.cluster.watches_begun()), (1, 0, 1));
    Ok(())
}

#[tokio::test]
async fn a_watch_that_is_rejected_heals_and_misses_nothing() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.cluster.create(named("first"));
    let mut events = pin!(watcher(world.maps.clone(), watcher::Config::default()));
    let mut seen = Vec::new();
    while seen.last().is_none_or(|name| name != "third") {
        // An error of kube's would end the test here.
        match events.next().await.expect("a watcher has no end")? {
            watcher::Event::InitApply(map) | watcher::Event::Apply(map) => seen.push(map.name_any()),
            watcher::Event::InitDone => {
                world.cluster.create(named("second"));
                continue;
            }
            _ => continue,
        }
        if seen.last().is_some_and(|name| name == "second") {
            world.issuer.revoke_all();
            world.cluster.end_watches();
            world.cluster.create(named("third"));
        }
    }
    assert_eq!(seen, ["first", "second", "third"]);
    assert_eq!((world.issuer.token_requests(), rejected(&world.issuer), world.cluster.watches_begun()), (2, 1, 2));
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_is_found_in_kubes_errors() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.issuer.always(Answer::error(401, "invalid_client"));
    let error = world.list().await.expect_err("nobody is let in");
    assert!(matches!(error, kube::Error::Service(_)), "{error}");
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Misconfigured));

    let mut events = pin!(watcher(world.maps.clone(), watcher::Config::default()));
    let error = loop {
        if let Err(error) = events.next().await.expect("a watcher has no end") {
            break error;
        }
    };
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Misconfigured));
    Ok(())
}

#[tokio::test]
async fn a_rejection_that_stays_is_kubes_own_401() -> anyhow::Result<()> {
    let world = World::new().await?;
    issue_bad_tokens(&world.issuer);
    let error = world.list().await.expect_err("nobody is let in");
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 401), "{error}");
    assert!(Error::find(&error).is_none());
    Ok(())
}

#[tokio::test]
async fn a_path_in_the_address_of_a_cluster_is_kept() -> anyhow::Result<()> {
    let (issuer, cluster) = (Issuer::new(), Cluster::default());
    let router = axum::Router::new().nest("/k8s/clusters/c-1", cluster.router());
    let url = guarded(router, &issuer, unauthorized).await?;
    let config = Config::new(format!("{url}/k8s/clusters/c-1").parse()?);
    let client = clients::kube::client(config, session(&issuer), HttpConnector::new())?;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    assert!(maps.list(&ListParams::default()).await?.items.is_empty());
    assert_eq!((issuer.token_requests(), rejected(&issuer)), (1, 0));
    Ok(())
}
