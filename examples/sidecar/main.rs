//! A sidecar: programs in any language send their requests to it, on loopback. It adds the token, passes them on to one upstream,
//! and when the token is rejected it renews it once for everybody and sends the request again.
//!
//! `cargo run -p tower-reauth-sidecar -- --demo` plays with a gateway of its own. `README.md` beside this file says how to run it.

mod admin;
mod browsers;
mod client;
mod demo;
mod headers;
mod listener;
mod options;
mod problem;
mod proxy;
mod server;
mod settings;

#[path = "../support/mod.rs"]
mod support;

use std::{
    io,
    process::{self, ExitCode},
};

use tokio::sync::watch;
use tracing::{info, warn};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{admin::Admin, listener::Listener, proxy::Proxy, settings::Settings};

const NAME: &str = "tower-reauth-sidecar";

/// Exits with 0 after a signal, with 2 if something is wrong with the options, and with 3 if something else failed.
#[tokio::main]
async fn main() -> ExitCode {
    let (options, places) = match options::parse() {
        Ok(parsed) => parsed,
        Err(done) => return done,
    };
    let demo = options.demo;
    let (options, _gateway) = match demo::prepare(options, &places).await {
        Ok(prepared) => prepared,
        Err(error) => return failed(&error, 2),
    };
    let settings = match Settings::new(options, &places) {
        Ok(settings) => settings,
        Err(error) => return failed(&error, 2),
    };
    match run(settings, demo).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, 3),
    }
}

async fn run(settings: Settings, demo: bool) -> anyhow::Result<()> {
    log(settings.log.clone());
    // The signals are caught before anybody is told that it runs.
    let ending = ending()?;
    let listener = Listener::bind(&settings.listen).await?;
    // Before the first layer is built: what is counted earlier is lost.
    let admin = Admin::bind(settings.admin).await?;
    println!("listening on {listener}");
    if let Some(admin) = &admin {
        println!("health and metrics on http://{}", admin.address()?);
    }
    if demo {
        demo::say_how(&listener);
    }

    let session = settings.session.clone();
    let admin = admin.map(|admin| tokio::spawn(admin.serve(session.clone(), ending.clone())));
    // So that a mistake shows at the start, and not with the first request.
    tokio::spawn({
        let session = session.clone();
        async move {
            if let Err(error) = session.token().await {
                warn!(%error, "there is no token yet");
            }
        }
    });

    let proxy = Proxy::new(&settings)?;
    let ended = server::serve(listener, proxy, &settings.limits, ending).await;
    if settings.revoke_at_end {
        // It goes on by itself: what follows waits for it.
        drop(session.logout());
    }
    let ended = session.shutdown(settings.limits.shutdown_timeout).await && ended;
    if let Some(admin) = admin {
        admin.abort();
    }
    if ended {
        info!("ended");
    } else {
        warn!("ended, and cut off what took longer than the shutdown timeout");
    }
    Ok(())
}

/// Turns true once the program is to end.
fn ending() -> io::Result<watch::Receiver<bool>> {
    let (tell, ending) = watch::channel(false);
    let terminated = terminated()?;
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = terminated => {}
        }
        info!("ending");
        tell.send_replace(true);
        // Whoever insists does not want to wait.
        if tokio::signal::ctrl_c().await.is_ok() {
            process::exit(130);
        }
    });
    Ok(ending)
}

#[cfg(unix)]
fn terminated() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        terminated.recv().await;
    })
}

#[cfg(not(unix))]
fn terminated() -> io::Result<impl Future<Output = ()>> {
    Ok(std::future::pending())
}

fn log(levels: Targets) {
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(io::stderr).with_filter(levels);
    tracing_subscriber::registry().with(lines).init();
}

fn failed(error: &anyhow::Error, status: u8) -> ExitCode {
    eprintln!("{NAME}: {}", options::plain(&format!("{error:#}")));
    ExitCode::from(status)
}
