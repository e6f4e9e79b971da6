//! A backend-for-frontend: browsers hold a cookie, this server holds their tokens.
//!
//! `cargo run --features axum --example axum_bff` brings its own gateway; log in from two browsers to see the story. With
//! `--api-url` and the options beside it, the same server stands before a real one. With `--redis` several of it share their
//! logins. It speaks plain HTTP on loopback: put what
//! terminates TLS in front of it, and name its address with `--public-url`.

mod app;
mod arguments;
mod code_grant;
mod cookie_store;
mod events;
mod gateway;
mod headers;
mod layer_events;
mod login;
mod pages;
mod problem;
mod proxy;
mod redis_cookies;
mod router;
mod shared;
mod story;
mod target;
mod throttle;
mod visitor;

#[path = "../support/fields.rs"]
mod fields;
#[path = "../support/mod.rs"]
mod support;

use std::{
    env,
    future::Future,
    io::{IsTerminal, stderr},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, anyhow};
use clap::Parser;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing::Level;
use tracing_subscriber::{filter::Targets, prelude::*};

use crate::{
    app::{App, DEADLINE},
    arguments::Arguments,
    cookie_store::CookieStore,
    layer_events::LayerEvents,
    router::router,
    shared::Shared,
    story::Story,
    target::Target,
};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let story = Arc::new(Story::default());
    let told = Targets::new().with_target("tower_reauth", Level::DEBUG).with_target("bff", Level::DEBUG);
    let shown = env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse::<Targets>().ok());
    let usual = || Targets::new().with_default(Level::WARN).with_target("tower_sessions_core", Level::ERROR);
    let colours = stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::registry()
        .with(LayerEvents::new(story.clone()).with_filter(told))
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(stderr)
                .with_ansi(colours)
                .with_filter(shown.unwrap_or_else(usual)),
        )
        .init();

    match serve(arguments, story).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum_bff: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until Ctrl-C or SIGTERM; then what is under way is finished, and the tokens are revoked that no other instance uses.
async fn serve(arguments: Arguments, story: Arc<Story>) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(arguments.listen).await.with_context(|| format!("--listen {}", arguments.listen))?;
    let public_url = arguments.public_url(listener.local_addr()?)?;
    let (target, embedded) = Target::of(&arguments, public_url).await?;
    let ended = ended()?;
    let (cookies, tokens) = match Shared::of(&arguments).await? {
        Some(Shared { cookies, tokens }) => (Some(cookies), Some(tokens)),
        None => (None, None),
    };
    let app = App::new(target, story, tokens)?;
    let closing = app.clone();
    let until = async move {
        ended.await;
        closing.close();
    };
    let router = match cookies {
        Some(cookies) => router(app.clone(), cookies)?,
        None => router(app.clone(), CookieStore::default())?,
    };
    let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
    println!("{}\n{}", app.target.public_url, app.target.hint);

    let mut server = tokio::spawn(axum::serve(listener, service).with_graceful_shutdown(until).into_future());
    let served = tokio::select! {
        served = &mut server => served?.context("the server failed"),
        () = app.overdue() => {
            server.abort();
            Err(anyhow!("some answers were not finished in time, and were cut off"))
        }
    };

    app.leave().await;
    if let Some(gateway) = embedded {
        // A browser may keep a connection to one of its pages open.
        drop(tokio::time::timeout(DEADLINE, gateway.stop()).await);
    }
    served
}

/// Ready when the process is told to end.
fn ended() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
