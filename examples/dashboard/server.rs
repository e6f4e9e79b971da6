//! The page, and the text that Prometheus and the page read.

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use metrics_exporter_prometheus::PrometheusHandle;

pub(crate) fn router(prometheus: PrometheusHandle) -> Router {
    Router::new()
        .route("/", get(async || file("text/html; charset=utf-8", include_str!("page.html"))))
        .route("/icon.svg", get(async || file("image/svg+xml", include_str!("icon.svg"))))
        .route("/page.css", get(async || file("text/css; charset=utf-8", include_str!("page.css"))))
        .route("/page.js", get(async || file("text/javascript; charset=utf-8", include_str!("page.js"))))
        .route("/chart.js", get(async || file("text/javascript; charset=utf-8", include_str!("chart.js"))))
        .route("/metrics", get(metrics))
        .with_state(prometheus)
}

async fn metrics(State(prometheus): State<PrometheusHandle>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus.render())
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    // Nothing comes from elsewhere, and what was built anew is shown anew.
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (CONTENT_SECURITY_POLICY, "default-src 'self'")], text)
}
