//! One request on its way: from the program to the upstream with the token, and the answer back.

use std::{io, sync::Arc, time::Duration};

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::CONTENT_TYPE,
    uri::{Authority, Scheme},
};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use metrics::counter;
use tokio::time::timeout;
use tower::{Layer, ServiceExt};
use tower_reauth::{GrpcClassifier, Reauth};
use tracing::debug;

use crate::{
    browsers,
    client::{self, Body, Upstream},
    headers,
    problem::Problem,
    settings::Settings,
};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    http: Reauth<Upstream>,
    grpc: Reauth<Upstream>,
    scheme: Scheme,
    authority: Authority,
    /// Headers by which a program might show credentials of its own.
    credentials: Vec<HeaderName>,
    response_timeout: Duration,
    /// Programs call this machine by its own names.
    is_loopback: bool,
}

impl Proxy {
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let Settings { layer, credentials, tls, limits, .. } = settings;
        let upstream = settings.upstream.clone().into_parts();
        let (Some(scheme), Some(authority)) = (upstream.scheme, upstream.authority) else {
            anyhow::bail!("the upstream has no host");
        };
        let shared = Shared {
            http: layer.layer(client::of_upstream(tls, limits.connect_timeout)),
            grpc: layer.clone().classify(GrpcClassifier::new()).layer(client::of_grpc(tls, limits.connect_timeout)),
            scheme,
            authority,
            credentials: credentials.clone(),
            response_timeout: limits.response_timeout,
            is_loopback: settings.listen.is_loopback(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// # Cancel safety
    /// A program that leaves ends its call; a renewal that the call has begun goes on.
    pub(crate) async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        let is_grpc = is_grpc(&request);
        let method = request.method().clone();
        let response = self.shared.send(request, is_grpc).await.unwrap_or_else(|problem| {
            debug!(status = problem.status().as_u16(), detail = problem.detail(), "no answer of the upstream");
            problem.into_response(is_grpc)
        });
        debug!(%method, status = response.status().as_u16(), "request answered");
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let class = class[usize::from(response.status().as_u16() / 100).clamp(1, 5) - 1];
        counter!("sidecar_requests_total", "status" => class).increment(1);
        response
    }
}

impl Shared {
    async fn send(&self, request: Request<Incoming>, is_grpc: bool) -> Result<Response<Body>, Problem> {
        self.check(&request)?;
        let request = self.to_upstream(request, is_grpc)?;
        let api = if is_grpc { &self.grpc } else { &self.http };
        let answer = timeout(self.response_timeout, api.clone().oneshot(request)).await.map_err(|_| {
            let detail = format!("no answer began within {} s", self.response_timeout.as_secs());
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "the upstream is too slow", detail)
        })?;
        let mut response = answer.map_err(|error| Problem::from(&error))?;
        headers::to_program(response.headers_mut());
        // What the upstream spoke is its affair.
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(|body| body.map_err(io::Error::other).boxed_unsync()))
    }

    fn check(&self, request: &Request<Incoming>) -> Result<(), Problem> {
        if browsers::is_from_page(request) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not for pages in browsers",
                "sec-fetch-site says it is one",
            ));
        }
        if self.is_loopback && !browsers::names_loopback(request) {
            let detail = "the host of the request is neither localhost nor an address of loopback";
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "meant for another host", detail));
        }
        if *request.method() == Method::CONNECT {
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "no tunnels", "CONNECT is not passed on"));
        }
        Ok(())
    }

    fn to_upstream(&self, request: Request<Incoming>, is_grpc: bool) -> Result<Request<Body>, Problem> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().filter(|path| path.as_str().starts_with('/')).cloned();
        let path =
            path.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "no path", "a path begins with a slash"))?;
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(path);
        let uri =
            uri.build().map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "no address", error.to_string()))?;
        let mut request = Request::new(body.map_err(io::Error::other).boxed_unsync());
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = parts.headers;
        *request.version_mut() = if is_grpc { Version::HTTP_2 } else { Version::HTTP_11 };
        headers::to_upstream(request.headers_mut(), parts.version, is_grpc, &self.credentials);
        Ok(request)
    }
}

/// `application/grpc`, `application/grpc+proto`, and not `application/grpc-web`, which HTTP/1.1 carries.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}
