//! The gateway as a value, and running on a socket.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router, middleware,
    routing::{get, post},
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::{
    account,
    assertions::Assertions,
    authorization,
    codes::Codes,
    device,
    device_codes::DeviceCodes,
    journal::{Counters, Journal},
    options::Options,
    orders, pages,
    proofs::Proofs,
    revocation, token_endpoint,
    tokens::{Standing, Tokens},
};

/// The gateway's state: what it knows, and the switches to play with it.
pub(crate) struct Gateway {
    pub(super) options: Options,
    pub(super) journal: Journal,
    pub(super) orders: AtomicU64,
    pub(super) assertions: Assertions,
    pub(super) proofs: Proofs,
    // Whoever needs two of these locks takes them in this order.
    tokens: Mutex<Tokens>,
    codes: Mutex<Codes>,
    device_codes: Mutex<DeviceCodes>,
    passwords: Mutex<HashMap<String, String>>,
    outage: AtomicBool,
}

/// A gateway that listens. Dropping it ends it as well as [`stop`](Running::stop), without waiting.
pub(crate) struct Running {
    gateway: Arc<Gateway>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

/// Starts a gateway on a free port of 127.0.0.1.
pub(crate) async fn start(options: Options) -> io::Result<Running> {
    start_at(0, options).await
}

/// Starts a gateway on this port of 127.0.0.1.
pub(crate) async fn start_at(port: u16, options: Options) -> io::Result<Running> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    let gateway = Gateway::new(options);
    let router = gateway.router();
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap_or_default() };
        axum::serve(listener, router).with_graceful_shutdown(stopped).await
    });
    Ok(Running { gateway, address, stop, server })
}

impl Gateway {
    /// A gateway without a socket: its [`router`](Gateway::router) is a tower service.
    pub(crate) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            journal: Journal::new(options.observer.clone()),
            tokens: Mutex::new(Tokens::new(&options)),
            codes: Mutex::default(),
            device_codes: Mutex::default(),
            passwords: Mutex::new(options.users.clone()),
            orders: AtomicU64::new(0),
            assertions: Assertions::new(options.trust.clone()),
            proofs: Proofs::new(options.dpop_nonces),
            outage: AtomicBool::new(false),
            options,
        })
    }

    /// `/orders` behind the guard, the endpoints of the authorization server, and its pages.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/orders", get(orders::list).post(orders::create))
            .route_layer(middleware::from_fn_with_state(self.clone(), orders::guard))
            .route("/oauth2/token", post(token_endpoint::token))
            .route("/oauth2/revoke", post(revocation::revoke))
            .route("/oauth2/authorize", get(authorization::ask).post(authorization::decide))
            .route("/oauth2/device_authorization", post(device::ask))
            .route("/oauth2/device", get(device::page).post(device::decide))
            .route("/oauth2/userinfo", get(account::user_info))
            .route("/account/password", get(account::password_page).post(account::change_password))
            .route("/oauth2/page.css", get(pages::style))
            .with_state(self.clone())
    }

    /// What was counted up to now.
    pub(crate) fn counters(&self) -> Counters {
        self.journal.counters()
    }

    /// How many orders were created.
    pub(crate) fn orders(&self) -> u64 {
        self.orders.load(Ordering::Relaxed)
    }

    /// Whether an access token is good by itself, for an API that asks the gateway about it.
    pub(crate) fn accepts(&self, access_token: &str) -> bool {
        matches!(self.tokens().standing(access_token), Standing::Good { key: None, .. })
    }

    /// Kills every token, behind everybody's back.
    pub(crate) fn revoke_all(&self) {
        self.tokens().revoke_all();
    }

    /// Kills a user's tokens, behind their back.
    pub(crate) fn revoke_user(&self, user: &str) {
        self.tokens().end_user(user);
    }

    /// Changes a user's password, and ends all tokens that were had with the old one.
    pub(crate) fn set_password(&self, user: &str, password: &str) {
        self.passwords().insert(user.to_owned(), password.to_owned());
        self.tokens().end_user(user);
    }

    /// Sets how long the access tokens live that are handed out from now on.
    pub(crate) fn set_token_lifetime(&self, lifetime: Duration) {
        self.tokens().set_lifetimes(lifetime..=lifetime);
    }

    /// Makes the token and the revocation endpoint answer with status 500, or ends that.
    pub(crate) fn set_outage(&self, outage: bool) {
        self.outage.store(outage, Ordering::Relaxed);
    }

    pub(super) fn has_outage(&self) -> bool {
        self.outage.load(Ordering::Relaxed)
    }

    /// Whether this is the user's password.
    pub(super) fn knows(&self, user: &str, password: &str) -> bool {
        self.passwords().get(user).is_some_and(|known| known == password)
    }

    pub(super) fn codes(&self) -> MutexGuard<'_, Codes> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn device_codes(&self) -> MutexGuard<'_, DeviceCodes> {
        self.device_codes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passwords(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// The state.
    pub(crate) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// What was counted up to now.
    pub(crate) fn counters(&self) -> Counters {
        self.gateway.counters()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a page, or of the origin when `path` is empty.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Lets exchanges that are under way finish, and ends.
    pub(crate) async fn stop(self) -> io::Result<()> {
        // The other end is gone only if the server has ended already.
        let _ = self.stop.send(());
        self.server.await.map_err(io::Error::other)?
    }
}
