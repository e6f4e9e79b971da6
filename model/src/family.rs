//! An authorization server that rotates refresh tokens, and notices one that comes again.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use secrecy::ExposeSecret;
use shuttle::future::yield_now;
use tower::service_fn;
use tower_reauth::{Token, TokenEndpoint, TokenSet};

use crate::{store::Store, world::LIFETIME};

/// What the server gave out, each pair by its number, from one on: `a-1` with `r-1`.
#[derive(Clone, Debug)]
pub struct Family {
    pairs: Arc<Mutex<Vec<Pair>>>,
    store: Store,
    /// Whether a refresh token that comes again is refused only. It fails the claim otherwise.
    forgives: bool,
    /// How many logins were refused; none is, at first.
    refused_logins: Arc<Mutex<Option<usize>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    spent: bool,
    refreshes: bool,
    works: bool,
    refusals: usize,
    late_refusals: usize,
}

impl Family {
    pub fn new(store: &Store, forgives: bool) -> Self {
        Self { pairs: Arc::default(), store: store.clone(), forgives, refused_logins: Arc::default() }
    }

    pub fn endpoint(&self) -> TokenEndpoint {
        let family = self.clone();
        let server = service_fn(move |request| answer(family.clone(), request));
        let endpoint = TokenEndpoint::new(server, "https://login.example/token").expect("this is an address");
        endpoint.revocation("https://login.example/revoke").expect("this is an address")
    }

    /// A pair that nobody asked the token endpoint for.
    pub fn first(&self) -> TokenSet {
        let number = self.issue();
        let tokens = TokenSet::new(format!("a-{number}")).expect("this is a token");
        tokens.with_lifetime(LIFETIME).with_refresh_token(format!("r-{number}"))
    }

    /// How many pairs there are, which is the number of the newest.
    pub fn issued(&self) -> usize {
        self.pairs.lock().unwrap().len()
    }

    /// Whether something works yet, other than an access token whose pair was renewed.
    pub fn is_alive(&self) -> bool {
        self.pairs.lock().unwrap().iter().any(|pair| !pair.spent && (pair.works || pair.refreshes))
    }

    /// What was given out until now is good for nothing any more.
    pub fn ends(&self) {
        for pair in self.pairs.lock().unwrap().iter_mut() {
            (pair.refreshes, pair.works) = (false, false);
        }
    }

    /// The password is wrong from now on.
    pub fn refuses_logins(&self) {
        *self.refused_logins.lock().unwrap() = Some(0);
    }

    pub fn refused_logins(&self) -> Option<usize> {
        *self.refused_logins.lock().unwrap()
    }

    /// How often a refresh token was refused, and how often of these its successor was in the store already.
    pub fn refusals(&self) -> (usize, usize) {
        let pairs = self.pairs.lock().unwrap();
        pairs.iter().fold((0, 0), |sum, pair| (sum.0 + pair.refusals, sum.1 + pair.late_refusals))
    }

    fn log_in(&self) -> Option<usize> {
        if let Some(refused) = self.refused_logins.lock().unwrap().as_mut() {
            *refused += 1;
            return None;
        }
        Some(self.issue())
    }

    fn issue(&self) -> usize {
        let mut pairs = self.pairs.lock().unwrap();
        pairs.push(Pair { refreshes: true, works: true, ..Pair::default() });
        pairs.len()
    }

    fn refresh(&self, number: usize) -> Option<usize> {
        {
            let mut pairs = self.pairs.lock().unwrap();
            let newest = pairs.len();
            let pair = &mut pairs[number - 1];
            assert!(self.forgives || !pair.spent, "a refresh token is sent twice");
            if pair.spent || !pair.refreshes {
                pair.refusals += 1;
                pair.late_refusals += usize::from(newest > number && self.store.holds(newest));
                return None;
            }
            pair.spent = true;
        }
        Some(self.issue())
    }

    fn revoke(&self, token: &str) {
        let mut pairs = self.pairs.lock().unwrap();
        let pair = &mut pairs[number_of(token) - 1];
        // With the refresh token its access token goes as well (RFC 7009 §2.1).
        pair.works = false;
        pair.refreshes &= token.starts_with('a');
    }
}

/// Which pair the session gave out.
pub fn number(token: &Token) -> usize {
    number_of(token.token_set().access_token().expose_secret())
}

pub fn number_of(token: &str) -> usize {
    token.split_once('-').and_then(|(_, number)| number.parse().ok()).expect("a token has a number")
}

async fn answer(family: Family, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let form = String::from_utf8_lossy(&body);
    let field = |name: &str| form.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    yield_now().await;
    if head.uri.path() == "/revoke" {
        family.revoke(field("token").expect("a revocation names a token"));
        return Ok(Response::default());
    }
    let number = match field("refresh_token") {
        Some(token) => family.refresh(number_of(token)),
        None => family.log_in(),
    };
    // On its way back.
    yield_now().await;
    let Some(number) = number else {
        let mut response = Response::new(Full::from(r#"{"error":"invalid_grant"}"#));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    };
    let lifetime = LIFETIME.as_secs();
    let json = format!(
        r#"{{"access_token":"a-{number}","token_type":"Bearer","expires_in":{lifetime},"refresh_token":"r-{number}"}}"#
    );
    Ok(Response::new(json.into()))
}
