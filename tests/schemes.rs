//! Other schemes and headers: what is sent, what is healed, and what redirects do to a header that is not `Authorization`.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::{Ready, ready};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_reauth::{
    Error, ErrorKind, Origins, OwnAuthorization, ReauthLayer, RenewalFailed, Scheme, Session, Sessions, TokenSet,
    grant_fn,
};

use crate::{
    http_support::session,
    support::{Answer, Kind, ORIGIN, World, call, get},
};

type Reply = Response<Full<Bytes>>;

/// An API that takes one token, in this header and after this prefix, and keeps the headers of all requests.
#[derive(Clone)]
struct Api {
    header: &'static str,
    prefix: &'static str,
    challenge: Option<&'static str>,
    /// The number of the token.
    live: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Api {
    fn new(header: &'static str, prefix: &'static str, challenge: Option<&'static str>) -> Self {
        Self { header, prefix, challenge, live: Arc::new(AtomicUsize::new(2)), seen: Arc::default() }
    }

    fn answer(&self, request: &Request<Full<Bytes>>) -> Ready<Result<Reply, Infallible>> {
        self.seen.lock().unwrap().push(request.headers().clone());
        let live = format!("{}token-{}", self.prefix, self.live.load(Ordering::SeqCst));
        let mut response = Response::new(Full::default());
        if request.headers().get(self.header).is_none_or(|value| value != live.as_str()) {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = self.challenge.map(HeaderValue::from_static);
            response.headers_mut().extend(challenge.map(|value| (http::header::WWW_AUTHENTICATE, value)));
        }
        ready(Ok(response))
    }

    fn service(
        &self,
    ) -> impl tower::Service<Request<Full<Bytes>>, Response = Reply, Error = Infallible, Future: Send> + Clone + use<>
    {
        let api = self.clone();
        service_fn(move |request| api.answer(&request))
    }

    /// The token's header in each request, in their order.
    fn values(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|headers| {
                let mut values = headers.get_all(self.header).iter();
                let value = values.next().expect("a token");
                assert!(values.next().is_none() && value.is_sensitive());
                value.to_str().unwrap().to_owned()
            })
            .collect()
    }
}

fn layer(session: &Session, header: &str, scheme: Scheme) -> ReauthLayer {
    let layer = ReauthLayer::new(session, Origins::only(ORIGIN).unwrap());
    layer.header(header).unwrap().scheme(scheme)
}

fn word(word: &str) -> Scheme {
    Scheme::word(word).unwrap()
}

#[tokio::test(start_paused = true)]
async fn token_goes_out_under_the_layers_scheme_and_a_rejection_in_its_words_is_healed() {
    for (header, scheme, prefix, challenge) in [
        ("authorization", word("Token"), "Token ", Some(r#"Token realm="api""#)),
        ("authorization", word("Splunk"), "Splunk ", Some(r#"Splunk realm="/splunk""#)),
        ("Authorization", word("bearer"), "bearer ", Some(r#"Bearer error="invalid_token""#)),
        ("authorization", Scheme::bare(), "", Some("ApiKey")),
        ("X-Auth-Token", Scheme::bare(), "", Some(r#"Keystone uri="https://keystone.example""#)),
        ("x-auth-token", Scheme::bare(), "", Some(r#"Basic realm="redfish""#)),
        ("X-Shopify-Access-Token", Scheme::bare(), "", None),
        ("PRIVATE-TOKEN", Scheme::bare(), "", None),
        ("Ocp-Apim-Subscription-Key", Scheme::bare(), "", None),
        ("X-Gateway", Scheme::default(), "Bearer ", Some("Bearer")),
    ] {
        let (session, fetched) = session();
        let api = Api::new(header, prefix, challenge);
        let stack = layer(&session, header, scheme).layer(api.service());
        // The replay, a clone for each call, and a service that is used again.
        assert_eq!(stack.clone().oneshot(get("/orders")).await.unwrap().status(), 200, "{header} {challenge:?}");
        assert_eq!(stack.clone().oneshot(get("/orders")).await.unwrap().status(), 200);
        let mut one = stack;
        for _ in 0..4 {
            assert_eq!(call(&mut one, get("/orders")).await.unwrap().status(), 200);
        }
        api.live.store(3, Ordering::SeqCst);
        assert_eq!(call(&mut one, get("/orders")).await.unwrap().status(), 200);
        let numbers = [1, 2, 2, 2, 2, 2, 2, 2, 3];
        assert_eq!(api.values(), numbers.map(|number| format!("{prefix}token-{number}")));
        assert_eq!(fetched.load(Ordering::SeqCst), 3);
        let is_named = |headers: &HeaderMap| headers.len() == 1;
        assert!(api.seen.lock().unwrap().iter().all(is_named), "the token stands in its header alone");
    }
}

#[tokio::test(start_paused = true)]
async fn layers_with_different_schemes_share_one_session() {
    let (session, fetched) = session();
    let apis = [
        Api::new("authorization", "Bearer ", None),
        Api::new("authorization", "Token ", None),
        Api::new("x-auth-token", "", None),
    ];
    let schemes = [Scheme::default(), word("Token"), Scheme::bare()];
    for round in 0..2 {
        for (api, scheme) in apis.iter().zip(&schemes) {
            let stack = layer(&session, api.header, scheme.clone()).layer(api.service());
            assert_eq!(stack.oneshot(get("/orders")).await.unwrap().status(), 200, "{scheme:?} {round}");
        }
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 2, "the first rejection renewed for all");
    assert_eq!(apis[1].values(), ["Token token-2"; 2]);
    assert_eq!(apis[2].values(), ["token-2"; 2]);
}

#[tokio::test(start_paused = true)]
async fn sessions_of_many_users_send_theirs_under_the_layers_scheme() {
    let sessions = Sessions::new();
    for user in [1_u128, 2] {
        sessions.insert(user, Session::new(grant_fn(move |_| async move { TokenSet::new(format!("token-{user}")) })));
    }
    let api = Api::new("x-auth-token", "", None);
    let origins = Origins::only(ORIGIN).unwrap();
    let layer = ReauthLayer::new(&sessions, origins).header("x-auth-token").unwrap().scheme(Scheme::bare());
    let mut stack = layer.layer(api.service());
    for user in [1_u128, 2, 2, 1] {
        api.live.store(user.try_into().unwrap(), Ordering::SeqCst);
        let mut request = get("/orders");
        request.extensions_mut().insert(user);
        assert_eq!(call(&mut stack, request).await.unwrap().status(), 200);
    }
    assert_eq!(api.values(), ["token-1", "token-2", "token-2", "token-1"]);
}

#[tokio::test(start_paused = true)]
async fn value_of_an_own_scheme_is_built_once_for_each_token() {
    let count = AtomicUsize::new(0);
    let session = Session::new(grant_fn(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok(TokenSet::new(format!("token-{number}"))?.with_lifetime(Duration::from_secs(3600))) }
    }));
    session.token().await.unwrap();
    for scheme in [word("Token"), Scheme::bare(), Scheme::default()] {
        let places = Arc::new(Mutex::new(Vec::new()));
        let noted = places.clone();
        let api = service_fn(move |request: Request<Full<Bytes>>| {
            // Kept, so that its bytes stay where they are.
            noted.lock().unwrap().push(request.headers()["x-auth-token"].clone());
            ready(Ok::<_, Infallible>(Reply::default()))
        });
        let mut stack = layer(&session, "x-auth-token", scheme).layer(api);
        for _ in 0..6 {
            call(&mut stack, get("/orders")).await.unwrap();
            // The session is asked anew: a copy of a token that has an end is good for a second.
            tokio::time::advance(Duration::from_secs(5)).await;
        }
        let places: Vec<_> = places.lock().unwrap().iter().map(|value| value.as_bytes().as_ptr()).collect();
        // From the second call on the service is private.
        assert!(places[1..].iter().all(|place| *place == places[1]), "{places:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn own_authorization_is_about_the_layers_own_header() {
    let api = Api::new("x-auth-token", "", None);
    let (session, fetched) = session();
    let stack = |own| layer(&session, "X-Auth-Token", Scheme::bare()).own_authorization(own).layer(api.service());
    let request = |name: &'static str| {
        let mut request = get("/orders");
        request.headers_mut().insert(name, HeaderValue::from_static("my-own"));
        request
    };
    let kept = stack(OwnAuthorization::Keep).oneshot(request("x-auth-token")).await.unwrap();
    assert_eq!((kept.status().as_u16(), fetched.load(Ordering::SeqCst)), (401, 0));
    let error = stack(OwnAuthorization::Reject).oneshot(request("x-auth-token")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OwnAuthorization);
    assert_eq!(error.to_string(), "the request has a header `x-auth-token` of its own");
    assert_eq!(stack(OwnAuthorization::Replace).oneshot(request("x-auth-token")).await.unwrap().status(), 200);
    let values: Vec<_> = api.seen.lock().unwrap().iter().map(|headers| headers["x-auth-token"].clone()).collect();
    assert_eq!(values, ["my-own", "token-1", "token-2"]);
    // `Authorization` is the caller's then.
    for own in [OwnAuthorization::Keep, OwnAuthorization::Replace, OwnAuthorization::Reject] {
        assert_eq!(stack(own).oneshot(request("authorization")).await.unwrap().status(), 200);
        assert_eq!(api.seen.lock().unwrap().last().unwrap()[AUTHORIZATION], "my-own");
    }
}

#[tokio::test(start_paused = true)]
async fn classifier_that_was_set_stays_whatever_the_scheme() {
    let (session, fetched) = session();
    let api = Api::new("authorization", "Splunk ", Some("Splunk"));
    let ours = || tower_reauth::BearerClassifier::new().strict();
    let layers = [
        layer(&session, "authorization", word("Splunk")).classify(ours()),
        layer(&session, "authorization", Scheme::default()).classify(ours()).scheme(word("Splunk")),
    ];
    for layer in layers {
        assert_eq!(layer.layer(api.service()).oneshot(get("/orders")).await.unwrap().status(), 401);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
}

#[test]
fn names_that_no_header_of_a_token_can_have_are_refused() {
    let (session, _) = session();
    let layer = || ReauthLayer::new(&session, Origins::only(ORIGIN).unwrap());
    for name in [
        "",
        " ",
        "X Auth",
        "X-Auth:",
        ":authority",
        "x\r\ny",
        "Schlüssel",
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "TE",
        "trailer",
        "Upgrade",
        "Keep-Alive",
        "proxy-connection",
        "cookie",
        "Content-Type",
    ] {
        let error = layer().header(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
    }
    for name in ["X-Auth-Token", "authorization", "proxy-authorization"] {
        assert!(layer().header(name).is_ok(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn token_that_cannot_stand_in_a_header_is_an_error_at_the_call_and_is_not_shown() {
    for token in ["two words-hunter2", "hunter2\r\nx: y", "hunter2\u{e9}", " hunter2", "hunter2\0"] {
        for scheme in [Scheme::bare(), word("Token"), Scheme::default()] {
            let api = Api::new("x-auth-token", "", None);
            let session = Session::new(grant_fn(move |_| async move { TokenSet::new(token) }));
            let stack = layer(&session, "x-auth-token", scheme.clone()).layer(api.service());
            let of_grant = stack.oneshot(get("/orders")).await.unwrap_err();

            let world = World::new(Kind::ClientCredentials);
            let body = serde_json::json!({"access_token": token, "token_type": "Bearer"}).to_string();
            world.issuer.next(Answer::status(200, body));
            let stack = layer(&world.session, "x-auth-token", scheme).layer(api.service());
            let of_endpoint = stack.oneshot(get("/orders")).await.unwrap_err();

            assert!(api.seen.lock().unwrap().is_empty(), "nothing is sent");
            for error in [of_grant, of_endpoint] {
                assert_eq!(error.kind(), ErrorKind::InvalidAccessToken);
                let shown = format!("{error} {error:?}");
                assert!(shown.contains("has a space or another character"), "{shown}");
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
    }
}

const ELSEWHERE: &str = "https://elsewhere.example";

/// Redirects to another host, which writes down what it gets.
fn redirecting(
    elsewhere: &Arc<Mutex<Vec<HeaderMap>>>,
) -> impl tower::Service<Request<Full<Bytes>>, Response = Reply, Error = Infallible, Future: Send> + Clone + use<> {
    let elsewhere = elsewhere.clone();
    service_fn(move |request: Request<Full<Bytes>>| {
        let mut response = Reply::default();
        if request.uri().host() == Some("api.example") {
            assert!(request.headers().len() == 1, "the token goes to the API");
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert("location", HeaderValue::from_static(ELSEWHERE));
        } else {
            elsewhere.lock().unwrap().push(request.headers().clone());
        }
        ready(Ok::<_, Infallible>(response))
    })
}

#[tokio::test(start_paused = true)]
async fn redirect_around_the_layer_takes_no_token_along_whatever_its_header_is() {
    for (header, scheme) in
        [("x-auth-token", Scheme::bare()), ("authorization", word("Token")), ("private-token", word("x"))]
    {
        let (session, _) = session();
        let elsewhere = Arc::default();
        let stack = ServiceBuilder::new()
            .layer(FollowRedirectLayer::new())
            .layer(layer(&session, header, scheme))
            .service(redirecting(&elsewhere));
        assert_eq!(stack.oneshot(get("/orders")).await.unwrap().status(), 200);
        let seen = std::mem::take(&mut *elsewhere.lock().unwrap());
        assert!(seen.len() == 1 && seen[0].is_empty(), "{seen:?}");
    }
}

/// What the docs of `ReauthLayer::header` warn of. Were it otherwise one day, they could say so.
#[tokio::test(start_paused = true)]
async fn redirect_inside_the_layer_strips_authorization_and_no_other_header() {
    for (header, is_carried) in [("authorization", false), ("x-auth-token", true)] {
        let (session, _) = session();
        let elsewhere = Arc::default();
        let stack = ServiceBuilder::new()
            .layer(layer(&session, header, Scheme::bare()))
            .layer(FollowRedirectLayer::new())
            .service(redirecting(&elsewhere));
        assert_eq!(stack.oneshot(get("/orders")).await.unwrap().status(), 200);
        assert_eq!(elsewhere.lock().unwrap()[0].contains_key(header), is_carried, "{header}");
    }
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn reqwest_carries_such_a_header_to_another_host_unless_its_redirects_are_off() {
    use crate::http_support::{
        answer,
        server::{Protocol::Http1, Recorder, Server},
        soon,
    };

    for (policy, is_carried) in
        [(reqwest::redirect::Policy::default(), true), (reqwest::redirect::Policy::none(), false)]
    {
        let carried = Arc::new(Mutex::new(Vec::new()));
        let noted = carried.clone();
        let elsewhere = Server::start(Http1, move |request: Request<_>, recorder: Recorder| {
            noted.lock().unwrap().push(request.headers().contains_key("x-auth-token"));
            async move {
                recorder.read(request).await;
                answer(StatusCode::OK, "elsewhere")
            }
        })
        .await;
        let location = elsewhere.uri("/landing");
        let home = Server::start(Http1, move |request: Request<_>, recorder: Recorder| {
            let location = location.clone();
            async move {
                assert!(request.headers().contains_key("x-auth-token"));
                recorder.read(request).await;
                let mut response = answer(StatusCode::TEMPORARY_REDIRECT, "");
                response.headers_mut().insert("location", location.parse().unwrap());
                response
            }
        })
        .await;
        let client = ServiceBuilder::new()
            .map_response(Response::<reqwest::Body>::from)
            .filter(<reqwest::Request as TryFrom<Request<reqwest::Body>>>::try_from)
            .service(reqwest::Client::builder().redirect(policy).build().unwrap());
        let (session, _) = session();
        let layer = ReauthLayer::new(session, Origins::only(&home.origin).unwrap());
        let stack = layer.header("X-Auth-Token").unwrap().scheme(Scheme::bare()).layer(client);
        let request = Request::get(home.uri("/")).body(reqwest::Body::default()).unwrap();
        let response = soon(stack.oneshot(request)).await.unwrap();
        assert_eq!(response.status().is_redirection(), !is_carried);
        assert_eq!(*carried.lock().unwrap(), vec![true; usize::from(is_carried)]);
    }
}

#[tokio::test(start_paused = true)]
async fn rejection_that_cannot_be_healed_is_passed_on_under_an_own_scheme_too() {
    let count = AtomicUsize::new(0);
    let session = Session::new(grant_fn(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move { if number == 0 { TokenSet::new("token-1") } else { Err(Error::new(ErrorKind::Refused, "no")) } }
    }));
    let api = Api::new("x-auth-token", "", Some("Keystone"));
    let response =
        layer(&session, "x-auth-token", Scheme::bare()).layer(api.service()).oneshot(get("/orders")).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.extensions().get::<RenewalFailed>().unwrap().error().kind(), ErrorKind::Refused);
    assert_eq!(api.values(), ["token-1"]);
}
