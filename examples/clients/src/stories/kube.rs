//! A watch that goes on while its token dies.

use std::pin::pin;

use futures::{StreamExt, future};
use hyper_util::client::legacy::connect::HttpConnector;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Config, ResourceExt,
    api::{ListParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use tower_reauth::testing::Issuer;
use tower_reauth_clients::{
    clients,
    cluster::{Cluster, unauthorized},
    server::{guarded, session},
};

pub(crate) async fn play() -> anyhow::Result<()> {
    let (issuer, cluster) = (Issuer::new(), Cluster::default());
    let url = guarded(cluster.router(), &issuer, unauthorized).await?;
    let client = clients::kube::client(Config::new(url.parse()?), session(&issuer), HttpConnector::new())?;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let named = |name: &str| json!({ "metadata": { "name": name } });

    maps.create(&PostParams::default(), &serde_json::from_value(named("first"))?).await?;
    let mut seen = pin!(watcher(maps.clone(), watcher::Config::default()).applied_objects());
    for step in 0..3 {
        if step == 1 {
            println!("  the token dies, and the watch goes on");
            issuer.revoke_all();
            cluster.create(named("second"));
        }
        if step == 2 {
            println!("  the server ends the watch, as it does now and then; the next one is let in");
            cluster.end_watches();
            cluster.create(named("third"));
        }
        let map = seen.next().await.expect("a watcher has no end")?;
        println!("  seen: {}", map.name_any());
    }
    println!("  the token dies once more, while a crowd lists");
    issuer.revoke_all();
    let all = ListParams::default();
    let lists = future::try_join_all((0..20).map(|_| maps.list(&all))).await?;
    println!("  {} lists; {} token requests, and kube saw no 401", lists.len(), issuer.token_requests());
    Ok(())
}
