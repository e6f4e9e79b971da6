use http::{Request, Uri};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client as Https, connect::Connect},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt},
};
use tower::ServiceBuilder;
use tower_reauth::{Error, Origins, ReauthLayer, Session};

/// `connector` is `config.rustls_https_connector()?` for a cluster with TLS.
pub fn client<C>(config: Config, session: Session, connector: C) -> Result<Client, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let cluster = Origins::only(origin(&config.cluster_url))?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .map_request(|request: Request<Body>| request.map(BodyExt::boxed_unsync))
        .layer(ReauthLayer::new(session, cluster).replay_limit(3 * 1024 * 1024))
        .service(Https::builder(TokioExecutor::new()).build(connector));
    Ok(Client::new(service, config.default_namespace))
}

/// Some clusters have a path in their address: those of Rancher, for example.
fn origin(address: &Uri) -> String {
    let host = address.authority().map(ToString::to_string);
    format!("{}://{}", address.scheme_str().unwrap_or_default(), host.unwrap_or_default())
}
