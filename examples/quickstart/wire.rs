//! The HTTP client below the layer: a plain hyper client that says which device it belongs to.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response,
    header::{USER_AGENT, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{ServiceExt, util::BoxCloneService};

use crate::timeline::Timeline;

/// What a device sends and gets: any `tower::Service` would do.
pub(crate) type Wire = BoxCloneService<Request<Full<Bytes>>, Response<Incoming>, Box<dyn StdError + Send + Sync>>;

/// A client for `https`, and for `http` where the crate lets it pass.
pub(crate) fn client() -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(Duration::from_secs(10)));
    let connector =
        HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(connector);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Names the device in each request, and tells the timeline of the answers.
pub(crate) fn tell(
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    device: &'static str,
    place: &'static str,
    timeline: Option<Timeline>,
) -> Wire {
    client
        .map_request(move |mut request: Request<_>| {
            request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(device));
            request
        })
        .map_response(move |response| {
            if let Some(timeline) = &timeline {
                timeline.gateway(device, &format!("{place}: {}", says(&response)), !response.status().is_success());
            }
            response
        })
        .map_err(Into::into)
        .boxed_clone()
}

/// The headers of what was sent last.
#[cfg(feature = "dpop")]
#[derive(Clone, Default)]
pub(crate) struct LastSent(std::sync::Arc<std::sync::Mutex<http::HeaderMap>>);

#[cfg(feature = "dpop")]
impl LastSent {
    pub(crate) fn listen(self, wire: Wire) -> Wire {
        wire.map_request(move |request: Request<_>| {
            self.0.lock().expect("nothing panics here").clone_from(request.headers());
            request
        })
        .boxed_clone()
    }

    pub(crate) fn read(&self) -> http::HeaderMap {
        self.0.lock().expect("nothing panics here").clone()
    }
}

fn says<B>(response: &Response<B>) -> String {
    let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    match challenge {
        Some(challenge) => format!("{}, {}", response.status(), challenge.chars().take(100).collect::<String>()),
        None => response.status().to_string(),
    }
}
