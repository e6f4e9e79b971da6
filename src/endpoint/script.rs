//! A server for the tests: gives the answers that it was told, and remembers what it was sent.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};

use super::TokenEndpoint;

pub(crate) const TOKEN: &str = r#"{"access_token":"at"}"#;

#[derive(Default)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Response<Full<Bytes>>>>,
    seen: Mutex<Vec<(Parts, String)>>,
}

impl Script {
    /// Answers each request with the next of these, and panics when there is none left.
    pub(crate) fn new(answers: impl IntoIterator<Item = Response<Full<Bytes>>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), seen: Mutex::default() })
    }

    pub(crate) fn endpoint(self: &Arc<Self>) -> TokenEndpoint {
        let script = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let script = Arc::clone(&script);
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                script.seen.lock().unwrap().push((parts, String::from_utf8(body.to_vec()).unwrap()));
                let answer = script.answers.lock().unwrap().pop_front();
                Ok::<_, Infallible>(answer.expect("a request that the test did not foresee"))
            }
        });
        TokenEndpoint::new(service, "http://localhost/token?key=hunter2")
            .and_then(|endpoint| endpoint.revocation("http://localhost/revoke"))
            .unwrap()
    }

    pub(crate) fn sends(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> (Parts, String) {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }
}

/// An answer with headers as names and values in turn.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::from(body.to_owned())).unwrap()
}
