//! What each request carries.

use std::time::Duration;

use http::{Method, header::HOST};
use tower_reauth::{ForceRenewal, GrpcClassifier, NoReplay, OwnAuthorization, Scheme, Sessions, WithoutAuth};

use super::*;

#[tokio::test(start_paused = true)]
async fn each_request_carries_a_proof_of_its_own_by_either_algorithm() {
    for algorithm in [JwtAlgorithm::ES256, JwtAlgorithm::EdDSA] {
        let scene = Scene::with_key(DpopKey::generate_with(algorithm).unwrap());
        let mut kept = scene.service();
        for path in ["/orders", "/orders", "/orders?page=2#top", "/a%2Fb/%7Ec", "/"] {
            assert_eq!(call(&mut kept, get(path)).await.unwrap().status(), 200, "{path}");
            assert_eq!(scene.get(path).await.status(), 200, "{path}");
        }
        for method in [Method::HEAD, Method::OPTIONS, Method::DELETE, Method::from_bytes(b"QUERY").unwrap()] {
            let request = Request::builder().method(method).uri(format!("{ORIGIN}/orders")).body(Full::default());
            assert_eq!(scene.send(request.unwrap()).await.unwrap().status(), 200);
        }
        scene.refused_nothing_but_nonces();
        assert_eq!((scene.api.refusals().len(), scene.fetched()), (0, 1));
        let seen = scene.api.seen();
        assert!(
            seen.iter().all(|seen| seen.headers["dpop"].is_sensitive() && seen.headers["authorization"].is_sensitive())
        );
        assert!(seen.iter().all(|seen| seen.claims.get("nonce").is_none()), "nobody asked for one");
    }
}

#[tokio::test(start_paused = true)]
async fn a_uri_that_is_written_otherwise_is_proved_as_the_server_reads_it() {
    let scene = Scene::new();
    for uri in ["https://API.example/orders", "https://api.example:443/orders", "https://api.example:/orders?a=b"] {
        assert_eq!(scene.get(uri).await.status(), 200, "{uri}");
    }
    let ported = Api::at("https://api.example:8443");
    ported.takes("token-1", scene.key.thumbprint());
    let layer = ReauthLayer::new(scene.session.clone(), Origins::only("https://API.example:8443").unwrap());
    let response = layer.layer(ported.clone()).oneshot(get("https://api.example:8443/orders")).await.unwrap();
    assert_eq!((response.status().as_u16(), ported.refusals().len()), (200, 0));
}

#[tokio::test(start_paused = true)]
async fn without_an_authority_the_origin_is_the_one_that_the_layer_is_bound_to() {
    let scene = Scene::new();
    scene.api.asks_for_nonces(100);
    let layer = ReauthLayer::new(scene.session.clone(), Origins::bound_to(ORIGIN).unwrap());
    let service = layer.layer(scene.api.clone());
    for uri in ["/orders?page=1", "/orders", &format!("{ORIGIN}/orders")] {
        let request = Request::get(uri).header(HOST, "api.example").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200, "{uri}");
    }
    assert_eq!(scene.api.statuses(), [401, 200, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_proof_of_the_callers_own_is_replaced_or_refused_and_is_left_alone_where_no_token_goes() {
    let scene = Scene::new();
    let own = |path: &str| {
        let mut request = get(path);
        request.headers_mut().append("dpop", "somebody's".parse().unwrap());
        request.headers_mut().append("dpop", "somebody else's".parse().unwrap());
        request
    };
    scene.api.asks_for_nonces(100);
    assert_eq!(scene.send(own("/orders")).await.unwrap().status(), 200);
    assert_eq!(scene.api.statuses(), [401, 200], "the replay's is ours as well");

    let strict = scene.layer().own_authorization(OwnAuthorization::Reject).layer(scene.api.clone());
    let error = strict.clone().oneshot(own("/orders")).await.unwrap_err();
    assert_eq!((error.kind(), scene.api.seen().len()), (ErrorKind::OwnAuthorization, 2));
    let fresh = Session::builder(grant(&scene.api, &scene.key, &scene.fetched)).dpop(scene.key.clone()).build();
    let strict = ReauthLayer::new(fresh, Origins::only(ORIGIN).unwrap()).own_authorization(OwnAuthorization::Reject);
    let error = strict.layer(scene.api.clone()).oneshot(own("/orders")).await.unwrap_err();
    assert_eq!((error.kind(), scene.api.seen().len()), (ErrorKind::OwnAuthorization, 2), "before the first token, too");

    // A token and a proof of the caller's own, and a request that is to go bare.
    let mut both = own("/orders");
    both.headers_mut().insert("authorization", "DPoP theirs".parse().unwrap());
    let mut bare = own("/orders");
    bare.extensions_mut().insert(WithoutAuth);
    for request in [both, bare] {
        scene.send(request).await.unwrap();
        let seen = scene.api.seen();
        let sent: Vec<_> = seen.last().unwrap().headers.get_all("dpop").iter().collect();
        assert_eq!(sent, ["somebody's", "somebody else's"]);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_go_elsewhere_carry_neither_token_nor_proof() {
    let scene = Scene::new();
    scene.get("/orders").await;
    scene.get("https://other.example/orders").await;
    let last = scene.api.seen().pop().unwrap();
    assert!(!last.headers.contains_key("dpop") && !last.headers.contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_bound_goes_under_dpop_alone_and_under_any_header() {
    let scene = Scene::new();
    for scheme in [Scheme::word("Token").unwrap(), Scheme::bare()] {
        let mut service = scene.layer().scheme(scheme.clone()).layer(scene.api.clone());
        for _ in 0..4 {
            let error = call(&mut service, get("/orders")).await.unwrap_err();
            assert_eq!((error.kind(), scene.api.seen().len()), (ErrorKind::Dpop, 0));
            assert!(error.to_string().contains("scheme"), "{error}");
        }
    }
    for word in ["DPoP", "dpop", "Bearer"] {
        let service = scene.layer().scheme(Scheme::word(word).unwrap()).layer(scene.api.clone());
        assert_eq!(service.oneshot(get("/orders")).await.unwrap().status(), 200);
    }
    let layer = scene.layer().header("X-Gateway-Authorization").unwrap();
    layer.layer(scene.api.clone()).oneshot(get("/orders")).await.unwrap();
    let last = scene.api.seen().pop().unwrap();
    assert!(last.headers["x-gateway-authorization"].to_str().unwrap().starts_with("DPoP token-"));
    assert!(last.headers.contains_key("dpop") && !last.headers.contains_key("authorization"));
}

/// Before there was DPoP here, such a layer did all that some servers asked for.
#[tokio::test(start_paused = true)]
async fn a_layer_whose_word_is_dpop_sends_what_is_bound_to_no_key_as_before() {
    let session = Session::new(grant_fn(|_context| async { TokenSet::new("token-1") }));
    let api = Api::new();
    let layer = ReauthLayer::new(session, Origins::only(ORIGIN).unwrap()).scheme(Scheme::word("DPoP").unwrap());
    let mut service = layer.layer(api.clone());
    for _ in 0..3 {
        call(&mut service, get("/orders")).await.unwrap();
        let last = api.seen().pop().unwrap();
        assert_eq!(last.headers["authorization"], "DPoP token-1");
        assert!(!last.headers.contains_key("dpop"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_bound_token_of_a_session_without_a_key_is_not_sent() {
    let session = Session::new(grant_fn(|_context| async { Ok(TokenSet::new("token-1")?.with_dpop()) }));
    let api = Api::new();
    let service = ReauthLayer::new(session, Origins::only(ORIGIN).unwrap()).layer(api.clone());
    for _ in 0..2 {
        let error = service.clone().oneshot(get("/orders")).await.unwrap_err();
        assert_eq!((error.kind(), api.seen().len()), (ErrorKind::Dpop, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_comes_with_a_proof_too() {
    let scene = Scene::new();
    scene.get("/orders").await;
    let mut request = get("/orders");
    request.extensions_mut().insert(ForceRenewal);
    assert_eq!(scene.send(request).await.unwrap().status(), 200);
    assert_eq!((scene.fetched(), scene.api.refusals().len()), (2, 0));
}

/// A request that can't be sent again waits for the new token, and goes with the old one where there is none to be had.
#[tokio::test(start_paused = true)]
async fn a_renewal_ahead_of_a_request_that_cannot_be_sent_again_comes_with_a_proof_too() {
    // When a renewal is due, and when the token is about to expire.
    for (works, age) in [(true, 85), (true, 95), (false, 85), (false, 95)] {
        let mut scene = Scene::new();
        let (api, key, fetched) = (scene.api.clone(), scene.key.clone(), scene.fetched.clone());
        let short = grant_fn(move |_context| {
            let number = fetched.fetch_add(1, Ordering::SeqCst) + 1;
            let token = format!("token-{number}");
            if works || number == 1 {
                api.takes(&token, key.thumbprint());
            }
            async move {
                if !works && number > 1 {
                    return Err(Error::new(ErrorKind::Unavailable, "the issuer is away"));
                }
                Ok(TokenSet::new(token)?.with_dpop().with_lifetime(Duration::from_secs(100)))
            }
        });
        scene.session = Session::builder(short).dpop(scene.key.clone()).build();
        scene.get("/orders").await;
        tokio::time::advance(Duration::from_secs(age)).await;
        let mut once = get("/orders");
        once.extensions_mut().insert(NoReplay);
        assert_eq!(scene.send(once).await.unwrap().status(), 200);
        let expected = if works { "DPoP token-2" } else { "DPoP token-1" };
        assert_eq!(scene.api.seen().pop().unwrap().headers["authorization"], expected);
        assert_eq!((scene.api.statuses(), scene.fetched()), (vec![200, 200], 2));
        scene.refused_nothing_but_nonces();
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_many_users_proves_a_key_of_its_own_and_a_user_who_left_proves_nothing() {
    let (api, fetched) = (Api::new(), Arc::new(AtomicUsize::new(0)));
    api.asks_for_nonces(1000);
    let sessions = Sessions::builder().capacity(2).build();
    let keys = [key(), key(), key()];
    let login = |user: usize| {
        let (api, key, fetched) = (api.clone(), keys[user].clone(), fetched.clone());
        let grant = grant_fn(move |_context| {
            let token = format!("token-{user}-{}", fetched.fetch_add(1, Ordering::SeqCst));
            api.takes(&token, key.thumbprint());
            async move { Ok(TokenSet::new(token)?.with_dpop()) }
        });
        sessions.insert(user, Session::builder(grant).dpop(keys[user].clone()).build());
    };
    let service = ReauthLayer::new(&sessions, Origins::only(ORIGIN).unwrap()).layer(api.clone());
    let status = async |user: usize| {
        let mut request = get("/orders");
        request.extensions_mut().insert(user);
        service.clone().oneshot(request).await.map(|response| response.status().as_u16()).map_err(|error| error.kind())
    };
    for user in [0, 1] {
        login(user);
        assert_eq!((status(user).await, status(user).await), (Ok(200), Ok(200)));
    }
    assert_eq!(api.statuses(), [401, 200, 200, 401, 200, 200], "what one session learned is its own");
    // One that was not used lately goes, with its key, and nothing is sent for it.
    login(2);
    assert_eq!(status(2).await, Ok(200));
    let before = api.seen().len();
    let left = [status(0).await.is_ok(), status(1).await.is_ok()];
    assert_eq!((left[0] != left[1], api.seen().len()), (true, before + 1));
    sessions.logout(&2).await.unwrap();
    assert!(status(2).await.is_err());
    login(2);
    assert_eq!(status(2).await, Ok(200));
    assert_eq!(api.refusals().keys().collect::<Vec<_>>(), [&"nonce"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_the_head_of_a_grpc_answer_is_read_as_well() {
    let scene = Scene::new();
    let service = scene.layer().classify(GrpcClassifier::new()).layer(scene.api.clone());
    scene.api.next(|| {
        let mut response = api::challenge("use_dpop_nonce");
        *response.status_mut() = http::StatusCode::OK;
        response.headers_mut().insert("grpc-status", "16".parse().unwrap());
        response.headers_mut().insert("dpop-nonce", "first".parse().unwrap());
        response
    });
    assert_eq!(service.oneshot(post("/pkg.Orders/List", "message")).await.unwrap().status(), 200);
    assert_eq!((scene.api.nonces()[1].as_deref(), scene.fetched()), (Some("first"), 1));
}
