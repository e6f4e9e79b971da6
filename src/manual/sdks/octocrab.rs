use std::sync::Arc;

use http::{HeaderValue, Request, Uri, header::USER_AGENT};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client as Https, connect::Connect},
    rt::TokioExecutor,
};
use octocrab::{
    AuthState, OctoBody, Octocrab, OctocrabBuilder,
    service::middleware::{base_uri::BaseUriLayer, extra_headers::ExtraHeadersLayer},
};
use tower::ServiceBuilder;
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_reauth::{Error, Origins, ReauthLayer, Session};

/// `api` is `https://api.github.com`, or that of an Enterprise server: `https://github.example/api/v3`.
pub fn client<C>(api: Uri, session: Session, connector: C) -> Result<Octocrab, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let github = Origins::only(origin(&api))?;
    // GitHub turns away who does not say who it is.
    let agent = (USER_AGENT, HeaderValue::from_static("my-program"));
    let service = ServiceBuilder::new()
        .layer(BaseUriLayer::new(api))
        .layer(ExtraHeadersLayer::new(Arc::new(vec![agent])))
        .layer(FollowRedirectLayer::new())
        .map_request(|request: Request<OctoBody>| request.map(BodyExt::boxed_unsync))
        .layer(ReauthLayer::new(session, github))
        .service(Https::builder(TokioExecutor::new()).build(connector));
    let Ok(client) = OctocrabBuilder::new_empty().with_service(service).with_auth(AuthState::None).build();
    Ok(client)
}

/// The address without its path.
fn origin(address: &Uri) -> String {
    let host = address.authority().map(ToString::to_string);
    format!("{}://{}", address.scheme_str().unwrap_or_default(), host.unwrap_or_default())
}
