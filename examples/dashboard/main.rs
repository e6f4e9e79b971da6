//! The layer's metrics, plotted live while tokens die: `cargo run --features metrics --example dashboard`.
//!
//! Everything runs in this process and on the loopback interface: the gateway, the callers, whoever ends their tokens, an
//! endpoint for Prometheus, and the page that reads it.

mod server;
mod storm;

#[path = "../support/mod.rs"]
mod support;

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Context;
use clap::{Parser, value_parser};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

/// Upper bounds in seconds; without them the exporter gives quantiles, which can't be added up over several processes.
const BUCKETS: [f64; 12] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0];

/// Some hundreds of callers, a dozen sessions, and somebody who ends their tokens: the metrics as a live page.
#[derive(Parser)]
#[command(name = "dashboard")]
struct Arguments {
    /// When it ends by itself; Ctrl-C ends it sooner
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = value_parser!(u64).range(1..=3600))]
    seconds: u64,

    /// How many callers there are
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = value_parser!(u16).range(1..=2000))]
    callers: u16,

    /// The page's port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Before the first layer is built: the descriptions are told then.
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("tower_reauth_renewal_duration_seconds".to_owned()), &BUCKETS)?
        .install_recorder()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await.context("the page's port")?;
    let gateway = support::start(storm::options()).await.context("the embedded gateway does not start")?;
    let storm = storm::start(&gateway, arguments.callers)?;

    let page = listener.local_addr()?;
    println!("http://{page}/         the page");
    println!("http://{page}/metrics  for Prometheus");
    println!("{} callers, for {} s or until Ctrl-C", arguments.callers, arguments.seconds);
    tokio::select! {
        served = axum::serve(listener, server::router(prometheus.clone())) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        () = upkeep(&prometheus) => {}
        () = tokio::time::sleep(Duration::from_secs(arguments.seconds)) => {}
    }

    drop(storm);
    let seen = gateway.counters();
    println!(
        "The gateway took {} calls and rejected {}; it handed out {} tokens.",
        seen.accepted,
        seen.rejected,
        seen.all_token_requests() - seen.refused_token_requests,
    );
    Ok(())
}

/// What the exporter wants to have done now and then, whether anybody reads or not.
async fn upkeep(prometheus: &PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        prometheus.run_upkeep();
    }
}
