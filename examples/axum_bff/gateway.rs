//! The way to the gateway: one client, one token endpoint and one layer for all users. This is the code to take along.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, header::ACCEPT};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower::{BoxError, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_http::trace::TraceLayer;
use tower_reauth::{
    ClientAuth, Error, Origins, OwnAuthorization, ReauthLayer, Sessions, TokenEndpoint, Wso2Classifier,
};

use crate::{
    arguments::GatewayKind,
    target::{Target, origin_of},
    visitor::UserKey,
};

/// For a call with everything that it takes: waiting for a token, the renewal, the second attempt.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(40);
/// Calls that are at the gateway at a time. Who waits for a token is not there.
pub(crate) const CALLS: usize = 512;
/// Token requests at a time.
const TOKEN_REQUESTS: usize = 32;
const USER_INFO_LIMIT: usize = 64 * 1024;

pub(crate) type Api = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

pub(crate) struct Gateway {
    pub(crate) endpoint: TokenEndpoint,
    pub(crate) api: Api,
    user_info_url: Option<String>,
}

impl Gateway {
    pub(crate) fn new(target: &Target, endpoint: TokenEndpoint, sessions: &Sessions<UserKey>) -> anyhow::Result<Self> {
        let mut origins = vec![origin_of(&target.api_url)?];
        if let Some(url) = &target.user_info_url {
            origins.push(origin_of(url)?);
        }
        let mut layer = ReauthLayer::new(sessions.clone(), Origins::any_of(origins.iter().map(String::as_str))?)
            .own_authorization(OwnAuthorization::Replace);
        if target.kind == GatewayKind::Wso2 {
            layer = layer.classify(Wso2Classifier::new());
        }
        // Paths only: a query may hold what belongs into no log.
        let trace = TraceLayer::new_for_http().make_span_with(
            |request: &Request<Body>| tracing::debug_span!("gateway", method = %request.method(), path = request.uri().path()),
        );
        let stack = ServiceBuilder::new()
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(trace)
            .timeout(TIMEOUT)
            .layer(layer)
            .concurrency_limit(CALLS);
        let api = BoxCloneSyncService::new(stack.service(client::<Body>()));
        Ok(Self { endpoint, api, user_info_url: target.user_info_url.clone() })
    }

    /// Whom the token of a session stands for (OpenID Connect Core §5.3); `None` where nobody can be asked, or who is asked does
    /// not say.
    pub(crate) async fn user(&self, key: UserKey) -> Result<Option<String>, BoxError> {
        let Some(url) = &self.user_info_url else { return Ok(None) };
        let request = Request::get(url).header(ACCEPT, "application/json").extension(key).body(Body::empty())?;
        let response = self.api.clone().oneshot(request).await?;
        if !response.status().is_success() {
            return Err(format!("the user information endpoint answers with {}", response.status()).into());
        }
        let body = Limited::new(response.into_body(), USER_INFO_LIMIT).collect().await?.to_bytes();
        let claims: serde_json::Value = serde_json::from_slice(&body)?;
        Ok(claims["sub"].as_str().map(str::to_owned))
    }
}

/// Where the tokens of all users come from.
pub(crate) fn endpoint(target: &Target) -> Result<TokenEndpoint, Error> {
    let endpoint = TokenEndpoint::new(client::<Full<Bytes>>(), &target.token_url)?
        .concurrency(TOKEN_REQUESTS)
        .client_auth(match &target.client_secret {
            Some(secret) => ClientAuth::basic(target.client_id.as_str(), secret.clone()),
            None => ClientAuth::none(target.client_id.as_str()),
        });
    match &target.revoke_url {
        Some(url) => endpoint.revocation(url),
        None => Ok(endpoint),
    }
}

/// For `https`, and for `http` where the crate lets it pass.
pub(crate) fn client<B>() -> Client<HttpsConnector<HttpConnector>, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(Duration::from_secs(10)));
    let connector = HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)
}
