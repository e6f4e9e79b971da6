//! A Kubernetes API server that knows config maps: list, watch, create.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures::{
    StreamExt,
    channel::mpsc::{self, UnboundedSender},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// Clones share one content.
#[derive(Clone, Default)]
pub struct Cluster(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    /// The version of an object is its place in here.
    objects: Vec<Value>,
    watches: Vec<UnboundedSender<Bytes>>,
    watches_begun: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    #[serde(default)]
    watch: bool,
    resource_version: Option<String>,
}

impl Cluster {
    pub fn router(&self) -> Router<()> {
        let path = "/api/v1/namespaces/default/configmaps";
        Router::new().route(path, get(list_or_watch).post(create)).with_state(self.clone())
    }

    /// Somebody else makes a config map.
    pub fn create(&self, mut object: Value) -> Value {
        let mut content = self.content();
        object["metadata"]["namespace"] = json!("default");
        object["metadata"]["resourceVersion"] = json!((content.objects.len() + 1).to_string());
        content.objects.push(object.clone());
        content.watches.retain(|watch| watch.unbounded_send(added(&object)).is_ok());
        object
    }

    /// Ends all watches, as API servers do every few minutes.
    pub fn end_watches(&self) {
        self.content().watches.clear();
    }

    /// How many watches began in all.
    pub fn watches_begun(&self) -> usize {
        self.content().watches_begun
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to a token that is not good. Kubernetes sends no challenge.
pub fn unauthorized() -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
    });
    (StatusCode::UNAUTHORIZED, Json(status)).into_response()
}

async fn list_or_watch(State(cluster): State<Cluster>, Query(wish): Query<Wish>) -> Response {
    let mut content = cluster.content();
    if !wish.watch {
        let version = content.objects.len().to_string();
        return Json(json!({
            "kind": "ConfigMapList", "apiVersion": "v1",
            "metadata": { "resourceVersion": version }, "items": content.objects,
        }))
        .into_response();
    }
    let seen = wish.resource_version.and_then(|version| version.parse().ok()).unwrap_or(0);
    let (watch, events) = mpsc::unbounded();
    for object in content.objects.iter().skip(seen) {
        _ = watch.unbounded_send(added(object));
    }
    content.watches.push(watch);
    content.watches_begun += 1;
    Body::from_stream(events.map(Ok::<_, Infallible>)).into_response()
}

async fn create(State(cluster): State<Cluster>, Json(object): Json<Value>) -> Response {
    (StatusCode::CREATED, Json(cluster.create(object))).into_response()
}

fn added(object: &Value) -> Bytes {
    let mut object = object.clone();
    object["kind"] = json!("ConfigMap");
    object["apiVersion"] = json!("v1");
    format!("{}\n", json!({ "type": "ADDED", "object": object })).into()
}
