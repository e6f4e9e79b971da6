//! Clocks that differ by minutes: a server that checks `iat` and `exp` by its own, and says the time in its answers.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A server whose clock is off.
#[derive(Clone)]
struct Strict {
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// In the answer's `Date`.
    said: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// Refuses whatever else comes along.
    refuses: bool,
    says_the_time: bool,
    /// The parameter with the assertion, and how a bad one is refused.
    parameter: &'static str,
    refusal: (u16, &'static str),
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Strict {
    fn ahead_by(ahead: Duration) -> Self {
        Self {
            now: Arc::new(move || SystemTime::now() + ahead),
            said: Arc::new(move || SystemTime::now() + ahead),
            refuses: false,
            says_the_time: true,
            parameter: "client_assertion",
            refusal: (401, "invalid_client"),
            seen: Arc::default(),
        }
    }

    fn behind_by(behind: Duration) -> Self {
        let now = move || SystemTime::now() - behind;
        Self { now: Arc::new(now), said: Arc::new(now), ..Self::ahead_by(Duration::ZERO) }
    }

    fn endpoint(&self) -> TokenEndpoint {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let server = server.clone();
            async move {
                let body = request.into_body().collect().await?.to_bytes();
                Ok::<_, Infallible>(server.answer(&body))
            }
        });
        TokenEndpoint::new(service, TOKEN_URI).unwrap().issuer(ISSUER)
    }

    fn answer(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let (_, jwt) = form.iter().find(|(name, _)| name == self.parameter).unwrap();
        let jwk: Jwk = serde_json::from_str(&key_text("ec.jwk")).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_audience(&[ISSUER]);
        let claims = decode::<Value>(jwt, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap().claims;
        self.seen.lock().unwrap().push(claims.clone());
        let now = (self.now)().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (from, to) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        // 15 s are tolerated.
        let is_good = from <= now + 15 && now <= to + 15;
        let mut response = Response::builder();
        if self.says_the_time {
            response = response.header("date", httpdate::fmt_http_date((self.said)()));
        }
        let (status, text) = if is_good && self.refuses {
            (400, r#"{"error":"invalid_grant"}"#.to_owned())
        } else if is_good {
            (200, format!(r#"{{"access_token":"token-{}","expires_in":3600}}"#, self.sends()))
        } else {
            (self.refusal.0, format!(r#"{{"error":"{}"}}"#, self.refusal.1))
        };
        response.status(StatusCode::from_u16(status).unwrap()).body(Full::from(text)).unwrap()
    }

    /// The clock is right, and what stands before the server says otherwise.
    fn behind_a_wrong_date(ahead: Duration) -> Self {
        Self { said: Arc::new(move || SystemTime::now() + ahead), ..Self::ahead_by(Duration::ZERO) }
    }

    fn sends(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn key() -> JwtKey {
    JwtKey::from_jwk(JwtAlgorithm::ES256, key_text("ec.jwk")).unwrap()
}

#[tokio::test]
async fn a_clock_that_is_off_by_five_minutes_costs_one_more_request_once() {
    // glewlwyd has no word for it.
    let wordless = Strict { refusal: (403, ""), ..Strict::ahead_by(5 * MINUTE) };
    for server in [Strict::ahead_by(5 * MINUTE), Strict::behind_by(5 * MINUTE), wordless] {
        let endpoint = server.endpoint().client_auth(ClientAuth::private_key_jwt(CLIENT, key()));
        let session = Session::new(ClientCredentialsGrant::new(endpoint.clone()));
        let first = session.token().await.unwrap();
        assert_eq!(server.sends(), 2, "refused, and dated anew");
        let seen = server.seen.lock().unwrap().clone();
        assert_ne!(seen[0]["jti"], seen[1]["jti"]);
        session.renew(first.generation()).await.unwrap();
        // Another session at the same endpoint knows, too.
        Session::new(ClientCredentialsGrant::new(endpoint)).token().await.unwrap();
        assert_eq!(server.sends(), 4);
    }
}

#[tokio::test]
async fn an_assertion_that_asks_for_tokens_is_dated_anew_as_well() {
    for refusal in [(400, "invalid_grant"), (400, "invalid_request")] {
        let server = Strict { parameter: "assertion", refusal, ..Strict::behind_by(5 * MINUTE) };
        let assertion = Assertion::new(key()).issuer(CLIENT).subject("alice");
        let session = Session::new(JwtBearerGrant::signed(server.endpoint(), assertion));
        let first = session.token().await.unwrap();
        session.renew(first.generation()).await.unwrap();
        assert_eq!(server.sends(), 3);
    }
}

#[tokio::test]
async fn without_the_servers_time_the_refusal_stands_and_nothing_is_repeated() {
    let server = Strict { says_the_time: false, ..Strict::ahead_by(5 * MINUTE) };
    let endpoint = server.endpoint().client_auth(ClientAuth::private_key_jwt(CLIENT, key()));
    let error = Session::new(ClientCredentialsGrant::new(endpoint)).token().await.unwrap_err();
    assert_eq!((error.kind(), error.oauth_code()), (ErrorKind::Misconfigured, Some("invalid_client")));
    assert_eq!(server.sends(), 1);
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_not_repeated() {
    // The clocks agree.
    let server = Strict::ahead_by(Duration::from_secs(3));
    let assertion = Assertion::new(key()).claim("exp", 1);
    let endpoint = server.endpoint().client_auth(ClientAuth::private_key_jwt(CLIENT, assertion));
    Session::new(ClientCredentialsGrant::new(endpoint)).token().await.unwrap_err();
    assert_eq!(server.sends(), 1);
}

#[tokio::test]
async fn a_date_that_a_proxy_says_is_not_believed_when_something_else_was_refused() {
    let server = Strict { refuses: true, ..Strict::behind_a_wrong_date(5 * MINUTE) };
    let endpoint = server.endpoint().client_auth(ClientAuth::private_key_jwt(CLIENT, key()));
    let user = Session::new(RefreshTokenGrant::new(endpoint.clone(), "refresh-token"));
    user.token().await.unwrap_err();
    assert_eq!(server.sends(), 1);
    Session::new(JwtBearerGrant::new(endpoint, "a.b.c")).token().await.unwrap_err();
    let seen = server.seen.lock().unwrap().clone();
    assert!(seen[1]["iat"].as_u64().unwrap() - seen[0]["iat"].as_u64().unwrap() < 60, "dated as before");
}

#[tokio::test]
async fn a_date_that_does_not_help_is_given_up() {
    // It refuses each client, and says a wrong time.
    let server = Strict { refusal: (401, "invalid_client"), ..Strict::behind_a_wrong_date(5 * MINUTE) };
    let wrong = Assertion::new(key()).claim("exp", 1);
    let endpoint = server.endpoint();
    let stranger = endpoint.clone().client_auth(ClientAuth::private_key_jwt(CLIENT, wrong));
    Session::new(ClientCredentialsGrant::new(stranger)).token().await.unwrap_err();
    assert_eq!(server.sends(), 2);
    // Another client of that server is dated by our clock again.
    let known = endpoint.client_auth(ClientAuth::private_key_jwt(CLIENT, key()));
    Session::new(ClientCredentialsGrant::new(known)).token().await.unwrap();
    assert_eq!(server.sends(), 3);
}

#[tokio::test]
async fn a_password_does_not_go_along_twice() {
    let server = Strict::ahead_by(5 * MINUTE);
    let endpoint = server.endpoint().client_auth(ClientAuth::private_key_jwt(CLIENT, key()));
    let session = Session::new(PasswordGrant::new(endpoint.clone(), USERNAME, PASSWORD));
    session.token().await.unwrap_err();
    assert_eq!(server.sends(), 1);
    // What was learned holds for the next attempt.
    Session::new(PasswordGrant::new(endpoint, USERNAME, PASSWORD)).token().await.unwrap();
    assert_eq!(server.sends(), 2);
}

#[tokio::test]
async fn a_revocation_is_dated_anew_as_well() {
    let server = Strict::ahead_by(5 * MINUTE);
    let endpoint = server.endpoint().client_auth(ClientAuth::private_key_jwt(CLIENT, key()));
    let session = Session::new(RefreshTokenGrant::new(endpoint.revocation(REVOCATION_URI).unwrap(), "refresh-token"));
    session.logout().await.unwrap();
    assert_eq!(server.sends(), 2);
}
