//! A fleet shares one login: `cargo run -p tower-reauth-redis --example fleet -- --replicas 8 --seconds 10`.
//!
//! Every replica is a process of its own, which this one starts. They call an API with one user's token, while somebody ends that
//! token again and again, and kills replicas. The gateway has one active token for the user, and ends the whole login if a refresh
//! token comes twice. So there must be one token request for each renewal, however many replicas meet the rejection.

mod board;
mod crew;
mod gateway;
mod redis_server;
mod replica;
mod screen;
mod storm;
mod sum;

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Parser, value_parser};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    board::Board,
    crew::Crew,
    gateway::Gateway,
    redis_server::RedisServer,
    replica::{Place, ROLE},
    screen::Screen,
    sum::Sum,
};

/// Replicas that share one login, in a storm of rejections: which of them renews?
#[derive(Parser)]
#[command(name = "fleet")]
struct Arguments {
    /// How many replicas there are
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u16).range(2..=64))]
    replicas: u16,

    /// When it ends by itself; Ctrl-C ends it sooner
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u64).range(1..=300))]
    seconds: u64,

    /// A Redis or Valkey that runs already; without it a redis-server is started, and ended with this program
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

/// Exits with 0 if each renewal took one token request and no call failed, with 1 if not, and with 2 if it could not go on.
#[tokio::main]
async fn main() -> ExitCode {
    if std::env::var_os(ROLE).is_some() {
        return replica::run().await;
    }
    match play(Arguments::parse()).await {
        Ok(sum) => {
            sum.print();
            if sum.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("fleet: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn play(arguments: Arguments) -> anyhow::Result<Sum> {
    let (mut ctrl_c, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let end = tokio::time::sleep(Duration::from_secs(arguments.seconds));
    let mut sum = Sum::default();
    let storm = async {
        let server = match &arguments.redis {
            Some(_) => None,
            None => Some(RedisServer::start().await?),
        };
        let redis = arguments.redis.clone().or_else(|| server.as_ref().map(RedisServer::url)).expect("one of the two");
        let gateway = Gateway::start().await.context("the gateway does not start")?;
        let place = Place::new(redis, gateway.url())?;
        gateway.log_in(&place).await.context("the login was not saved")?;
        let board = Board::new(arguments.replicas);
        let crew = Crew::start(place, &board).await?;
        let screen = Screen::new(board.clone());
        let stormed = tokio::select! {
            stormed = storm::rage(&gateway, &crew, &board, &screen, &mut sum) => stormed,
            () = end => Ok(()),
            _ = ctrl_c.recv() => Ok(()),
            _ = terminated.recv() => Ok(()),
        };
        screen.close();
        crew.end().await;
        sum.count(&gateway, &board.borrow());
        // The server goes last: the replicas may still release what they hold.
        drop(server);
        stormed
    };
    storm.await?;
    Ok(sum)
}
