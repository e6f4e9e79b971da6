use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper_util::{
    client::legacy::{Client as Https, connect::Connect},
    rt::TokioExecutor,
};
use object_store::{
    ClientOptions, StaticCredentialProvider,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    },
    gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder},
};
use tower::{Layer, ServiceExt};
use tower_reauth::{ErrorKind, Origins, OwnAuthorization, Reauth, ReauthLayer, Session};

/// `url` is `https://storage.googleapis.com`, and `connector` one of hyper-rustls.
pub fn store<C>(url: &str, bucket: &str, session: Session, connector: C) -> anyhow::Result<GoogleCloudStorage>
where
    C: Connect + Clone + Debug + Send + Sync + 'static,
{
    let layer = ReauthLayer::new(session, Origins::only(url)?)
        .own_authorization(OwnAuthorization::Replace)
        .replay_limit(16 * 1024 * 1024);
    let client = Renewing(layer.layer(Https::builder(TokioExecutor::new()).build(connector)));
    let store = GoogleCloudStorageBuilder::new()
        .with_base_url(url)
        .with_bucket_name(bucket)
        .with_http_connector(Ready(HttpClient::new(client)))
        // Else it looks for credentials on disk, and asks the metadata server.
        .with_credentials(Arc::new(StaticCredentialProvider::new(GcpCredential { bearer: String::new() })))
        .build()?;
    Ok(store)
}

#[derive(Debug)]
struct Renewing<C>(Reauth<Https<C, UnsyncBoxBody<Bytes, HttpError>>>);

#[async_trait]
impl<C: Connect + Clone + Debug + Send + Sync + 'static> HttpService for Renewing<C> {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = request.map(BodyExt::boxed_unsync);
        let response = self.0.clone().oneshot(request).await.map_err(|error| {
            // object_store repeats a request that broke off. Without a token it would ask in vain.
            let broke_off = error.kind() == ErrorKind::Service;
            HttpError::new(if broke_off { HttpErrorKind::Request } else { HttpErrorKind::Unknown }, error)
        })?;
        Ok(response
            .map(|body| HttpResponseBody::new(body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error)))))
    }
}

#[derive(Debug)]
struct Ready(HttpClient);

impl HttpConnector for Ready {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}
