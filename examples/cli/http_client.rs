//! The HTTP client: a plain hyper client, for tower-reauth, for the `oauth2` crate, and for the API.

use std::{io, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use oauth2::{HttpRequest, HttpResponse};

pub(crate) type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// More than any answer of a login.
const LONGEST: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A client for `https`, and for `http` where the addresses were checked to be loopback's.
pub(crate) fn new() -> Http {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(Duration::from_secs(10)));
    let connector =
        HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(connector);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Sends a request of the `oauth2` crate. It follows no redirect: the form holds secrets.
pub(crate) async fn send(client: Http, request: HttpRequest) -> Result<HttpResponse, io::Error> {
    let exchange = async {
        let response = client.request(request.map(|body| Full::new(body.into()))).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(HttpResponse::from_parts(head, body.to_vec()))
    };
    tokio::time::timeout(PATIENCE, exchange).await?
}
