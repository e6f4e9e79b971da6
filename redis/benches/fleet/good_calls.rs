//! Calls with a good token: they send nothing to Redis, but for a look now and then.

use std::time::{Duration, Instant};

use tower::ServiceExt;
use tower_reauth::testing::{Issuer, Resource};

use crate::{
    observer::Observer,
    replica::{Replica, log_in, over_good_api, request, store},
    server::Server,
};

/// `RedisStore::news_every`.
const NEWS_EVERY: Duration = Duration::from_secs(4);
/// Long enough for looks to be seen.
const AT_LEAST: Duration = Duration::from_secs(9);

pub(crate) async fn measure(server: &Server, observer: &Observer, calls: usize) -> bool {
    observer.flush().await;
    let issuer = Issuer::new();
    log_in(&issuer, store(server).await, "alice").await;
    let replica = Replica::new(&issuer, &Resource::new(&issuer), Ok(store(server).await), "alice");
    replica.call().await;
    observer.subscriptions(1).await;
    let api = over_good_api(&replica.session);

    observer.begin().await;
    let began = Instant::now();
    let mut done = 0;
    while done < calls || began.elapsed() < AT_LEAST {
        api.clone().oneshot(request()).await.unwrap();
        done += 1;
        if done % 1_000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let took = began.elapsed();
    let commands = observer.commands().await;
    let due = took.as_secs() / NEWS_EVERY.as_secs() + 1;
    println!(
        "\n{done} calls with a good token in {:.1} s: {} scripts, {} looks for news (one every 4 s: {due} at most).",
        took.as_secs_f64(),
        commands.scripts,
        commands.looks,
    );
    commands.scripts == 0 && (1..=due).contains(&commands.looks)
}
