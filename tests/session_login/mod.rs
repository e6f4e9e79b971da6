//! Session logins, without OAuth: a name and a password as JSON, the token in a header, a logout that is a `DELETE`.

mod hook;
#[path = "../../examples/keystone/keystone.rs"]
mod keystone;
mod redfish;
#[path = "../../examples/keystone/server.rs"]
#[allow(dead_code)]
mod server;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::Request, middleware::Next};
use futures::future::join_all;
use tokio::time::advance;
use tower::{Layer, ServiceExt};
use tower_reauth::{ErrorKind, Origins, ReauthLayer, Scheme, Session, Status};

use self::{keystone::KeystoneLogin, server::OpenStack};
use crate::support::*;

/// The client that leads to the cloud.
type Http = Router;

const HOUR: Duration = Duration::from_secs(3600);

/// A cloud, a session of its user, and what came over the wire, in order.
struct Cloud {
    openstack: OpenStack,
    session: Session,
    http: Http,
    wire: Arc<Mutex<Vec<String>>>,
}

impl Cloud {
    fn new(password: &str) -> Self {
        let gate = Gate::closed();
        gate.open();
        Self::whose_logout_passes(&gate, password)
    }

    fn whose_logout_passes(gate: &Gate, password: &str) -> Self {
        let openstack = OpenStack::new(USERNAME, PASSWORD, HOUR);
        let wire = Arc::<Mutex<Vec<String>>>::default();
        let (seen, gate) = (wire.clone(), gate.clone());
        let watch = move |request: Request, next: Next| {
            let (seen, gate) = (seen.clone(), gate.clone());
            async move {
                let what = format!("{} {}", request.method(), request.uri().path());
                if request.method() == "DELETE" {
                    gate.pass().await;
                }
                let response = next.run(request).await;
                seen.lock().unwrap().push(format!("{what} {}", response.status().as_u16()));
                response
            }
        };
        let http = openstack.router().layer(axum::middleware::from_fn(watch));
        let session = Session::new(KeystoneLogin::new(http.clone(), ORIGIN, USERNAME, password).project("demo"));
        Self { openstack, session, http, wire }
    }

    /// The status of a call to the compute service.
    async fn call(&self) -> u16 {
        let layer = ReauthLayer::new(&self.session, Origins::only(ORIGIN).unwrap());
        let api = layer.header("x-auth-token").unwrap().scheme(Scheme::bare()).layer(self.http.clone());
        api.oneshot(get("/v2.1/servers")).await.unwrap().status().as_u16()
    }

    /// How often this came over the wire.
    fn count(&self, line: &str) -> usize {
        self.wire.lock().unwrap().iter().filter(|seen| *seen == line).count()
    }
}

#[tokio::test(start_paused = true)]
async fn crowd_without_a_token_logs_in_once() {
    let cloud = Cloud::new(PASSWORD);
    let statuses = join_all((0..1000).map(|_| cloud.call())).await;
    assert!(statuses.iter().all(|status| *status == 200));
    assert_eq!((cloud.openstack.logins(), cloud.count("GET /v2.1/servers 401")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn rejection_that_names_another_scheme_is_healed_by_one_login_for_all() {
    let cloud = Cloud::new(PASSWORD);
    cloud.call().await;
    cloud.openstack.revoke_all();
    let statuses = join_all((0..1000).map(|_| cloud.call())).await;
    assert!(statuses.iter().all(|status| *status == 200));
    assert_eq!((cloud.openstack.logins(), cloud.count("GET /v2.1/servers 401")), (2, 1000));
}

#[tokio::test(start_paused = true)]
async fn token_is_used_until_the_end_that_the_server_states_and_not_beyond() {
    let cloud = Cloud::new(PASSWORD);
    cloud.call().await;
    assert_eq!(cloud.session.token().await.unwrap().token_set().lifetime(), Some(HOUR));
    advance(HOUR / 2).await;
    cloud.call().await;
    assert_eq!(cloud.openstack.logins(), 1);
    advance(HOUR / 2).await;
    cloud.call().await;
    assert_eq!((cloud.openstack.logins(), cloud.count("GET /v2.1/servers 401")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn logout_deletes_the_newest_token_once() {
    let cloud = Cloud::new(PASSWORD);
    cloud.call().await;
    cloud.openstack.revoke_all();
    cloud.call().await;
    assert_eq!(cloud.openstack.tokens(), 1);
    cloud.session.logout().await.unwrap();
    assert_eq!(cloud.openstack.tokens(), 0);
    assert_eq!(cloud.count("DELETE /v3/auth/tokens 204"), 1);
    assert!(cloud.session.shutdown(HOUR).await);
    assert_eq!(cloud.wire.lock().unwrap().iter().filter(|line| line.starts_with("DELETE")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn logout_of_a_token_that_died_before_is_no_failure() {
    let cloud = Cloud::new(PASSWORD);
    cloud.call().await;
    cloud.openstack.revoke_all();
    cloud.session.logout().await.unwrap();
    assert_eq!(cloud.count("DELETE /v3/auth/tokens 401"), 1);
}

#[tokio::test(start_paused = true)]
async fn logout_goes_on_without_the_password_which_is_wiped_by_then() {
    let gate = Gate::closed();
    let cloud = Cloud::whose_logout_passes(&gate, PASSWORD);
    cloud.call().await;
    let logout = cloud.session.logout();
    assert_eq!(cloud.session.status(), Status::LoggedOut);
    never_hangs(gate.arrived(1)).await;
    assert_eq!(cloud.openstack.tokens(), 1);
    gate.open();
    logout.await.unwrap();
    assert_eq!(cloud.openstack.tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn wrong_password_is_sent_once_and_the_session_is_refused() {
    let cloud = Cloud::new("wrong");
    for _ in 0..20 {
        assert_eq!(cloud.session.token().await.unwrap_err().kind(), ErrorKind::Refused);
        advance(Duration::from_secs(60)).await;
    }
    assert_eq!((cloud.openstack.refused(), cloud.session.status()), (1, Status::Refused));
}
