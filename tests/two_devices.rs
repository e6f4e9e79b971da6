//! Two devices of one user at a gateway that keeps one active token: whatever the one does, the other goes on.

use std::sync::{Arc, Mutex};

use crate::gateway::{Options, Regime, Running};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{
    ClientAuth, ErrorKind, Origins, PasswordGrant, Reauth, ReauthLayer, RenewalFailed, Session, TokenEndpoint,
    Wso2Classifier,
};
use tracing_subscriber::prelude::*;

const REGIMES: [Regime; 4] = [Regime::Opaque, Regime::Jwt, Regime::Beside, Regime::Unpersisted];

type Http = Client<HttpConnector, Full<Bytes>>;

struct Device {
    name: &'static str,
    session: Session,
    api: Reauth<Http>,
    grant: Box<dyn Fn() -> PasswordGrant>,
    orders: String,
    calls: u64,
}

impl Device {
    fn new(name: &'static str, gateway: &Running, scope: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        let endpoint = TokenEndpoint::new(http.clone(), &gateway.url("/oauth2/token"))
            .and_then(|endpoint| endpoint.revocation(gateway.url("/oauth2/revoke")))
            .expect("loopback may be plain http")
            .client_auth(ClientAuth::basic("app", "secret"));
        let scope = scope.to_owned();
        let grant = move || PasswordGrant::new(endpoint.clone(), "bob", "password").scope(scope.as_str());
        let session = Session::new(grant());
        let origins = Origins::only(gateway.url("")).expect("loopback may be plain http");
        let api = ReauthLayer::new(session.clone(), origins).classify(Wso2Classifier::new()).layer(http);
        Self { name, session, api, grant: Box::new(grant), orders: gateway.url("/orders"), calls: 0 }
    }

    /// Creates an order, and asserts that the user notices nothing.
    async fn works(&mut self) {
        let order = format!("{} order {}", self.name, self.calls);
        let response = self.call(&order).await;
        let (head, body) = response.into_parts();
        let failed = head.extensions.get::<RenewalFailed>().map(|failed| failed.error().to_string());
        assert_eq!(head.status, StatusCode::CREATED, "{}: {failed:?}", self.name);
        let body = body.collect().await.expect("the connection holds").to_bytes();
        assert_eq!(body, order);
    }

    async fn call(
        &mut self,
        order: &str,
    ) -> Response<impl hyper::body::Body<Data = Bytes, Error: std::fmt::Debug> + use<>> {
        self.calls += 1;
        let request = Request::post(&self.orders)
            .header("x-request-id", format!("{} {}", self.name, self.calls))
            .body(Full::new(Bytes::from(order.to_owned())))
            .expect("the address is valid");
        let api = self.api.ready().await.expect("hyper's client is always ready");
        api.call(request).await.expect("there is an answer")
    }

    fn log_in_again(&self) {
        self.session.login((self.grant)());
    }

    async fn refresh(&self) {
        let token = self.session.token().await.expect("the gateway hands out tokens");
        self.session.renew(token.generation()).await.expect("the refresh token is good");
    }
}

async fn start(regime: Regime) -> Running {
    let options = Options::new(regime).user("bob", "password").client("app", "secret");
    crate::gateway::start(options).await.expect("loopback has free ports")
}

/// Both work, then the desktop does something, then the tablet works on.
async fn tablet_goes_on_when_desktop(does: impl AsyncFn(&mut Device)) {
    for regime in REGIMES {
        let gateway = start(regime).await;
        let mut desktop = Device::new("desktop", &gateway, "orders");
        let mut tablet = Device::new("tablet", &gateway, "orders");
        tablet.works().await;
        desktop.works().await;
        tablet.works().await;
        does(&mut desktop).await;
        for _ in 0..3 {
            tablet.works().await;
        }
        let counters = gateway.counters();
        // Each order arrived once, and what was rejected came again.
        assert_eq!(gateway.gateway().orders(), desktop.calls + tablet.calls, "{regime:?}");
        assert_eq!(counters.replayed, counters.rejected, "{regime:?}");
        gateway.stop().await.expect("it ran until now");
    }
}

#[tokio::test]
async fn tablet_goes_on_when_the_desktop_logs_out() {
    tablet_goes_on_when_desktop(async |desktop| {
        desktop.session.logout().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn tablet_goes_on_when_the_desktop_refreshes() {
    tablet_goes_on_when_desktop(async |desktop| desktop.refresh().await).await;
}

#[tokio::test]
async fn tablet_goes_on_when_the_desktop_logs_in_again() {
    tablet_goes_on_when_desktop(async |desktop| {
        desktop.log_in_again();
        desktop.works().await;
    })
    .await;
}

#[tokio::test]
async fn tablet_goes_on_when_the_desktop_logs_out_and_in_again() {
    tablet_goes_on_when_desktop(async |desktop| {
        desktop.session.logout().await.unwrap();
        desktop.log_in_again();
        desktop.works().await;
    })
    .await;
}

/// The regimes do differ, and the tablet notices what its gateway's rules say: else the tests above show nothing.
#[tokio::test]
async fn what_the_desktop_does_costs_the_tablet_what_the_regime_says() {
    for (regime, rejected_by_login, rejected_by_logout) in
        [(Regime::Opaque, 0, 1), (Regime::Jwt, 1, 0), (Regime::Beside, 0, 0), (Regime::Unpersisted, 0, 0)]
    {
        let gateway = start(regime).await;
        let mut desktop = Device::new("desktop", &gateway, "orders");
        let mut tablet = Device::new("tablet", &gateway, "orders");
        tablet.works().await;
        desktop.works().await;
        tablet.works().await;
        assert_eq!(gateway.counters().rejected, rejected_by_login, "{regime:?}");
        desktop.session.logout().await.unwrap();
        tablet.works().await;
        assert_eq!(gateway.counters().rejected - rejected_by_login, rejected_by_logout, "{regime:?}");
        gateway.stop().await.unwrap();
    }
}

#[tokio::test]
async fn devices_with_scopes_of_their_own_never_disturb_each_other() {
    for regime in REGIMES {
        let gateway = start(regime).await;
        let mut desktop = Device::new("desktop", &gateway, "orders device_desktop");
        let mut tablet = Device::new("tablet", &gateway, "orders device_tablet");
        for _ in 0..20 {
            desktop.works().await;
            tablet.works().await;
        }
        desktop.refresh().await;
        tablet.works().await;
        desktop.session.logout().await.unwrap();
        tablet.works().await;
        let counters = gateway.counters();
        assert_eq!((counters.rejected, counters.token_requests("password")), (0, 2), "{regime:?}");
        gateway.stop().await.unwrap();
    }
}

/// Asking revokes the other's token, and neither has a scope of its own: they would do so for ever.
#[tokio::test]
async fn devices_that_revoke_each_other_are_damped_after_ten_renewals_a_minute() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Messages(events.clone())));
    let gateway = start(Regime::Jwt).await;
    let mut desktop = Device::new("desktop", &gateway, "orders");
    let mut tablet = Device::new("tablet", &gateway, "orders");
    desktop.works().await;
    tablet.works().await;
    for _ in 0..10 {
        desktop.works().await;
        tablet.works().await;
    }
    assert_eq!(gateway.counters().token_requests("password"), 22);
    assert!(!events.lock().unwrap().contains(&"renewals damped".to_owned()));

    let response = desktop.call("one too many").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let failed = response.extensions().get::<RenewalFailed>().expect("the cause travels with the rejection");
    assert_eq!(failed.error().kind(), ErrorKind::Damped);
    assert!(failed.error().to_string().contains("device_"), "the remedy is named: {}", failed.error());
    assert!(events.lock().unwrap().contains(&"renewals damped".to_owned()));
    // The tablet has its peace now.
    tablet.works().await;
    assert_eq!(gateway.counters().token_requests("password"), 22);
    gateway.stop().await.unwrap();
}

/// The messages of the crate's events.
struct Messages(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Messages {
    fn on_event(&self, event: &tracing::Event<'_>, _context: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "tower_reauth" {
            event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                if field.name() == "message" {
                    self.0.lock().expect("no test panics while it holds this").push(format!("{value:?}"));
                }
            });
        }
    }
}
