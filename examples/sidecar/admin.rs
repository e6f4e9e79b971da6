//! `/healthz`, `/readyz` and `/metrics`, on an address of their own.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::{Json, Router, extract::State, response::IntoResponse, routing::get};
use http::{StatusCode, header::CONTENT_TYPE};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tower_reauth::{Session, Status};

/// What a probe waits; the renewal goes on.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often old samples of histograms are put together.
const UPKEEP: Duration = Duration::from_secs(5);

/// The listener, and what is counted from its beginning on.
pub(crate) struct Admin {
    listener: TcpListener,
    metrics: PrometheusHandle,
}

#[derive(Clone)]
struct Shown {
    session: Session,
    ending: watch::Receiver<bool>,
    metrics: PrometheusHandle,
}

impl Admin {
    /// Without an address nothing is counted: nobody would put the samples together.
    pub(crate) async fn bind(address: Option<SocketAddr>) -> anyhow::Result<Option<Self>> {
        let Some(address) = address else { return Ok(None) };
        let listener = TcpListener::bind(address).await.with_context(|| format!("{address} can't be had"))?;
        Ok(Some(Self { listener, metrics: PrometheusBuilder::new().install_recorder()? }))
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    pub(crate) async fn serve(self, session: Session, ending: watch::Receiver<bool>) -> io::Result<()> {
        let upkeep = self.metrics.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        let router = Router::new()
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(Shown { session, ending, metrics: self.metrics });
        axum::serve(self.listener, router).await
    }
}

/// Whether the session has a token, or can get one.
async fn ready(State(shown): State<Shown>) -> (StatusCode, Json<Value>) {
    if *shown.ending.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "ending" })));
    }
    let error = match shown.session.status() {
        Status::Active => None,
        // Refused credentials are not sent again for this: the session keeps to its own pauses.
        _ => match timeout(PATIENCE, shown.session.token()).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the authorization server has not answered yet".to_owned()),
        },
    };
    let status = format!("{:?}", shown.session.status()).to_lowercase();
    match error {
        None => (StatusCode::OK, Json(json!({ "status": status }))),
        Some(detail) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": status, "detail": detail }))),
    }
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shown.metrics.render())
}
