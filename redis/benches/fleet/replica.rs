//! A replica: a session with a store and connections of its own, and a client whose rejections are timed.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_reauth::{
    ClientAuth, Origins, Reauth, ReauthLayer, RefreshTokenGrant, Session, StoreSecret, TokenEndpoint,
    testing::{Issuer, Resource},
};
use tower_reauth_redis::RedisStore;

use crate::server::Server;

const API: &str = "https://api.example";
const TOKENS: &str = "https://login.example/token";

/// An API that is always content.
type Good = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;
type Http = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, io::Error>;

pub(crate) struct Replica {
    pub(crate) session: Session,
    api: Reauth<Http>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    rejected: Option<Instant>,
    /// From a rejection to the replay.
    healed: Option<Duration>,
    renewed: bool,
}

/// How the last rejection was healed.
pub(crate) struct Healed {
    pub(crate) time: Duration,
    /// This replica sent the token request.
    pub(crate) renewed: bool,
}

pub(crate) async fn store(server: &Server) -> RedisStore {
    let builder = RedisStore::builder(server.url()).naming_key(StoreSecret::from([1; 32]));
    builder.encrypt_with("1", StoreSecret::from([2; 32])).connect().await.unwrap()
}

impl Replica {
    /// Without a store it has this refresh token for itself.
    pub(crate) fn new(issuer: &Issuer, resource: &Resource, store: Result<RedisStore, String>, key: &str) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let endpoint = {
            let (seen, issuer) = (seen.clone(), issuer.clone());
            let service = service_fn(move |request: Request<Full<Bytes>>| {
                seen.lock().unwrap().renewed = true;
                issuer.clone().oneshot(request)
            });
            TokenEndpoint::new(service, TOKENS).unwrap().client_auth(ClientAuth::basic("client", "secret"))
        };
        let session = match store {
            Ok(store) => Session::builder(RefreshTokenGrant::stored(endpoint)).store(store, key),
            Err(refresh_token) => Session::builder(RefreshTokenGrant::new(endpoint, refresh_token)),
        };
        let session = session.renewals_per_minute(None).build();
        let http = {
            let (seen, resource) = (seen.clone(), resource.clone());
            BoxCloneSyncService::new(service_fn(move |request: Request<Full<Bytes>>| {
                let (seen, answer) = (seen.clone(), resource.clone().oneshot(request));
                {
                    let mut seen = seen.lock().unwrap();
                    seen.healed = seen.rejected.take().map(|at| at.elapsed()).or(seen.healed);
                }
                async move {
                    let answer = answer.await;
                    if answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED) {
                        seen.lock().unwrap().rejected = Some(Instant::now());
                    }
                    answer
                }
            }))
        };
        let api = ReauthLayer::new(session.clone(), Origins::only(API).unwrap()).layer(http);
        Self { session, api, seen }
    }

    /// A call that must end well.
    pub(crate) async fn call(&self) {
        let answer = self.api.clone().oneshot(request()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    pub(crate) fn healed(&self) -> Option<Healed> {
        let Seen { healed, renewed, .. } = std::mem::take(&mut *self.seen.lock().unwrap());
        healed.map(|time| Healed { time, renewed })
    }
}

pub(crate) fn request() -> Request<Full<Bytes>> {
    Request::get(format!("{API}/orders")).body(Full::default()).unwrap()
}

/// The session's layer over such an API.
pub(crate) fn over_good_api(session: &Session) -> Reauth<Good> {
    let good = service_fn(|_: Request<Full<Bytes>>| async { Ok(Response::new(Full::default())) });
    ReauthLayer::new(session.clone(), Origins::only(API).unwrap()).layer(BoxCloneSyncService::new(good))
}

/// An issuer that answers everybody with new tokens at once, and keeps nothing.
pub(crate) fn trivial_endpoint() -> TokenEndpoint {
    let service = service_fn(|_: Request<Full<Bytes>>| {
        let body = format!(
            r#"{{"access_token":"{:032x}","refresh_token":"{:032x}","token_type":"Bearer","expires_in":3600}}"#,
            fastrand::u128(..),
            fastrand::u128(..),
        );
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body))) }
    });
    TokenEndpoint::new(service, TOKENS).unwrap()
}

/// The login is done, and its tokens stand in the store.
pub(crate) async fn log_in(issuer: &Issuer, store: RedisStore, key: &str) {
    let grant = RefreshTokenGrant::new(issuer.endpoint(), issuer.mint_refresh_token(key));
    let tokens = Session::new(grant).token().await.unwrap();
    let endpoint =
        TokenEndpoint::new(issuer.clone(), TOKENS).unwrap().client_auth(ClientAuth::basic("client", "secret"));
    let session = Session::builder(RefreshTokenGrant::stored(endpoint)).store(store, key);
    session.record(tokens.token_set().clone()).unwrap().build().save().await.unwrap();
}
