//! A server that is loaded: the example's, before a gateway of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::AtomicUsize},
};

use axum::body::Body;
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use secrecy::ExposeSecret;
use tokio::{net::TcpListener, runtime::Runtime};
use tower::{ServiceBuilder, util::BoxCloneSyncService};
use tower_http::{set_header::SetRequestHeaderLayer, trace::TraceLayer};
use tower_reauth::{ClientCredentialsGrant, Session};
use tower_reauth_redis::RedisStore;

use crate::{
    Load,
    app::App,
    arguments::LoginKind,
    browser::Cookie,
    cookie_store::CookieStore,
    gateway::{self, Api, CALLS, TIMEOUT},
    processor, router,
    story::Story,
    support::{self, Options, Regime, Running},
    target::Target,
};

pub(crate) const PASSWORD: &str = "wonderland";

/// Where a request gets its token from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// One for everybody, written down.
    StaticHeader,
    /// The layer, which has nothing to do but to add it.
    LayerAtRest,
    /// The layer, while tokens expire and are killed.
    Layer,
}

/// A server with its gateway and its users.
pub(crate) struct Stand {
    pub(crate) way: Way,
    pub(crate) address: SocketAddr,
    pub(crate) gateway: Running,
    pub(crate) users: Vec<String>,
    /// Of the users, in no order, once they have logged in.
    pub(crate) cookies: Arc<[Cookie]>,
    /// Whose tokens are killed next.
    pub(crate) next_victim: AtomicUsize,
    _runtimes: [Runtime; 2],
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::StaticHeader, Self::LayerAtRest, Self::Layer];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::StaticHeader => "static header",
            Self::LayerAtRest => "layer at rest",
            Self::Layer => "layer",
        }
    }
}

impl Stand {
    pub(crate) fn start(way: Way, load: &Load) -> Self {
        let users: Vec<_> = (1..=load.users).map(|number| format!("user-{number}")).collect();
        let mut options = Options::new(Regime::Jwt).client("orchard", "the client's secret");
        for user in &users {
            options = options.user(user, PASSWORD);
        }
        if way == Way::Layer {
            // Some expire in every turn, and few twice.
            options = options.token_lifetimes(load.length() / 4..=load.length() * 2);
        }
        let (of_gateway, of_server) = (processor::runtime("gateway"), processor::runtime("server"));
        let gateway = of_gateway.block_on(support::start(options)).unwrap();
        let address = of_server.block_on(serve(way, &gateway));
        Self {
            way,
            address,
            gateway,
            users,
            cookies: Arc::default(),
            next_victim: AtomicUsize::default(),
            _runtimes: [of_gateway, of_server],
        }
    }
}

async fn serve(way: Way, gateway: &Running) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target::before(gateway, LoginKind::Password, format!("http://{address}"));
    let mut app = App::new(target, Arc::new(Story::default()), None::<RedisStore>).unwrap();
    if way == Way::StaticHeader {
        let token = Session::new(ClientCredentialsGrant::new(app.gateway.endpoint.clone()).scope("orders"));
        let token = token.token().await.unwrap();
        let of_us = Arc::get_mut(&mut app).expect("nobody else has it yet");
        of_us.gateway.api = with_header(
            HeaderValue::try_from(format!("Bearer {}", token.token_set().access_token().expose_secret())).unwrap(),
        );
    }
    let service =
        router::router(app, CookieStore::default()).unwrap().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, service).into_future());
    address
}

/// What the example has, but for the layer.
fn with_header(token: HeaderValue) -> Api {
    let trace = TraceLayer::new_for_http().make_span_with(
        |request: &Request<Body>| tracing::debug_span!("gateway", method = %request.method(), path = request.uri().path()),
    );
    let stack = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(trace)
        .timeout(TIMEOUT)
        .layer(SetRequestHeaderLayer::overriding(AUTHORIZATION, token))
        .concurrency_limit(CALLS);
    BoxCloneSyncService::new(stack.service(gateway::client::<Body>()))
}
