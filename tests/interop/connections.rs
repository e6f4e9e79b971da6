//! Counts the connections that a client opens.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use http::{Uri, uri::Authority};
use hyper_util::client::legacy::connect::HttpConnector;
use tower::Service;

/// Connects over TCP, and remembers where to.
#[derive(Clone)]
pub(crate) struct CountingConnector {
    http: HttpConnector,
    opened: Arc<Mutex<Vec<Authority>>>,
}

impl CountingConnector {
    /// How many connections were opened to the server of this address.
    pub(crate) fn opened_to(&self, uri: &str) -> usize {
        let uri: Uri = uri.parse().unwrap();
        self.opened.lock().unwrap().iter().filter(|opened| Some(*opened) == uri.authority()).count()
    }
}

impl Default for CountingConnector {
    fn default() -> Self {
        Self { http: HttpConnector::new(), opened: Arc::default() }
    }
}

impl Service<Uri> for CountingConnector {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        self.opened.lock().unwrap().extend(uri.authority().cloned());
        self.http.call(uri)
    }
}
