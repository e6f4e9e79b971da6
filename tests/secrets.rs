//! Case 54: nothing that is formatted, and nothing that is said to `tracing`, holds a secret (invariant 9).
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

mod support;

use std::{
    error::Error as StdError,
    fmt::Debug,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, engine::general_purpose};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use support::*;
use tokio::{net::TcpListener, time::advance};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::trace::{DefaultMakeSpan, TraceLayer};
use tower_reauth::{
    BoxGrant, ClientAuth, ClientCredentialsGrant, Error, Grant, GrantContext, JwtBearerGrant, Origins, PasswordGrant,
    ReauthLayer, Record, RefreshTokenGrant, RenewalFailed, SecretSource, Session, StoreKey, TokenEndpoint,
    TokenExchangeGrant, TokenSet, TokenType, Wso2Classifier, grant_with,
};
use tracing::Level;

const USER: &str = "user-0815@example.org";
const WRITTEN_PASSWORD: &str = "p@ss/wörd 4711+&%";
const WRITTEN_CLIENT_SECRET: &str = "cl!ent secret/0815+=";
const ASSERTION: &str = "eyJhbGciOiJub25lIn0.assertion";
const SUBJECT: &str = "eyJhbGciOiJub25lIn0.subject-0815";
/// What a server that makes mistakes puts into its answers.
const LEAK: &str = "leaked-token-90210";

/// Everything that was formatted, and everything that is not to be in it.
struct Watch {
    trace: Trace,
    shown: Arc<Mutex<Vec<String>>>,
    secrets: Vec<String>,
}

impl Watch {
    fn start() -> Self {
        let secrets =
            [USER, WRITTEN_PASSWORD, WRITTEN_CLIENT_SECRET, ASSERTION, SUBJECT, LEAK].map(str::to_owned).to_vec();
        Self { trace: Trace::start(), shown: Arc::default(), secrets }
    }

    fn show(&self, value: &impl Debug) {
        self.shown.lock().unwrap().extend([format!("{value:?}"), format!("{value:#?}")]);
    }

    fn show_error(&self, error: &(dyn StdError + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.shown.lock().unwrap().push(format!("{error} {error:?} {error:#?}"));
            next = error.source();
        }
    }

    /// The outcome of a call, with everything that hangs on it.
    fn show_answer<B: Debug>(&self, answer: Result<Response<B>, Error>) {
        match answer {
            Err(error) => self.show_error(&error),
            Ok(response) => {
                self.show(&response);
                if let Some(failed) = response.extensions().get::<RenewalFailed>() {
                    self.show_error(failed.error());
                }
            }
        }
    }

    /// The secrets that the story made.
    fn learn(&mut self, issuer: &Issuer) {
        let tokens = issuer.access_tokens();
        // The issuer numbers both in the same way.
        self.secrets.extend(tokens.iter().map(|token| token.replacen("access", "refresh", 1)));
        self.secrets.extend(tokens);
        for request in issuer.requests().iter().chain(&issuer.revocations()) {
            let names = ["refresh_token", "token", "password", "client_secret", "assertion"];
            self.secrets.extend(names.iter().filter_map(|name| request.parameter(name)).map(str::to_owned));
        }
    }

    /// The headers that the inner services were given: the values must be marked as sensitive.
    fn show_headers(&self, world: &World) {
        let token_requests = [world.issuer.requests(), world.issuer.revocations()].concat();
        token_requests.iter().for_each(|request| self.show(&request.headers));
        world.resource.seen().iter().for_each(|seen| self.show(&seen.headers));
    }

    fn assert_clean(mut self) {
        let mut texts = self.shown.lock().unwrap().clone();
        texts.extend(self.trace.lines());
        assert!(texts.iter().any(|text| text.contains("tower_reauth message=")), "nothing was said at all");
        let encoded: String = form_urlencoded::byte_serialize(WRITTEN_CLIENT_SECRET.as_bytes()).collect();
        // What stands in `Basic`.
        self.secrets.extend([encoded, WRITTEN_CLIENT_SECRET.to_owned()].map(|secret| format!("{CLIENT_ID}:{secret}")));
        self.secrets.sort();
        self.secrets.dedup();
        for form in self.secrets.iter().flat_map(|secret| forms(secret)) {
            for text in &texts {
                assert!(!text.contains(&form), "{form} in: {text}");
            }
        }
    }
}

/// The ways in which a secret may be written.
fn forms(secret: &str) -> Vec<String> {
    let bytes = format!("{:?}", secret.as_bytes());
    vec![
        secret.to_owned(),
        secret.escape_default().to_string(),
        form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        general_purpose::STANDARD.encode(secret),
        general_purpose::STANDARD_NO_PAD.encode(secret),
        general_purpose::URL_SAFE_NO_PAD.encode(secret),
        bytes.trim_matches(['[', ']']).to_owned(),
    ]
}

fn every_client_auth() -> [ClientAuth; 4] {
    [
        ClientAuth::assertion(CLIENT_ID, SecretSource::from_fn(|| std::future::ready(Ok(ASSERTION.into())))),
        ClientAuth::basic(CLIENT_ID, WRITTEN_CLIENT_SECRET),
        ClientAuth::basic_unencoded(CLIENT_ID, WRITTEN_CLIENT_SECRET),
        ClientAuth::post(CLIENT_ID, WRITTEN_CLIENT_SECRET),
    ]
}

/// A grant of this kind, at an endpoint with secrets of every sort.
fn grant(kind: Kind, issuer: &Issuer, endpoint: &TokenEndpoint, watch: &Watch) -> BoxGrant {
    let endpoint = endpoint.clone().parameter("assertion", ASSERTION);
    watch.show(&endpoint);
    match kind {
        Kind::Password => shown(watch, PasswordGrant::new(endpoint, USER, WRITTEN_PASSWORD).scope("orders")),
        Kind::ClientCredentials => shown(watch, ClientCredentialsGrant::new(endpoint).scope("orders")),
        Kind::RefreshToken => shown(watch, RefreshTokenGrant::new(endpoint, issuer.mint_refresh_token(USER))),
        Kind::JwtBearer => shown(watch, JwtBearerGrant::new(endpoint, SUBJECT)),
        Kind::TokenExchange => {
            shown(watch, TokenExchangeGrant::new(endpoint, SUBJECT).actor_token(ASSERTION, TokenType::JWT))
        }
        Kind::Custom => {
            let state = (endpoint, watch.shown.clone());
            let grant = grant_with(state, async |(endpoint, shown), context: GrantContext| {
                shown.lock().unwrap().push(format!("{context:?} {context:#?}"));
                endpoint.request(&context, &[("grant_type", "urn:example:custom")]).await
            });
            grant.boxed()
        }
    }
}

fn shown<G: Grant + Debug>(watch: &Watch, grant: G) -> BoxGrant {
    watch.show(&grant);
    grant.boxed()
}

/// Login, calls, renewals, a refused refresh token, troubles, and a logout whose revocation is answered in this way.
async fn story<A, R>(world: &World, api: &A, endpoint: &TokenEndpoint, path: &str, watch: &Watch, revocation: Answer)
where
    A: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Error, Future: Debug> + Clone + Debug,
    R: Debug,
{
    watch.show(api);
    let call = async || {
        let future = api.clone().ready_oneshot().await.unwrap().call(post(path, "body"));
        watch.show(&future);
        watch.show_answer(future.await);
    };
    world.issuer.always(Answer::tokens().with_refresh_token().member("id_token", LEAK));
    call().await;
    // One service for several calls has a copy of the token to itself.
    let mut own = api.clone();
    for _ in 0..3 {
        watch.show_answer(own.ready().await.unwrap().call(post(path, "body")).await);
        watch.show(&own);
    }
    let token = world.session.token().await.unwrap();
    watch.show(&token);
    watch.show(token.token_set());
    world.issuer.revoke_all();
    call().await;
    world.issuer.revoke_all();
    world.issuer.revoke_refresh_tokens();
    call().await;
    world.session.login(grant(world.kind, &world.issuer, endpoint, watch));
    call().await;
    world.issuer.revoke_all();
    world.issuer.next(Answer::status(500, format!("<p>{LEAK} {WRITTEN_PASSWORD}</p>")));
    call().await;
    watch.show(&world.session);
    world.issuer.next_revocation(revocation);
    let logout = world.session.logout();
    watch.show(&logout);
    if let Err(error) = logout.await {
        watch.show_error(&error);
    }
    assert!(world.kind == Kind::Custom || !world.issuer.revocations().is_empty());
    call().await;
}

/// Answers to a revocation: WSO2's, which repeat the tokens, and failures.
fn revocations() -> [Answer; 4] {
    let wso2 = |answer: Answer| answer.header("RevokedAccessToken", LEAK).header("RevokedRefreshToken", LEAK);
    [
        wso2(Answer::status(200, "")),
        wso2(Answer::status(400, format!(r#"{{"error":"invalid_request","error_description":"{LEAK}"}}"#))),
        Answer::status(500, LEAK),
        Answer::broken(),
    ]
}

#[tokio::test(start_paused = true)]
async fn whole_story_shows_no_secret() {
    for (client_auth, revocation) in every_client_auth().into_iter().cycle().zip(revocations()) {
        for_every_credential(async |world| {
            let mut watch = Watch::start();
            watch.show(&client_auth);
            let endpoint =
                TokenEndpoint::new(world.issuer.clone(), TOKEN_URI).unwrap().client_auth(client_auth.clone());
            let endpoint = endpoint.revocation(REVOCATION_URI).unwrap();
            let builder = Session::builder(grant(world.kind, &world.issuer, &endpoint, &watch));
            let world = world.with_session(builder.build());
            world.resource.reject_with(|| {
                let fault = r#"{"code":"900901","message":"Invalid Credentials"}"#;
                Response::builder().status(401).body(Full::from(fault)).unwrap()
            });
            let layer = world.layer().classify(Wso2Classifier::new());
            watch.show(&layer);
            let api = layer.layer(world.resource.clone());
            story(&world, &api, &endpoint, "/orders?page=1", &watch, revocation.clone()).await;
            assert!(world.issuer.token_requests() > 3 && world.resource.count_of(401) > 1);
            watch.learn(&world.issuer);
            watch.show_headers(&world);
            watch.assert_clean();
        })
        .await;
    }
}

/// The key, its proofs, and what servers give for them.
#[cfg(feature = "dpop")]
#[tokio::test(start_paused = true)]
async fn story_with_a_dpop_key_shows_no_secret() {
    use tower_reauth::{DpopKey, JwtAlgorithm};

    const D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","d":"{D}","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#);
    for_every_credential(async |world| {
        let mut watch = Watch::start();
        let bytes = general_purpose::URL_SAFE_NO_PAD.decode(D).unwrap();
        let numbers = format!("{bytes:?}");
        watch.secrets.extend([D.to_owned(), numbers.trim_matches(['[', ']']).to_owned()]);
        let key = DpopKey::from_jwk(JwtAlgorithm::EdDSA, jwk.as_str()).unwrap();
        watch.show(&key);
        watch.show_error(&DpopKey::from_jwk(JwtAlgorithm::ES256, jwk.as_str()).unwrap_err());
        watch.show_error(&DpopKey::from_signer(NoSigner, &jwk).unwrap_err());
        let [_, client_auth, ..] = every_client_auth();
        let endpoint = TokenEndpoint::new(world.issuer.clone(), TOKEN_URI).unwrap().client_auth(client_auth);
        world.issuer.require_dpop();
        let builder = Session::builder(grant(world.kind, &world.issuer, &endpoint, &watch)).dpop(key);
        watch.show(&builder);
        let world = world.with_session(builder.build());
        watch.show(&world.session);
        let (proofs, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        let api = world.layer().layer(tower::service_fn({
            let proofs = proofs.clone();
            move |request: Request<Full<Bytes>>| {
                let proof = request.headers().get("dpop").expect("each has one").to_str().unwrap().to_owned();
                let token = request.headers()["authorization"].to_str().unwrap().replacen("DPoP ", "", 1);
                proofs.lock().unwrap().extend([proof, token]);
                let response = match answers.fetch_add(1, Ordering::Relaxed) % 4 {
                    0 => Response::builder().status(401).header("www-authenticate", r#"DPoP error="use_dpop_nonce""#),
                    1 => Response::builder().status(401).header("www-authenticate", r#"DPoP error="invalid_token""#),
                    2 => {
                        Response::builder().status(401).header("www-authenticate", r#"DPoP error="invalid_dpop_proof""#)
                    }
                    _ => Response::builder(),
                };
                let mut nonce = http::HeaderValue::from_static(LEAK);
                nonce.set_sensitive(true);
                let response = response.header("dpop-nonce", nonce).body(Full::<Bytes>::default()).unwrap();
                async { Ok::<_, std::convert::Infallible>(response) }
            }
        }));
        watch.show(&api);
        for script in 0..6 {
            match script {
                1 | 3 => world.issuer.next(Answer::error(400, "use_dpop_nonce").header("dpop-nonce", LEAK)),
                4 => world.issuer.next(Answer::error(400, "invalid_dpop_proof").header("dpop-nonce", LEAK)),
                _ => {}
            }
            let future = api.clone().ready_oneshot().await.unwrap().call(post("/orders", "body"));
            watch.show(&future);
            watch.show_answer(future.await);
            advance(std::time::Duration::from_secs(61)).await;
        }
        watch.show(&world.session.record());
        watch.learn(&world.issuer);
        world.issuer.requests().iter().for_each(|request| watch.show(&request.headers));
        let sent = world.issuer.requests();
        watch.secrets.extend(sent.iter().map(|request| request.headers["dpop"].to_str().unwrap().to_owned()));
        watch.secrets.append(&mut proofs.lock().unwrap());
        assert!(sent.len() > 2 && watch.secrets.iter().filter(|secret| secret.matches('.').count() == 2).count() > 6);
        watch.assert_clean();
    })
    .await;
}

#[cfg(feature = "dpop")]
struct NoSigner;

#[cfg(feature = "dpop")]
impl tower_reauth::Signer for NoSigner {
    fn algorithm(&self) -> &str {
        "EdDSA"
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        unreachable!("its key is not taken")
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_hold_secrets_in_odd_places_show_none() {
    let answers = [
        Answer::status(200, format!(r#"{{"access_token":"{LEAK}","expires_in":36"#)),
        Answer::status(200, format!(r#"{{"access_token":"{LEAK}\n"}}"#)),
        Answer::status(200, format!(r#"{{"access_token":["{LEAK}"]}}"#)),
        Answer::status(200, format!(r#"{{"access_token":"{LEAK}","access_token":"{LEAK}"}}"#)),
        Answer::status(200, format!(r#"{{"access_token":"{LEAK}","token_type":"{LEAK}"}}"#)),
        Answer::status(200, format!(r#"{{"access_token":"{LEAK}","expires_in":"{LEAK}","scope":["{LEAK}"]}}"#)),
        Answer::status(200, format!(r#"{{"refresh_token":"{LEAK}"}}"#)),
        Answer::status(200, format!(r#"{{"error":"not ok: {LEAK}"}}"#)),
        Answer::status(200, LEAK),
        Answer::status(201, format!(r#"{{"access_token":"{LEAK}"}}"#)),
        Answer::status(302, LEAK).header("location", &format!("https://elsewhere.example/?token={LEAK}")),
        Answer::status(400, format!(r#"{{"error":"invalid_grant","error_description":"{WRITTEN_PASSWORD} {LEAK}"}}"#)),
        Answer::status(400, format!(r#"{{"error":"{LEAK} is wrong"}}"#)),
        Answer::status(401, LEAK).header("www-authenticate", &format!("Basic realm=\"{LEAK}\"")),
        Answer::status(503, LEAK).header("retry-after", LEAK),
        Answer::status(200, LEAK.repeat(100_000)),
    ];
    for answer in answers {
        for_every_credential(async |world| {
            let mut watch = Watch::start();
            let [client_auth, ..] = every_client_auth();
            let endpoint = TokenEndpoint::new(world.issuer.clone(), TOKEN_URI).unwrap().client_auth(client_auth);
            let world = world.with_session(Session::new(grant(world.kind, &world.issuer, &endpoint, &watch)));
            world.issuer.always(answer.clone());
            for _ in 0..3 {
                watch.show_answer(world.get("/orders").await);
                advance(std::time::Duration::from_secs(300)).await;
            }
            watch.learn(&world.issuer);
            watch.show_headers(&world);
            watch.assert_clean();
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn story_with_a_store_shows_no_secret() {
    for_every_credential(async |world| {
        let mut watch = Watch::start();
        let [client_auth, ..] = every_client_auth();
        let endpoint = TokenEndpoint::new(world.issuer.clone(), TOKEN_URI).unwrap().client_auth(client_auth);
        let endpoint = endpoint.revocation(REVOCATION_URI).unwrap();
        world.issuer.always(Answer::tokens().with_refresh_token().expires_in(3600));
        let store = MemoryStore::new();
        // The key of a browser's session is as good as a password.
        let [one, two] = [(); 2].map(|()| {
            let grant = grant(world.kind, &world.issuer, &endpoint, &watch);
            world.with_session(Session::builder(grant).store(store.clone(), LEAK).owner(WRITTEN_PASSWORD).build())
        });
        for fails in [Fails::Nothing, Fails::Saves, Fails::Everything, Fails::Nothing] {
            store.fails(fails);
            for process in [&one, &two] {
                watch.show_answer(process.get("/orders").await);
                watch.show(&process.session.record());
                world.issuer.revoke_all();
                advance(std::time::Duration::from_secs(61)).await;
            }
        }
        let text = store.record(LEAK).unwrap().to_json();
        watch.show(&store.history());
        watch.show(&StoreKey::from(LEAK));
        for cut in 0..text.expose_secret().len() {
            watch.show_error(&Record::from_json(&text.expose_secret()[..cut]).unwrap_err());
        }
        let _ = one.session.save().await.map_err(|error| watch.show_error(&error));
        let _ = one.session.logout().await.map_err(|error| watch.show_error(&error));
        watch.show_answer(two.get("/orders").await);
        watch.learn(&world.issuer);
        watch.assert_clean();
    })
    .await;
}

#[test]
fn values_show_no_secret() {
    let watch = Watch::start();
    tracing::info!(target: "tower_reauth", "so that something is said");
    let tokens = TokenSet::new(LEAK).unwrap().with_refresh_token(ASSERTION).with_extra("id_token", WRITTEN_PASSWORD);
    watch.show(&tokens);
    watch.show(&tokens.with_scope("orders").with_lifetime(std::time::Duration::from_secs(1)));
    watch.show_error(&TokenSet::new(format!("{LEAK}\n")).unwrap_err());
    let with_userinfo = format!("https://{USER}:{LEAK}@gw.example/token");
    let _ = Origins::only(&with_userinfo).map_err(|error| watch.show_error(&error));
    let _ = TokenEndpoint::new(Issuer::new(), &with_userinfo).map_err(|error| watch.show_error(&error));
    let with_query = TokenEndpoint::new(Issuer::new(), &format!("https://gw.example/token?key={LEAK}")).unwrap();
    watch.show(&with_query);
    watch.show(&with_query.revocation(format!("https://gw.example/revoke?key={LEAK}")).unwrap());
    watch.assert_clean();
}

/// The issuer and the resource behind one server.
async fn serve(issuer: Issuer, resource: Resource, listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (issuer, resource) = (issuer.clone(), resource.clone());
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (issuer, resource) = (issuer.clone(), resource.clone());
            async move {
                let (mut head, body) = request.into_parts();
                let body = Full::new(body.collect().await.map_err(|_| Broken)?.to_bytes());
                let path = head.uri.path().to_owned();
                let host = if path == "/orders" { ORIGIN } else { "https://issuer.example" };
                head.uri = format!("{host}{path}").parse().map_err(|_| Broken)?;
                let request = Request::from_parts(head, body);
                let answer =
                    if path == "/orders" { resource.oneshot(request).await } else { issuer.oneshot(request).await };
                answer.map_err(Broken::from)
            }
        });
        let connection = auto::Builder::new(TokioExecutor::new());
        tokio::spawn(async move {
            // A server's own log lines are not the client's business.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[tokio::test]
async fn whole_story_over_http_shows_no_secret_though_all_crates_log_everything() {
    for http2 in [false, true] {
        for kind in Kind::ALL {
            let mut watch = Watch::start();
            let world = World::new(kind);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            let server = tokio::spawn(serve(world.issuer.clone(), world.resource.clone(), listener));
            let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
            let span = DefaultMakeSpan::new().level(Level::TRACE).include_headers(true);
            let client = ServiceBuilder::new().layer(TraceLayer::new_for_http().make_span_with(span)).service(client);
            let [client_auth, ..] = every_client_auth();
            let endpoint = TokenEndpoint::new(client.clone(), &format!("{base}/token")).unwrap();
            let endpoint = endpoint.client_auth(client_auth).revocation(format!("{base}/revoke")).unwrap();
            let world = world.with_session(Session::new(grant(kind, &world.issuer, &endpoint, &watch)));
            let layer = ReauthLayer::new(world.session.clone(), Origins::only(&base).unwrap());
            let [revocation, ..] = revocations();
            story(&world, &layer.layer(client), &endpoint, &format!("{base}/orders"), &watch, revocation).await;
            assert!(world.issuer.token_requests() > 3 && world.resource.count() > 3);
            server.abort();
            watch.learn(&world.issuer);
            watch.assert_clean();
        }
    }
}

/// What a server says that repeats secrets: which one, how it is written, and what follows it.
type Repeated = Vec<(prop::sample::Index, prop::sample::Index, String)>;

fn repeated() -> impl Strategy<Value = Repeated> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[a-z ]{0,20}"), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever it repeats, of the request or of what the session holds besides, in JSON or in a form.
    #[test]
    fn description_of_a_server_that_repeats_secrets_holds_none_of_them(
        given in prop::collection::vec("[ -~äöü€日本語😀]{2,40}", 2),
        tokens in prop::collection::vec("[!-~]{2,60}", 2),
        client_auth in 0..3_usize,
        is_form: bool,
        repeated in repeated(),
    ) {
        let (password, client_secret) = (given[0].clone(), given[1].clone());
        let encoded: String = form_urlencoded::byte_serialize(client_secret.as_bytes()).collect();
        let mut secrets = vec![client_secret.clone(), tokens[0].clone(), tokens[1].clone()];
        // What stands in `Basic`.
        match client_auth {
            0 => secrets.extend([format!("{CLIENT_ID}:{encoded}"), format!("{CLIENT_ID}:{client_secret}")]),
            1 => secrets.push(format!("{CLIENT_ID}:{client_secret}")),
            _ => {}
        }
        let client_auth = match client_auth {
            0 => ClientAuth::basic(CLIENT_ID, client_secret.as_str()),
            1 => ClientAuth::basic_unencoded(CLIENT_ID, client_secret.as_str()),
            _ => ClientAuth::post(CLIENT_ID, client_secret.as_str()),
        };
        let refresh = |endpoint| RefreshTokenGrant::new(endpoint, "the first one").boxed();
        let said = said(&repeated, &secrets);
        let error = error_of(refresh, &tokens, &client_auth, &said, is_form);
        prop_assert_eq!(first_trace(&error, &secrets), None, "refresh: {}", said);

        secrets.extend([password.clone(), USER.to_owned()]);
        let password = |endpoint| PasswordGrant::new(endpoint, USER, password.as_str()).boxed();
        let said = self::said(&repeated, &secrets);
        let error = error_of(password, &tokens, &client_auth, &said, is_form);
        prop_assert_eq!(first_trace(&error, &secrets), None, "password: {}", said);
    }
}

fn said(repeated: &Repeated, secrets: &[String]) -> String {
    let mut said = String::from("no: ");
    for (secret, form, after) in repeated {
        let secret: &String = secret.get(secrets);
        let forms = forms_of_a_server(secret);
        let form: &String = form.get(&forms);
        said.extend([form.as_str(), after.as_str()]);
    }
    said
}

/// Eight characters of a secret in what can be had of an error.
fn first_trace(error: &Error, secrets: &[String]) -> Option<String> {
    let description = error.description_untrusted().expect("the server gave one").to_owned();
    assert!(description.starts_with("no: ") && description.chars().count() <= 512, "{description}");
    let texts = [description, error.to_string(), format!("{error:?} {error:#?}")];
    let forms: Vec<_> = secrets.iter().flat_map(|secret| forms_of_a_server(secret)).collect();
    let pieces = forms.iter().flat_map(|form| {
        let letters: Vec<_> = form.chars().collect();
        letters.windows(8).map(|piece| piece.iter().collect::<String>()).collect::<Vec<_>>()
    });
    let mut found = pieces.filter(|piece| texts.iter().any(|text| text.contains(piece)));
    found.next().map(|piece| format!("{piece} in {texts:?}"))
}

fn forms_of_a_server(secret: &str) -> Vec<String> {
    let mut forms = forms(secret);
    // Not the bytes as numbers: nobody speaks so.
    forms.pop();
    // Escapes are Rust's, in the place of RFC 4648's other padded alphabet.
    forms[1] = general_purpose::URL_SAFE.encode(secret);
    forms
}

/// The error of a renewal while these tokens are held.
fn error_of(
    grant: impl FnOnce(TokenEndpoint) -> BoxGrant,
    tokens: &[String],
    client_auth: &ClientAuth,
    said: &str,
    is_form: bool,
) -> Error {
    let good = serde_json::json!({ "access_token": tokens[0], "refresh_token": tokens[1] }).to_string();
    let bad = if is_form {
        let said: String = form_urlencoded::byte_serialize(said.as_bytes()).collect();
        format!("error=invalid_request&error_description={said}")
    } else {
        serde_json::json!({ "error": "invalid_request", "error_description": said }).to_string()
    };
    let content_type = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
    let is_first = Arc::new(AtomicBool::new(true));
    let client = tower::service_fn(move |_: Request<Full<Bytes>>| {
        let response = match is_first.swap(false, Ordering::Relaxed) {
            true => Response::builder().body(Full::<Bytes>::from(good.clone())),
            false => Response::builder().status(400).header("content-type", content_type).body(Full::from(bad.clone())),
        };
        std::future::ready(response)
    });
    let endpoint = TokenEndpoint::new(client, TOKEN_URI).unwrap().client_auth(client_auth.clone());
    // As every test here.
    let _trace = Trace::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let session = Session::new(grant(endpoint));
        let token = session.token().await.unwrap();
        session.renew(token.generation()).await.unwrap_err()
    })
}
