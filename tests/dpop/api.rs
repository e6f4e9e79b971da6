//! A resource server that checks every claim of every proof (RFC 9449 §4.3, §7 and §9), and counts why it refused.
//!
//! 1. One proof to a request, signed by the key that it names, and that key is the one the token is bound to.
//! 2. `htm` and `htu` are those of the request, `iat` is within a second of the server's clock, `ath` is the token's.
//! 3. A `jti` is good once.
//! 4. With [`Api::asks_for_nonces`] only the newest nonce is good, and after so many requests, refused ones too, there is
//!    another one. It comes with every answer.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use ring::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tower::Service;
use tower_reauth::testing::Gate;

use crate::support::ORIGIN;

/// As old, or as far ahead, as a proof may be.
const TOLERATED: i64 = 1;

/// The server. Clones are the same one.
#[derive(Clone)]
pub struct Api {
    book: Arc<Mutex<Book>>,
}

struct Book {
    origin: String,
    /// The living tokens, each with the thumbprint of its key.
    tokens: HashMap<String, String>,
    jtis: HashSet<String>,
    nonces: Option<Nonces>,
    /// By how many seconds the server's clock is ahead.
    ahead: i64,
    says_date: bool,
    refusals: BTreeMap<&'static str, usize>,
    seen: Vec<Seen>,
    latency: Option<Duration>,
    gate: Option<Gate>,
    script: Vec<Make>,
}

type Make = Box<dyn FnOnce() -> Response<Full<Bytes>> + Send>;

struct Nonces {
    number: usize,
    used: usize,
    every: usize,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub status: u16,
    pub body: Bytes,
    pub claims: Value,
    pub headers: HeaderMap,
}

/// What a refusal says.
enum Refusal {
    Token(&'static str),
    Proof(&'static str),
    Nonce,
}

impl Api {
    pub fn new() -> Self {
        Self::at(ORIGIN)
    }

    /// The server that is reached at this origin.
    pub fn at(origin: &str) -> Self {
        let book = Book {
            origin: origin.into(),
            tokens: HashMap::new(),
            jtis: HashSet::new(),
            nonces: None,
            ahead: 0,
            says_date: true,
            refusals: BTreeMap::new(),
            seen: Vec::new(),
            latency: None,
            gate: None,
            script: Vec::new(),
        };
        Self { book: Arc::new(Mutex::new(book)) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// It is reached there.
    pub fn is_at(&self, origin: &str) {
        self.book().origin = origin.to_owned();
    }

    /// A token that is bound to the key with this thumbprint.
    pub fn takes(&self, token: &str, thumbprint: &str) {
        self.book().tokens.insert(token.to_owned(), thumbprint.to_owned());
    }

    pub fn revoke_all(&self) {
        self.book().tokens.clear();
    }

    /// Only the newest nonce is good, and it changes with every so many requests.
    pub fn asks_for_nonces(&self, every: usize) {
        self.book().nonces = Some(Nonces { number: 1, used: 0, every });
    }

    /// The next nonce, now.
    pub fn rotates(&self) {
        if let Some(nonces) = &mut self.book().nonces {
            (nonces.number, nonces.used) = (nonces.number + 1, 0);
        }
    }

    /// Its clock is so many seconds ahead of ours.
    pub fn is_ahead(&self, seconds: i64) {
        self.book().ahead = seconds;
    }

    pub fn says_no_date(&self) {
        self.book().says_date = false;
    }

    /// Requests and answers take up to that long, each another time.
    pub fn is_slow(&self, latency: Duration) {
        self.book().latency = Some(latency);
    }

    /// Answers are held back there.
    pub fn holds(&self, gate: &Gate) {
        self.book().gate = Some(gate.clone());
    }

    /// Answers the next request so, unread.
    pub fn next(&self, make: impl FnOnce() -> Response<Full<Bytes>> + Send + 'static) {
        self.book().script.push(Box::new(make));
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.book().seen.clone()
    }

    /// The status of each answer, in order.
    pub fn statuses(&self) -> Vec<u16> {
        self.book().seen.iter().map(|seen| seen.status).collect()
    }

    /// The nonce of each proof, in order.
    pub fn nonces(&self) -> Vec<Option<String>> {
        self.book().seen.iter().map(|seen| seen.claims["nonce"].as_str().map(str::to_owned)).collect()
    }

    /// Why it refused, and how often.
    pub fn refusals(&self) -> BTreeMap<&'static str, usize> {
        self.book().refusals.clone()
    }

    pub async fn answer<B>(self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Error: std::fmt::Debug>,
    {
        let (latency, gate) = {
            let book = self.book();
            (book.latency, book.gate.clone())
        };
        self.takes_time(latency).await;
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let mut response = self.judge(&head.method, head.uri.path(), &head.headers, body);
        self.says(&mut response);
        if let Some(gate) = gate {
            gate.pass().await;
        }
        self.takes_time(latency).await;
        response
    }

    async fn takes_time(&self, longest: Option<Duration>) {
        if let Some(longest) = longest {
            sleep(longest.mul_f64(fastrand::f64())).await;
        }
    }

    fn judge(&self, method: &Method, path: &str, headers: &HeaderMap, body: Bytes) -> Response<Full<Bytes>> {
        let mut book = self.book();
        let claims = claims_of(headers);
        let seen = |status| Seen { path: path.into(), status, body, claims: claims.clone(), headers: headers.clone() };
        if !book.script.is_empty() {
            let response = book.script.remove(0)();
            book.seen.push(seen(response.status().as_u16()));
            return response;
        }
        let uri = format!("{}{path}", book.origin);
        let verdict = book.check(method, &uri, headers, &claims);
        book.turn();
        let response = match verdict {
            Ok(()) => Response::new(Full::from("accepted")),
            Err(refusal) => {
                let (why, error) = match refusal {
                    Refusal::Token(why) => (why, "invalid_token"),
                    Refusal::Proof(why) => (why, "invalid_dpop_proof"),
                    Refusal::Nonce => ("nonce", "use_dpop_nonce"),
                };
                *book.refusals.entry(why).or_default() += 1;
                challenge(error)
            }
        };
        book.seen.push(seen(response.status().as_u16()));
        response
    }

    /// What stands in every answer.
    fn says(&self, response: &mut Response<Full<Bytes>>) {
        let (nonce, ahead) = self.book().told();
        if let Some(nonce) = nonce {
            response.headers_mut().entry("dpop-nonce").or_insert(nonce.parse().unwrap());
        }
        if let Some(ahead) = ahead {
            let difference = Duration::from_secs(ahead.unsigned_abs());
            let date = if ahead < 0 { now() - difference } else { now() + difference };
            response.headers_mut().entry(header::DATE).or_insert(httpdate::fmt_http_date(date).parse().unwrap());
        }
    }
}

/// A 401 for a token under the scheme `DPoP`.
pub fn challenge(error: &str) -> Response<Full<Bytes>> {
    let challenge = format!(r#"DPoP error="{error}", algs="ES256 EdDSA""#);
    let response = Response::builder().status(StatusCode::UNAUTHORIZED).header(header::WWW_AUTHENTICATE, challenge);
    response.body(Full::from("refused")).unwrap()
}

impl Nonces {
    fn newest(&self) -> String {
        format!("nonce-{}", self.number)
    }
}

impl Book {
    /// The newest nonce, and by how many seconds the clock is ahead if it says so.
    fn told(&self) -> (Option<String>, Option<i64>) {
        (self.nonces.as_ref().map(Nonces::newest), self.says_date.then_some(self.ahead))
    }

    fn turn(&mut self) {
        let Some(nonces) = &mut self.nonces else { return };
        nonces.used += 1;
        if nonces.used >= nonces.every {
            (nonces.number, nonces.used) = (nonces.number + 1, 0);
        }
    }

    fn check(&mut self, method: &Method, uri: &str, headers: &HeaderMap, claims: &Value) -> Result<(), Refusal> {
        let token = one(headers, "authorization").and_then(|value| value.strip_prefix("DPoP "));
        let Some(token) = token else { return Err(Refusal::Token("scheme")) };
        let Some(thumbprint) = self.tokens.get(token) else { return Err(Refusal::Token("token")) };
        let Some(proof) = one(headers, "dpop") else { return Err(Refusal::Proof("not one proof")) };
        if verified(proof).as_ref() != Some(thumbprint) {
            return Err(Refusal::Proof("signature or key"));
        }
        let refuse = |why| Err(Refusal::Proof(why));
        if claims["htm"] != method.as_str() {
            return refuse("htm");
        }
        if claims["htu"] != uri {
            return refuse("htu");
        }
        if claims["ath"] != BASE64.encode(digest(&SHA256, token.as_bytes())) {
            return refuse("ath");
        }
        let nonce = self.nonces.as_ref().map(Nonces::newest);
        if nonce.is_some() && claims["nonce"].as_str() != nonce.as_deref() {
            return Err(Refusal::Nonce);
        }
        let clock = now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed() + self.ahead;
        if claims["iat"].as_i64().is_none_or(|iat| (iat - clock).abs() > TOLERATED) {
            return refuse("iat");
        }
        let jti = claims["jti"].as_str().unwrap_or_default();
        if jti.is_empty() || !self.jtis.insert(jti.to_owned()) {
            return refuse("jti");
        }
        Ok(())
    }
}

/// The time of day, by a clock that a test can stop and move.
pub fn now() -> SystemTime {
    let (tokio, own) = (Instant::now().into_std(), std::time::Instant::now());
    match tokio.checked_duration_since(own) {
        Some(ahead) => SystemTime::now() + ahead,
        None => SystemTime::now() - own.saturating_duration_since(tokio),
    }
}

/// The value of a header that stands there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
}

fn part(text: Option<&str>) -> Option<Value> {
    serde_json::from_slice(&BASE64.decode(text?).ok()?).ok()
}

pub fn claims_of(headers: &HeaderMap) -> Value {
    one(headers, "dpop").and_then(|proof| part(proof.split('.').nth(1))).unwrap_or_default()
}

/// The thumbprint of the key that signed this proof, if it did and the header is one of a proof.
fn verified(proof: &str) -> Option<String> {
    let (message, signature) = proof.rsplit_once('.')?;
    let header = part(message.split('.').next())?;
    let jwk = header["jwk"].as_object()?;
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| BASE64.decode(member(name)?).ok();
    if header["typ"] != "dpop+jwt" || jwk.contains_key("d") || header.as_object()?.len() != 3 {
        return None;
    }
    let (canonical, key) = match (header["alg"].as_str()?, member("kty")?, member("crv")?) {
        ("ES256", "EC", "P-256") => (
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member("x")?, member("y")?),
            UnparsedPublicKey::new(
                &ECDSA_P256_SHA256_FIXED as &dyn ring::signature::VerificationAlgorithm,
                [vec![4], bytes("x")?, bytes("y")?].concat(),
            ),
        ),
        ("EdDSA", "OKP", "Ed25519") => (
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, member("x")?),
            UnparsedPublicKey::new(&ED25519 as &dyn ring::signature::VerificationAlgorithm, bytes("x")?),
        ),
        _ => return None,
    };
    key.verify(message.as_bytes(), &BASE64.decode(signature).ok()?).ok()?;
    Some(BASE64.encode(digest(&SHA256, canonical.as_bytes())))
}

impl<B> Service<Request<B>> for Api
where
    B: Body<Data: Send, Error: std::fmt::Debug> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.clone().answer(request);
        Box::pin(async move { Ok(answer.await) })
    }
}
