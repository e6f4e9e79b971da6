//! Replicas that meet one rejection at the same moment.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};
use tower_reauth::testing::{Answer, Issuer, Regime, Resource};

use crate::{
    observer::Observer,
    replica::{Replica, log_in, store},
    server::Server,
};

/// The token endpoint takes so long.
const TOKEN_REQUEST: Duration = Duration::from_millis(20);
/// What follows a renewal is over by then.
const SETTLED: Duration = Duration::from_millis(150);

/// Of so many replicas.
#[derive(Default)]
struct Measured {
    token_requests: usize,
    renewing: Vec<f64>,
    waiting: Vec<f64>,
    scripts: Vec<f64>,
    inside: Vec<f64>,
    published: Vec<f64>,
}

pub(crate) async fn measure(server: &Server, observer: &Observer, rounds: usize) -> bool {
    println!("\nOne rejection in all replicas at once, {rounds} times; a token request takes 20 ms.\n");
    println!("| replicas | token requests per renewal | commands | of each that waits | published | inside scripts |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let alone_without = of(server, observer, 1, rounds, false).await;
    let (mut times, mut good, mut alone) = (Vec::new(), true, 0.0);
    for replicas in [1, 8, 64] {
        let measured = of(server, observer, replicas, rounds, true).await;
        let commands = mean(&measured.scripts);
        if replicas == 1 {
            alone = commands;
        }
        let waiting = match replicas {
            1 => "".to_owned(),
            _ => format!("{:.1}", (commands - alone) / (replicas - 1) as f64),
        };
        println!(
            "| {replicas} | {:.2} | {commands:.1} | {waiting} | {:.1} | {:.0} |",
            measured.token_requests as f64 / rounds as f64,
            mean(&measured.published),
            mean(&measured.inside),
        );
        good &= measured.token_requests == rounds;
        times.push((replicas, measured));
    }
    println!("\nFrom a rejection to the replay, and as a ratio to a replica that renews alone with the store.\n");
    println!("| replicas | the one that renews | one that waits, median | 99 of 100 | ratio of the median |");
    println!("| --- | --- | --- | --- | --- |");
    let without = of_sorted(&alone_without.renewing, 0.5);
    println!("| 1, without a store | {without:.1} ms | | | |");
    let with = of_sorted(&times[0].1.renewing, 0.5);
    for (replicas, measured) in &times {
        let renewing = of_sorted(&measured.renewing, 0.5);
        if measured.waiting.is_empty() {
            println!("| {replicas} | {renewing:.1} ms | | | |");
        } else {
            let (half, most) = (of_sorted(&measured.waiting, 0.5), of_sorted(&measured.waiting, 0.99));
            println!("| {replicas} | {renewing:.1} ms | {half:.1} ms | {most:.1} ms | {:.2} |", half / with);
        }
    }
    good
}

async fn of(server: &Server, observer: &Observer, count: usize, rounds: usize, shared: bool) -> Measured {
    observer.flush().await;
    let issuer = Issuer::new();
    issuer.regime(Regime::Rotating);
    issuer.always(Answer::tokens().after(TOKEN_REQUEST));
    let resource = Resource::new(&issuer);
    let mut replicas = Vec::new();
    if shared {
        log_in(&issuer, store(server).await, "alice").await;
        for _ in 0..count {
            replicas.push(Arc::new(Replica::new(&issuer, &resource, Ok(store(server).await), "alice")));
        }
    } else {
        let refresh_token = issuer.mint_refresh_token("alice");
        replicas.push(Arc::new(Replica::new(&issuer, &resource, Err(refresh_token), "alice")));
    }
    all_call(&replicas).await;
    if shared {
        observer.subscriptions(count).await;
    }
    let mut measured = Measured::default();
    // In the first one Redis learns the scripts.
    for round in 0..=rounds {
        sleep(SETTLED).await;
        for replica in &replicas {
            replica.healed();
        }
        observer.begin().await;
        let before = issuer.token_requests();
        issuer.revoke_all();
        all_call(&replicas).await;
        sleep(SETTLED).await;
        if round == 0 {
            continue;
        }
        measured.token_requests += issuer.token_requests() - before;
        let commands = observer.commands().await;
        measured.scripts.push(commands.scripts as f64);
        measured.inside.push(commands.inside as f64);
        measured.published.push(commands.published as f64);
        for healed in replicas.iter().filter_map(|replica| replica.healed()) {
            let times = if healed.renewed { &mut measured.renewing } else { &mut measured.waiting };
            times.push(healed.time.as_secs_f64() * 1e3);
        }
    }
    measured
}

async fn all_call(replicas: &[Arc<Replica>]) {
    let mut calls = JoinSet::new();
    for replica in replicas {
        let replica = replica.clone();
        calls.spawn(async move { replica.call().await });
    }
    calls.join_all().await;
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn of_sorted(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}
