//! Callers who want orders, and the weather that they do it in.
//!
//! 1. Every session has a scope of its own, so only a rival who knows its secret ends its token: by asking for another one.
//! 2. Now and then all tokens die at once, sometimes while the authorization server is down.
//! 3. The network is slow: calls are under way when their token dies, and renewals take long enough for others to join.

use std::{convert::Infallible, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{task::JoinSet, time::sleep};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneService};
use tower_reauth::{
    ClientAuth, ClientCredentialsGrant, Error, Origins, PasswordGrant, Reauth, ReauthLayer, Session, TokenEndpoint,
    Wso2Classifier,
};

use crate::support::{Gateway, Options, Regime, Running};

const SESSIONS: u16 = 12;
/// Short enough for renewals ahead of time, and for tokens that expire.
const LIFETIME: Duration = Duration::from_secs(20);
const CLIENT: &str = "orders-app";
const SECRET: &str = "orders-secret";
const PASSWORD: &str = "password";

type Response = http::Response<hyper::body::Incoming>;
type Http = Client<HttpConnector, Full<Bytes>>;
type Network = BoxCloneService<Request<Full<Bytes>>, Response, legacy::Error>;

/// The gateway that the callers call: a new token ends the old one.
pub(crate) fn options() -> Options {
    let options = Options::new(Regime::Jwt).client(CLIENT, SECRET).token_lifetime(LIFETIME);
    (0..SESSIONS).fold(options, |options, number| options.user(&user(number), PASSWORD))
}

/// Lets the callers and the weather loose, until the set is dropped.
pub(crate) fn start(gateway: &Running, callers: u16) -> Result<JoinSet<Infallible>, Error> {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let endpoint = TokenEndpoint::new(slow(http.clone(), 80..500), &gateway.url("/oauth2/token"))?
        .client_auth(ClientAuth::basic(CLIENT, SECRET));
    let origins = Origins::only(gateway.url(""))?;
    let apis: Vec<_> = (0..SESSIONS)
        .map(|number| {
            ReauthLayer::new(session(number, &endpoint), origins.clone())
                .classify(Wso2Classifier::new())
                .layer(slow(http.clone(), 5..40))
        })
        .collect();

    let mut storm = JoinSet::new();
    for (_, api) in (0..callers).zip(apis.iter().cycle()) {
        storm.spawn(call(api.clone(), gateway.url("/orders")));
    }
    storm.spawn(rival(http, gateway.url("/oauth2/token")));
    storm.spawn(weather(gateway.gateway().clone()));
    Ok(storm)
}

/// Users with passwords, and services with credentials of their own.
fn session(number: u16, endpoint: &TokenEndpoint) -> Session {
    let endpoint = endpoint.clone();
    if is_user(number) {
        Session::new(PasswordGrant::new(endpoint, user(number), PASSWORD).scope(scope(number)))
    } else {
        Session::new(ClientCredentialsGrant::new(endpoint).scope(scope(number)))
    }
}

/// The only code that calls the API, and it knows nothing of tokens.
async fn call(api: Reauth<Network>, url: String) -> Infallible {
    loop {
        sleep(Duration::from_millis(fastrand::u64(100..800))).await;
        let request = Request::get(&url).body(Full::default()).expect("the address is valid");
        // What became of it is counted by the layer.
        if let Ok(response) = api.clone().oneshot(request).await {
            let _ = response.into_body().collect().await;
        }
    }
}

/// Somebody with the same credentials, on another device: each time, one session's token dies.
async fn rival(http: Http, token_url: String) -> Infallible {
    loop {
        sleep(Duration::from_millis(fastrand::u64(500..4000))).await;
        let number = fastrand::u16(0..SESSIONS);
        let grant = if is_user(number) {
            format!("grant_type=password&username={}&password={PASSWORD}", user(number))
        } else {
            "grant_type=client_credentials".to_owned()
        };
        let form = format!("{grant}&scope={}&client_id={CLIENT}&client_secret={SECRET}", scope(number));
        let request = Request::post(&token_url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form))
            .expect("the address is valid");
        // A rival who fails does no harm.
        let _ = http.request(request).await;
    }
}

/// All tokens die at once; every third time the authorization server is down as well.
async fn weather(gateway: Arc<Gateway>) -> Infallible {
    for turn in 1_u32.. {
        sleep(Duration::from_secs(fastrand::u64(8..15))).await;
        gateway.revoke_all();
        if turn.is_multiple_of(3) {
            gateway.set_outage(true);
            sleep(Duration::from_millis(2500)).await;
            gateway.set_outage(false);
        }
    }
    unreachable!("nobody waits for that many turns")
}

/// The client, with a delay in milliseconds before anything is sent.
fn slow(http: Http, delay: Range<u64>) -> Network {
    service_fn(move |request| {
        let (http, delay) = (http.clone(), Duration::from_millis(fastrand::u64(delay.clone())));
        async move {
            sleep(delay).await;
            http.request(request).await
        }
    })
    .boxed_clone()
}

fn is_user(number: u16) -> bool {
    number.is_multiple_of(2)
}

fn user(number: u16) -> String {
    format!("user{number}")
}

fn scope(number: u16) -> String {
    format!("device_{number}")
}
