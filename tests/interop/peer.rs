//! The running servers, seen from a test: raw requests, and devices that talk through the layer.

use std::{
    env,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body::Body;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer, ServiceExt, service_fn};
use tower_reauth::{ClientAuth, Error, Origins, PasswordGrant, Reauth, ReauthLayer, Replay, Session, TokenEndpoint};

use super::connections::CountingConnector;

pub(crate) type Http<B = Full<Bytes>> = Client<CountingConnector, B>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body that is read while it is sent.
pub(crate) type Stream = BoxBody<Bytes, BoxError>;

/// Where the servers are, by the environment that `.ci/peers` sets.
pub(crate) struct Peer {
    http: Http,
    connector: CountingConnector,
    server: String,
    nginx: String,
    apache: String,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let connector = CountingConnector::default();
        Self {
            http: Client::builder(TokioExecutor::new()).build(connector.clone()),
            connector,
            server: setting("PEER_SERVER"),
            nginx: setting("PEER_NGINX"),
            apache: setting("PEER_APACHE"),
        }
    }

    /// The API of the authorization server itself.
    pub(crate) fn orders(&self) -> String {
        format!("{}/api/orders", self.server)
    }

    /// An API that checks nothing itself, behind nginx that asks the authorization server about every token.
    pub(crate) fn orders_behind_nginx(&self) -> String {
        format!("{}/orders", self.nginx)
    }

    /// The same API behind Apache, whose mod_oauth2 does so.
    pub(crate) fn orders_behind_apache(&self) -> String {
        format!("{}/orders", self.apache)
    }

    pub(crate) fn orders_behind_gateways(&self) -> [String; 2] {
        [self.orders_behind_nginx(), self.orders_behind_apache()]
    }

    /// The same API without a gateway.
    pub(crate) fn orders_without_gateway(&self) -> String {
        format!("{}/behind/orders", self.server)
    }

    /// How many connections all devices have opened so far to the server of this address.
    pub(crate) fn connections_to(&self, uri: &str) -> usize {
        self.connector.opened_to(uri)
    }

    /// A device whose user types the right password.
    pub(crate) fn device(&self) -> Device {
        self.device_with_password(setting("PEER_PASSWORD"))
    }

    pub(crate) fn device_with_password(&self, password: String) -> Device {
        self.device_with_layer(password, |layer| layer)
    }

    /// A device whose requests are streams, and which buffers so many bytes of them.
    pub(crate) fn streaming_device(&self, replay_limit: usize) -> Device<Stream> {
        self.device_with_layer(setting("PEER_PASSWORD"), |layer| layer.replay_limit(replay_limit))
    }

    fn device_with_layer<B>(&self, password: String, adjust: impl FnOnce(ReauthLayer) -> ReauthLayer) -> Device<B>
    where
        B: Replay + Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let asked = Asked::default();
        let endpoint =
            TokenEndpoint::new(asked.clone().listen(self.http.clone()), &format!("{}/o/token/", self.server))
                .and_then(|endpoint| endpoint.revocation(format!("{}/o/revoke_token/", self.server)))
                .unwrap()
                .client_auth(ClientAuth::basic(setting("PEER_CLIENT_ID"), setting("PEER_CLIENT_SECRET")));
        let session = Session::new(PasswordGrant::new(endpoint, setting("PEER_USERNAME"), password).scope("orders"));
        let origins = Origins::any_of([self.server.as_str(), self.nginx.as_str(), self.apache.as_str()]).unwrap();
        let http: Http<B> = Client::builder(TokioExecutor::new()).build(self.connector.clone());
        let api = adjust(ReauthLayer::new(session.clone(), origins)).layer(http);
        Device { session, api, asked }
    }

    /// The status that the API gives to this access token when no layer is between.
    pub(crate) async fn status_of(&self, access_token: &str) -> StatusCode {
        let request = Request::get(self.orders()).header(AUTHORIZATION, format!("Bearer {access_token}"));
        self.http.request(request.body(Full::default()).unwrap()).await.unwrap().status()
    }

    /// Revokes a token as another device or an administrator would (RFC 7009 §2.1), unseen by the layer.
    pub(crate) async fn revoke(&self, token: &str) {
        let client = [("client_id", setting("PEER_CLIENT_ID")), ("client_secret", setting("PEER_CLIENT_SECRET"))];
        let form = client.into_iter().chain([("token", token.to_owned())]);
        assert_eq!(self.post_form("o/revoke_token/", form).await, StatusCode::OK);
    }

    /// Lets an access token expire early at the server; its refresh token lives on.
    pub(crate) async fn expire(&self, access_token: &str) {
        assert_eq!(
            self.post_form("curtain/expire", [("token", access_token.to_owned())]).await,
            StatusCode::NO_CONTENT
        );
    }

    /// What a refresh token is answered with when no layer is between.
    pub(crate) async fn redeem(&self, refresh_token: &str) -> StatusCode {
        let client = [("client_id", setting("PEER_CLIENT_ID")), ("client_secret", setting("PEER_CLIENT_SECRET"))];
        let grant = [("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh_token.to_owned())];
        self.post_form("o/token/", client.into_iter().chain(grant)).await
    }

    /// Sends a body without a layer and returns what the API says about it.
    pub(crate) async fn post_bare(&self, uri: &str, body: Bytes) -> Bytes {
        let response = self.http.request(Request::post(uri).body(Full::new(body)).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.unwrap().to_bytes()
    }

    async fn post_form(&self, path: &str, form: impl IntoIterator<Item = (&str, String)>) -> StatusCode {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(format!("{}/{path}", self.server))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(form));
        self.http.request(request.unwrap()).await.unwrap().status()
    }
}

/// A client with the layer, and a record of what its session asked the authorization server for.
pub(crate) struct Device<B = Full<Bytes>> {
    pub(crate) session: Session,
    api: Reauth<Http<B>>,
    asked: Asked,
}

impl Device {
    pub(crate) async fn get(&self, uri: &str) -> Result<StatusCode, Error> {
        self.send(Request::get(uri).body(Full::default()).unwrap()).await.map(|response| response.status())
    }

    pub(crate) async fn post(&self, uri: &str, body: Bytes) -> Result<Response<Bytes>, Error> {
        self.send(Request::post(uri).body(Full::new(body)).unwrap()).await
    }
}

impl<B> Device<B>
where
    B: Replay + Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// The access token and the refresh token that the session holds.
    pub(crate) async fn tokens(&self) -> (String, String) {
        use secrecy::ExposeSecret;
        let token = self.session.token().await.unwrap();
        let set = token.token_set();
        (set.access_token().expose_secret().to_owned(), set.refresh_token().unwrap().expose_secret().to_owned())
    }

    /// What the authorization server was asked for through this device's endpoint, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.0.lock().unwrap().clone()
    }

    pub(crate) async fn send(&self, request: Request<B>) -> Result<Response<Bytes>, Error> {
        let (head, body) = self.api.clone().oneshot(request).await?.into_parts();
        Ok(Response::from_parts(head, body.collect().await.unwrap().to_bytes()))
    }
}

#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    /// A transport that writes down the grant type, or what is revoked, of every request that goes through it.
    fn listen(
        self,
        http: Http,
    ) -> impl tower::Service<
        Request<Full<Bytes>>,
        Response = Response<hyper::body::Incoming>,
        Error = hyper_util::client::legacy::Error,
        Future: Send,
    > + Clone
    + Send
    + 'static {
        service_fn(move |request: Request<Full<Bytes>>| {
            let (asked, http) = (self.clone(), http.clone());
            async move {
                let (head, body) = request.into_parts();
                let form = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
                let named = |name| form_urlencoded::parse(&form).find(|(key, _)| key == name);
                let what = match (named("grant_type"), named("token_type_hint")) {
                    (Some((_, grant)), _) => grant.into_owned(),
                    (None, Some((_, hint))) => format!("revoke {hint}"),
                    (None, None) => "revoke".to_owned(),
                };
                asked.0.lock().unwrap().push(what);
                http.request(Request::from_parts(head, Full::new(form))).await
            }
        })
    }
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this test with .ci/peers"))
}
