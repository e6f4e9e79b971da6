use std::collections::BTreeSet;

use secrecy::ExposeSecret;

use super::*;

/// Signs with a word.
struct Fake(Option<&'static str>);

impl Signer for Fake {
    fn algorithm(&self) -> &str {
        "FAKE"
    }

    fn key_id(&self) -> Option<&str> {
        self.0
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(format!("signed {} bytes", message.len()).into_bytes())
    }
}

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn server() -> Server<'static> {
    Server { issuer: Some("https://issuer.example/"), endpoint: "https://issuer.example/token", now: UNIX_EPOCH + NOW }
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(text).unwrap()).unwrap()
}

async fn signed(assertion: &Assertion, server: Server<'_>) -> (Value, Value) {
    let jwt = assertion.sign(server).await.unwrap();
    let parts: Vec<_> = jwt.expose_secret().split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    let expected = format!("signed {} bytes", header.len() + 1 + claims.len());
    assert_eq!(Base64UrlUnpadded::decode_vec(signature).unwrap(), expected.as_bytes());
    (part(header), part(claims))
}

#[tokio::test]
async fn the_audience_is_the_issuer_as_one_string_unless_asked_otherwise_by_name() {
    let plain = Assertion::new(Fake(None));
    for (assertion, audience) in [
        (plain.clone(), "https://issuer.example/"),
        (plain.clone().audience_is_endpoint(), "https://issuer.example/token"),
        (plain.clone().audience("https://other.example"), "https://other.example"),
    ] {
        assert_eq!(signed(&assertion, server()).await.1["aud"], audience);
    }
    let error = plain.sign(Server { issuer: None, ..server() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.known_verdict(), Some(crate::error::TokenVerdict::Unsent));
    assert!(error.to_string().contains("TokenEndpoint::issuer"), "{error}");
}

#[tokio::test]
async fn a_client_is_issuer_and_subject_and_each_assertion_is_dated_and_numbered() {
    let assertion = Assertion::new(Fake(Some("key-1"))).of_client("billing");
    let mut seen = BTreeSet::new();
    for second in 0..3 {
        let now = UNIX_EPOCH + NOW + Duration::from_secs(second);
        let (header, claims) = signed(&assertion, Server { now, ..server() }).await;
        assert_eq!(header, serde_json::json!({"alg": "FAKE", "typ": "JWT", "kid": "key-1"}));
        let id = claims["jti"].as_str().unwrap().to_owned();
        let issued = NOW.as_secs() + second;
        assert_eq!(
            claims,
            serde_json::json!({
                "iss": "billing", "sub": "billing", "aud": "https://issuer.example/",
                "iat": issued, "exp": issued + 60, "jti": id,
            })
        );
        assert!(seen.insert(id), "a `jti` came twice");
    }
}

#[tokio::test]
async fn what_the_user_says_takes_the_place_of_a_default_and_nothing_replaces_the_algorithm() {
    let assertion = Assertion::new(Fake(None))
        .issuer("account")
        .subject("alice")
        .typ("client-authentication+jwt")
        .lifetime(Duration::from_secs(5))
        .header("x5t#S256", "thumbprint")
        .header("alg", "none")
        .claim("jti", "mine")
        .claim("scope", "orders")
        .of_client("billing");
    let (header, claims) = signed(&assertion, server()).await;
    assert_eq!(
        header,
        serde_json::json!({"alg": "FAKE", "typ": "client-authentication+jwt", "x5t#S256": "thumbprint"})
    );
    assert_eq!((&claims["iss"], &claims["sub"]), (&"account".into(), &"alice".into()));
    assert_eq!((&claims["jti"], &claims["scope"]), (&"mine".into(), &"orders".into()));
    assert_eq!(claims["exp"], NOW.as_secs() + 5);
}

#[tokio::test]
async fn a_signer_that_fails_is_no_send() {
    struct Broken;
    impl Signer for Broken {
        fn algorithm(&self) -> &str {
            "ES256"
        }
        async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
            Err(Error::new(ErrorKind::Transport, "the KMS is away"))
        }
    }
    let error = Assertion::new(Broken).sign(server()).await.unwrap_err();
    assert_eq!(error.known_verdict(), Some(crate::error::TokenVerdict::Unsent));
}
