//! Two devices of one user at a server that keeps one active token by WSO2's rules: whatever the one does, the other goes on.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    ErrorKind, Origins, PasswordGrant, Reauth, ReauthLayer, RenewalFailed, ResponseBody, Session, Wso2Classifier,
};
use tracing_subscriber::prelude::*;

use crate::support::*;

const REGIMES: [Regime; 4] = [Regime::SameAgain, Regime::NewKillsOld, Regime::Beside, Regime::Unpersisted];
const CHALLENGE: &str = r#"OAuth2 realm="WSO2 API Manager 4", error="invalid_token""#;
const FAULT: &str = r#"{"code":"900901","message":"invalid credentials"}"#;

/// WSO2's gateway.
struct Gateway {
    issuer: Issuer,
    resource: Resource,
}

struct Device {
    name: &'static str,
    session: Session,
    api: Reauth<Resource>,
    grant: Box<dyn Fn() -> PasswordGrant>,
    calls: usize,
}

impl Gateway {
    fn start(regime: Regime) -> Self {
        let issuer = Issuer::new();
        issuer.regime(regime);
        let resource = Resource::new(&issuer);
        resource.reject_with(|| {
            Response::builder().status(401).header("www-authenticate", CHALLENGE).body(Full::from(FAULT)).unwrap()
        });
        Self { issuer, resource }
    }

    fn rejected(&self) -> usize {
        self.resource.count_of(401)
    }
}

impl Device {
    fn new(name: &'static str, gateway: &Gateway, scope: &'static str) -> Self {
        let endpoint = gateway.issuer.endpoint();
        let grant = move || PasswordGrant::new(endpoint.clone(), USERNAME, PASSWORD).scope(scope);
        let session = Session::new(grant());
        let layer = ReauthLayer::new(session.clone(), Origins::only(ORIGIN).unwrap()).classify(Wso2Classifier::new());
        Self { name, session, api: layer.layer(gateway.resource.clone()), grant: Box::new(grant), calls: 0 }
    }

    /// Creates an order, and asserts that the user notices nothing.
    async fn works(&mut self) {
        let response = self.call().await;
        let failed = response.extensions().get::<RenewalFailed>().map(|failed| failed.error().to_string());
        assert_eq!(response.status(), StatusCode::OK, "{}: {failed:?}", self.name);
    }

    async fn call(&mut self) -> Response<ResponseBody<Full<Bytes>>> {
        self.calls += 1;
        let order = format!("{} order {}", self.name, self.calls);
        self.api.clone().oneshot(post("/orders", order)).await.expect("there is an answer")
    }

    fn log_in_again(&self) {
        self.session.login((self.grant)());
    }

    async fn refresh(&self) {
        let token = self.session.token().await.expect("the gateway hands out tokens");
        self.session.renew(token.generation()).await.expect("the refresh token is good");
    }
}

/// Both work, then the desktop does something, then the tablet works on.
async fn tablet_goes_on_when_desktop(does: impl AsyncFn(&mut Device)) {
    for regime in REGIMES {
        let gateway = Gateway::start(regime);
        let mut desktop = Device::new("desktop", &gateway, "orders");
        let mut tablet = Device::new("tablet", &gateway, "orders");
        tablet.works().await;
        desktop.works().await;
        tablet.works().await;
        does(&mut desktop).await;
        for _ in 0..3 {
            tablet.works().await;
        }
        // Each order arrived once, and what was rejected came again.
        let seen = gateway.resource.seen();
        let orders = seen.iter().filter(|seen| seen.status == Some(StatusCode::OK)).map(|seen| seen.body.clone());
        assert_eq!(orders.collect::<BTreeSet<_>>().len(), desktop.calls + tablet.calls, "{regime:?}");
        assert_eq!(seen.len(), desktop.calls + tablet.calls + gateway.rejected(), "{regime:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn tablet_goes_on_when_the_desktop_logs_out() {
    tablet_goes_on_when_desktop(async |desktop| {
        desktop.session.logout().await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tablet_goes_on_when_the_desktop_refreshes() {
    tablet_goes_on_when_desktop(async |desktop| desktop.refresh().await).await;
}

#[tokio::test(start_paused = true)]
async fn tablet_goes_on_when_the_desktop_logs_in_again() {
    tablet_goes_on_when_desktop(async |desktop| {
        desktop.log_in_again();
        desktop.works().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tablet_goes_on_when_the_desktop_logs_out_and_in_again() {
    tablet_goes_on_when_desktop(async |desktop| {
        desktop.session.logout().await.unwrap();
        desktop.log_in_again();
        desktop.works().await;
    })
    .await;
}

/// The regimes do differ, and the tablet notices what its gateway's rules say: else the tests above show nothing.
#[tokio::test(start_paused = true)]
async fn what_the_desktop_does_costs_the_tablet_what_the_regime_says() {
    for (regime, rejected_by_login, rejected_by_logout) in
        [(Regime::SameAgain, 0, 1), (Regime::NewKillsOld, 1, 0), (Regime::Beside, 0, 0), (Regime::Unpersisted, 0, 0)]
    {
        let gateway = Gateway::start(regime);
        let mut desktop = Device::new("desktop", &gateway, "orders");
        let mut tablet = Device::new("tablet", &gateway, "orders");
        tablet.works().await;
        desktop.works().await;
        tablet.works().await;
        assert_eq!(gateway.rejected(), rejected_by_login, "{regime:?}");
        desktop.session.logout().await.unwrap();
        tablet.works().await;
        assert_eq!(gateway.rejected() - rejected_by_login, rejected_by_logout, "{regime:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn devices_with_scopes_of_their_own_never_disturb_each_other() {
    for regime in REGIMES {
        let gateway = Gateway::start(regime);
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
        assert_eq!((gateway.rejected(), gateway.issuer.token_requests_of("password")), (0, 2), "{regime:?}");
    }
}

/// Asking revokes the other's token, and neither has a scope of its own: they would do so for ever.
#[tokio::test(start_paused = true)]
async fn devices_that_revoke_each_other_are_damped_after_ten_renewals_a_minute() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Messages(events.clone())));
    let gateway = Gateway::start(Regime::NewKillsOld);
    let mut desktop = Device::new("desktop", &gateway, "orders");
    let mut tablet = Device::new("tablet", &gateway, "orders");
    desktop.works().await;
    tablet.works().await;
    for _ in 0..10 {
        desktop.works().await;
        tablet.works().await;
    }
    assert_eq!(gateway.issuer.token_requests(), 22);
    assert!(!events.lock().unwrap().contains(&"renewals damped".to_owned()));

    let response = desktop.call().await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let failed = response.extensions().get::<RenewalFailed>().expect("the cause travels with the rejection");
    assert_eq!(failed.error().kind(), ErrorKind::Damped);
    assert!(failed.error().to_string().contains("device_"), "the remedy is named: {}", failed.error());
    assert!(events.lock().unwrap().contains(&"renewals damped".to_owned()));
    // The tablet has its peace now.
    tablet.works().await;
    assert_eq!(gateway.issuer.token_requests(), 22);
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
