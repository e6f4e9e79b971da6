//! Which requests carry a proof, and which key signs it.

use std::{collections::BTreeSet, time::Duration};

use http::{Method, Uri};
use tokio::time::advance;
use tower_reauth::{
    Assertion, ClientAuth, ClientCredentialsGrant, DpopKey, Error, ErrorKind, GrantContext, JwtBearerGrant, JwtKey,
    PasswordGrant, Session, Sessions, Signer, Status, TokenSet, grant_fn,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn each_token_request_carries_a_proof_of_its_own_that_the_server_takes() {
    for_every_bound(async |world| {
        let first = world.session.token().await.unwrap();
        advance(Duration::from_secs(60)).await;
        world.session.renew(first.generation()).await.unwrap();
        let proofs = proofs(&world.issuer);
        assert!(proofs.len() >= 2);
        let ids: BTreeSet<_> = proofs.iter().map(|claims| claims["jti"].to_string()).collect();
        assert_eq!(ids.len(), proofs.len());
        for claims in &proofs {
            assert_eq!((&claims["htm"], &claims["htu"]), (&"POST".into(), &TOKEN_URI.into()));
            assert!(claims.get("ath").is_none() && claims.get("nonce").is_none());
        }
        assert_eq!(keys(&world.issuer).len(), 1);
        assert_eq!(world.session.status(), Status::Active);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn key_of_either_algorithm_from_a_jwk_is_the_one_that_the_server_sees() {
    for (algorithm, jwk) in KEYS {
        let issuer = Issuer::new();
        issuer.require_dpop();
        let key = DpopKey::from_jwk(algorithm, jwk).unwrap();
        let grant = PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD);
        Session::builder(grant).dpop(key).build().token().await.unwrap();
        let seen = keys(&issuer).pop_first().unwrap();
        let x = jwk.split(r#""x":""#).nth(1).unwrap().split('"').next().unwrap();
        assert!(seen.contains(x) && !seen.contains(r#""d""#), "{seen}");
    }
}

#[tokio::test(start_paused = true)]
async fn session_keeps_its_key_from_login_to_login_and_its_revocations_prove_nothing() {
    for_every_bound(async |world| {
        world.session.token().await.unwrap();
        world.session.logout().await.unwrap();
        world.session.login(world.grant());
        world.session.token().await.unwrap();
        assert_eq!(keys(&world.issuer).len(), 1);
        assert!(world.issuer.revocations().iter().all(|revocation| revocation.proof().is_none()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn derived_session_proves_with_the_key_of_its_login() {
    for_every_bound(async |world| {
        if world.kind == Kind::Custom {
            return;
        }
        world.session.token().await.unwrap();
        world.session.for_resource("https://orders.example").token().await.unwrap();
        assert_eq!(keys(&world.issuer).len(), 1);
        assert_eq!(world.issuer.last_request().parameter("resource"), Some("https://orders.example"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_of_many_users_has_the_key_of_its_session() {
    let issuer = Issuer::new();
    issuer.require_dpop();
    let sessions: Sessions<u32> = Sessions::builder().build();
    for user in 0..3 {
        let grant = PasswordGrant::new(issuer.endpoint(), user.to_string(), PASSWORD);
        sessions.insert(user, Session::builder(grant).dpop(new_key()).build());
    }
    for user in 0..3 {
        sessions.get(&user).unwrap().token().await.unwrap();
    }
    assert_eq!(keys(&issuer).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_signs_is_signed_anew_when_the_server_asks_for_a_nonce() {
    let (algorithm, jwk) = KEYS[0];
    let key = JwtKey::from_jwk(algorithm, jwk).unwrap();
    let assertion = || Assertion::new(key.clone()).issuer("billing").audience("https://issuer.example");
    for is_grant in [true, false] {
        let issuer = Issuer::new();
        issuer.require_dpop();
        issuer.ask_for_nonces(100);
        let endpoint = issuer.endpoint().client_auth(ClientAuth::private_key_jwt("billing", assertion()));
        let builder = if is_grant {
            Session::builder(tower_reauth::Grant::boxed(JwtBearerGrant::signed(issuer.endpoint(), assertion())))
        } else {
            Session::builder(tower_reauth::Grant::boxed(ClientCredentialsGrant::new(endpoint)))
        };
        builder.dpop(new_key()).build().token().await.unwrap();
        let name = if is_grant { "assertion" } else { "client_assertion" };
        let sent: BTreeSet<_> =
            issuer.requests().iter().map(|request| request.parameter(name).unwrap().to_owned()).collect();
        assert_eq!((issuer.token_requests(), sent.len()), (2, 2), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn closure_without_an_endpoint_gets_proofs_and_says_what_its_token_is() {
    let uri = Uri::from_static("https://login.example/token?key=1");
    let fetch = move |is_marked: bool| {
        let uri = uri.clone();
        grant_fn(move |context: GrantContext| {
            let uri = uri.clone();
            async move {
                let first = context.dpop_proof(&Method::POST, &uri).await?.expect("the session has a key");
                let headers = http::HeaderMap::from_iter([("dpop-nonce".parse().unwrap(), "n-1".parse().unwrap())]);
                assert!(context.dpop_answer(&uri, &headers));
                let second = context.dpop_proof(&Method::POST, &uri).await?.expect("the session has a key");
                assert!(!context.dpop_answer(&uri, &headers), "no news");
                let claims = |proof: &http::HeaderValue| -> Value {
                    let part = BASE64.decode(proof.to_str().unwrap().split('.').nth(1).unwrap()).unwrap();
                    serde_json::from_slice(&part).unwrap()
                };
                assert!(claims(&first).get("nonce").is_none_or(|nonce| nonce == "n-1"));
                assert_eq!(claims(&second)["nonce"], "n-1");
                assert_eq!(claims(&second)["htu"], "https://login.example/token");
                assert_ne!(claims(&first)["jti"], claims(&second)["jti"]);
                let tokens = TokenSet::new("a-token")?;
                Ok(if is_marked { tokens.with_dpop() } else { tokens })
            }
        })
    };
    Session::builder(fetch(true)).dpop(new_key()).build().token().await.unwrap();
    Session::builder(fetch(false)).dpop(new_key()).allow_bearer().build().token().await.unwrap();
    let error = Session::builder(fetch(false)).dpop(new_key()).build().token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dpop);
    assert!(error.to_string().contains("allow_bearer"), "{error}");
    // A token that nobody could prove would be refused by every API.
    let plain = grant_fn(|context: GrantContext| async move {
        assert!(context.dpop_proof(&Method::POST, &Uri::from_static("https://login.example")).await?.is_none());
        Ok(TokenSet::new("a-token")?.with_dpop())
    });
    let error = Session::new(plain).token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dpop);
    assert!(error.to_string().contains("SessionBuilder::dpop"), "{error}");
}

struct Kms {
    works: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Signer for Kms {
    fn algorithm(&self) -> &str {
        "ES256"
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        if !self.works.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Secret, "the KMS is down"));
        }
        Ok(vec![1; 64])
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_the_key_does_not_sign_and_no_attempt_counts() {
    let (issuer, works) = (Issuer::new(), std::sync::Arc::<std::sync::atomic::AtomicBool>::default());
    issuer.always(Answer::tokens().token_type("DPoP"));
    let key = DpopKey::from_signer(Kms { works: works.clone() }, KEYS[0].1.split(r#","d""#).next().unwrap());
    let error = key.unwrap_err();
    assert!(error.to_string().contains("JWK"), "{error}");
    let public = format!("{}}}", KEYS[0].1.split(r#","d""#).next().unwrap());
    let key = DpopKey::from_signer(Kms { works: works.clone() }, &public).unwrap();
    let grant = PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD);
    let session = Session::builder(grant).dpop(key).build();
    for _ in 0..20 {
        let error = session.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dpop, "{error}");
        advance(Duration::from_secs(61)).await;
    }
    assert_eq!((issuer.token_requests(), session.status()), (0, Status::Idle));
    works.store(true, std::sync::atomic::Ordering::SeqCst);
    session.token().await.unwrap();
}
