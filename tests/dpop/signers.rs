//! Keys that sign elsewhere, and take their time.

use std::{sync::Mutex, time::Duration};

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_reauth::Signer;

use super::*;

/// A key in another process, say. It takes a place while it signs, if there are places.
#[derive(Clone)]
struct Kms(Arc<Inner>);

struct Inner {
    key: EcdsaKeyPair,
    takes: Mutex<Duration>,
    places: Option<Arc<Semaphore>>,
    fails: AtomicUsize,
    signed: AtomicUsize,
    /// What happens meanwhile.
    during: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Kms {
    fn new(takes: Duration, places: Option<Arc<Semaphore>>) -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap();
        let (fails, signed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let during = Mutex::new(None);
        Self(Arc::new(Inner { key, takes: Mutex::new(takes), places, fails, signed, during }))
    }

    fn key(&self) -> DpopKey {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};

        let (x, y) = self.0.key.public_key().as_ref()[1..].split_at(32);
        let jwk = serde_json::json!({ "kty": "EC", "crv": "P-256", "x": BASE64.encode(x), "y": BASE64.encode(y) });
        DpopKey::from_signer(self.clone(), &jwk.to_string()).unwrap()
    }

    fn signed(&self) -> usize {
        self.0.signed.load(Ordering::SeqCst)
    }

    fn takes(&self, time: Duration) {
        *self.0.takes.lock().unwrap() = time;
    }
}

impl Signer for Kms {
    fn algorithm(&self) -> &str {
        "ES256"
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let _place = match &self.0.places {
            Some(places) => Some(places.clone().acquire_owned().await.unwrap()),
            None => None,
        };
        let takes = *self.0.takes.lock().unwrap();
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        if let Some(during) = self.0.during.lock().unwrap().take() {
            during();
        }
        if self.0.fails.load(Ordering::SeqCst) > 0 {
            self.0.fails.fetch_sub(1, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::Unavailable, "the vault is sealed"));
        }
        self.0.signed.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_signs_elsewhere_signs_each_attempt_once() {
    let kms = Kms::new(Duration::from_millis(300), None);
    let scene = Scene::with_key(kms.key());
    scene.api.asks_for_nonces(1000);
    assert_eq!(scene.send(post("/orders", "order")).await.unwrap().status(), 200);
    scene.get("/orders").await;
    scene.api.revoke_all();
    assert_eq!(scene.send(post("/orders", "order")).await.unwrap().status(), 200);
    assert_eq!(scene.api.statuses(), [401, 200, 200, 401, 200]);
    assert_eq!((kms.signed(), scene.fetched()), (5, 2));
    assert_eq!(scene.api.refusals().into_iter().collect::<Vec<_>>(), [("nonce", 1), ("token", 1)]);
}

/// The readiness of the service that is below both is given back.
#[tokio::test(start_paused = true)]
async fn a_signer_that_needs_the_very_place_of_the_request_gets_it() {
    let places = Arc::new(Semaphore::new(1));
    let scene = Scene::with_key(Kms::new(Duration::from_millis(10), Some(places.clone())).key());
    scene.api.asks_for_nonces(1000);
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(places.clone());
    let service = scene.layer().layer(limit.layer(scene.api.clone()));
    let calls = (0..5).map(|_| service.clone().oneshot(get("/orders")));
    for response in never_hangs(futures::future::join_all(calls)).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    scene.refused_nothing_but_nonces();
    assert_eq!(places.available_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_does_not_sign_fails_the_call_unsent_and_a_rejection_goes_to_its_caller() {
    let kms = Kms::new(Duration::from_millis(10), None);
    let scene = Scene::with_key(kms.key());
    for takes in [0, 10] {
        kms.takes(Duration::from_millis(takes));
        for _ in 0..2 {
            kms.0.fails.store(1, Ordering::SeqCst);
            let error = scene.send(get("/orders")).await.unwrap_err();
            assert_eq!((error.kind(), scene.api.seen().len()), (ErrorKind::Dpop, 0));
        }
    }
    assert_eq!(scene.get("/orders").await.status(), 200);
    scene.api.asks_for_nonces(1000);
    // The first send's is signed, that of the replay is not.
    let call = tokio::spawn(scene.service().oneshot(get("/orders")));
    while scene.api.seen().len() < 2 {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        kms.0.fails.store(usize::from(kms.signed() >= 2), Ordering::SeqCst);
    }
    let response = call.await.unwrap().unwrap();
    assert_eq!((response.status().as_u16(), why(&response).0), (401, ErrorKind::Dpop));
    assert_eq!(scene.fetched(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_hangs_ends_the_call_with_the_waiting_time() {
    let kms = Kms::new(Duration::from_secs(3600), None);
    let scene = Scene::with_key(kms.key());
    let begun = tokio::time::Instant::now();
    for _ in 0..2 {
        let error = scene.send(get("/orders")).await.unwrap_err();
        assert_eq!((error.kind(), scene.api.seen().len()), (ErrorKind::WaitedTooLong, 0));
    }
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_logout_while_the_key_signs_is_a_logout_before_anything_is_sent() {
    for takes in [0, 300] {
        let kms = Kms::new(Duration::from_millis(takes), None);
        let scene = Scene::with_key(kms.key());
        scene.session.token().await.unwrap();
        let session = scene.session.clone();
        *kms.0.during.lock().unwrap() = Some(Box::new(move || session.forget()));
        let error = scene.send(get("/orders")).await.unwrap_err();
        assert_eq!((error.kind(), scene.api.seen().len(), kms.signed()), (ErrorKind::LoggedOut, 0, 1), "{takes} ms");
        // Nothing of it goes on with the login that comes next.
        scene.session.login(grant(&scene.api, &scene.key, &scene.fetched));
        assert_eq!(scene.get("/orders").await.status(), 200);
        assert_eq!(scene.api.statuses(), [200]);
    }
}

/// The key's clock and connections are on the session's runtime.
#[test]
fn a_key_signs_on_the_sessions_runtime_for_a_call_from_elsewhere() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let kms = Kms::new(Duration::from_millis(1), None);
    let mut scene = Scene::with_key(kms.key());
    let bound = grant(&scene.api, &scene.key, &scene.fetched);
    scene.session = Session::builder(bound).dpop(scene.key.clone()).runtime(runtime.handle().clone()).build();
    runtime.block_on(scene.session.token()).unwrap();
    let response = futures::executor::block_on(scene.send(get("/orders"))).unwrap();
    assert_eq!((response.status().as_u16(), kms.signed()), (200, 1));
}

/// A proof that became old while the service had no place is made anew, once.
#[tokio::test(start_paused = true)]
async fn a_proof_that_waited_for_a_place_is_signed_again() {
    for (wait, signed) in [(1, 2), (10, 3)] {
        let kms = Kms::new(Duration::from_millis(10), None);
        let scene = Scene::with_key(kms.key());
        scene.get("/first").await;
        let places = Arc::new(Semaphore::new(1));
        let limit = GlobalConcurrencyLimitLayer::with_semaphore(places.clone());
        let mut ready = scene.layer().layer(limit.layer(scene.api.clone()));
        std::future::poll_fn(|cx| tower::Service::<Request<Full<Bytes>>>::poll_ready(&mut ready, cx)).await.unwrap();
        let call = tokio::spawn(tower::Service::call(&mut ready, get("/orders")));
        drop(ready);
        // The place that it gave back while the key signs is taken.
        let place = places.clone().acquire_owned().await.unwrap();
        tokio::time::sleep(Duration::from_secs(wait)).await;
        drop(place);
        assert_eq!(call.await.unwrap().unwrap().status(), 200, "{:?}", scene.api.refusals());
        assert_eq!(kms.signed(), signed, "after {wait} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_its_key_signs_sends_nothing_and_leaves_no_signature_under_way() {
    // Before the first send, and before the one with a nonce.
    for sends in [0, 1] {
        let places = Arc::new(Semaphore::new(1));
        let kms = Kms::new(Duration::from_millis(10), Some(places.clone()));
        let scene = Scene::with_key(kms.key());
        scene.session.token().await.unwrap();
        scene.api.asks_for_nonces(1000);
        let gate = tower_reauth::testing::Gate::closed();
        scene.api.holds(&gate);
        let long = Duration::from_secs(30);
        if sends == 0 {
            kms.takes(long);
        }
        let call = tokio::spawn(scene.service().oneshot(post("/orders", "order")));
        if sends == 1 {
            gate.arrived(1).await;
            kms.takes(long);
        }
        gate.open();
        while places.available_permits() == 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(places.available_permits(), 1, "after {sends} sends");
        tokio::time::sleep(2 * long).await;
        assert_eq!((kms.signed(), scene.api.seen().len()), (sends, sends));
        kms.takes(Duration::from_millis(10));
        assert_eq!(scene.get("/orders").await.status(), 200);
        assert_eq!(scene.fetched(), 1);
        scene.refused_nothing_but_nonces();
    }
}

/// A service that is kept has reserved a place when it is called.
#[tokio::test(start_paused = true)]
async fn a_signer_gets_the_place_that_a_kept_service_reserved_too() {
    let places = Arc::new(Semaphore::new(1));
    let scene = Scene::with_key(Kms::new(Duration::from_millis(10), Some(places.clone())).key());
    let mut service = scene.layer().layer(GlobalConcurrencyLimitLayer::with_semaphore(places).layer(scene.api.clone()));
    for _ in 0..4 {
        assert_eq!(call(&mut service, get("/orders")).await.unwrap().status(), 200);
    }
    assert_eq!((scene.api.statuses(), scene.fetched()), (vec![200; 4], 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_replaced_while_its_proof_is_signed_is_not_sent_and_the_new_one_has_its_own_proof() {
    let kms = Kms::new(Duration::from_millis(800), None);
    let scene = Scene::with_key(kms.key());
    let token = scene.session.token().await.unwrap();
    let call = tokio::spawn(scene.service().oneshot(get("/orders")));
    tokio::time::sleep(Duration::from_millis(200)).await;
    scene.session.renew(token.generation()).await.unwrap();
    assert_eq!(call.await.unwrap().unwrap().status(), 200, "{:?}", scene.api.refusals());
    assert_eq!((kms.signed(), scene.fetched(), scene.api.statuses()), (2, 2, vec![200]));
}

/// Else a service that is always late would let the key sign for ever.
#[tokio::test(start_paused = true)]
async fn a_proof_that_is_late_again_is_sent_as_it_is() {
    let kms = Kms::new(Duration::from_secs(1), None);
    let scene = Scene::with_key(kms.key());
    scene.session.token().await.unwrap();
    let places = Arc::new(Semaphore::new(1));
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(places.clone());
    let call = tokio::spawn(scene.layer().layer(limit.layer(scene.api.clone())).oneshot(get("/orders")));
    for signed in 1..=3 {
        // While it signs, somebody takes the place, and has it for long.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let place = places.clone().acquire_owned().await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!((kms.signed(), scene.api.seen().len()), (signed, usize::from(signed == 3)), "{signed}");
        drop(place);
    }
    // The API takes none of that age. Another one is signed for that, once, and the waiting time is over before it has a place.
    assert_eq!(call.await.unwrap().unwrap().status(), 401);
    assert_eq!((kms.signed(), scene.api.refusals()["iat"], scene.fetched()), (3, 1, 1));
}
