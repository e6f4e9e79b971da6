//! The proof that a request needs whose token is bound to a key (RFC 9449), and what its call knows of its proofs.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use tokio::{runtime::Handle, time::Instant};

use super::config::{Config, OwnAuthorization};
use crate::{
    dpop::{At, Place, Proof, Server, Wanted},
    error::{Error, ErrorKind},
    identity::Generation,
    origin::Origin,
    scheme::Scheme,
    session::Session,
};

const DPOP: HeaderName = HeaderName::from_static("dpop");
/// A proof of an older date is made anew, once, before it is sent.
const YOUNG: Duration = Duration::from_secs(2);

/// A proof under way, for one attempt. It is ready when it is polled first, if the key is in memory.
pub(super) type Signing = Pin<Box<dyn Future<Output = Result<Proof, Error>> + Send>>;

/// What a call knows of its proofs. Boxed: few calls have any.
#[derive(Default)]
pub(super) struct Proofs {
    /// For the attempt that comes next.
    pub(super) next: Option<Ready>,
    /// What the last attempt was sent with.
    pub(super) sent: Option<Proof>,
    /// So many times another nonce was wanted.
    pub(super) nonces: u32,
    signed_again: bool,
    /// It was sent again since the proof was refused.
    pub(super) made_again: bool,
    /// The token whose rejection was thought to be for the clocks.
    pub(super) suspected: Option<Generation>,
    pub(super) place: Option<Place>,
}

pub(super) struct Ready {
    pub(super) proof: Proof,
    pub(super) generation: Generation,
    pub(super) made: Instant,
}

/// The proof for a first send with this token, if it needs one.
pub(super) fn begin<B>(
    config: &Config,
    session: &Session,
    origin: usize,
    request: &Request<B>,
    header: &HeaderValue,
) -> Option<Result<Signing, Error>> {
    // A layer may send what is bound to no key under this word.
    let is_bound = Scheme::is_bound(header) && (session.dpop().is_some() || !config.scheme.is_own());
    is_bound
        .then(|| sign(config, session, origin, (request.method().clone(), request.uri().path().into()), header.clone()))
}

/// Whether it is ready already. A key elsewhere may need timers and connections, and whoever calls may have none.
pub(super) fn now(session: &Session, signing: &mut Signing) -> Poll<Result<Proof, Error>> {
    let standby = session.standby();
    let _entered = standby.as_ref().map(Handle::enter);
    signing.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Puts a proof into its request. One of the caller's own proves nothing: it can't be for this token.
pub(super) fn put(config: &Config, headers: &mut HeaderMap, proof: &Proof) -> Result<(), Error> {
    if config.own_authorization == OwnAuthorization::Reject && headers.contains_key(DPOP) {
        let why = "the request has a header `dpop` of its own";
        return Err(Error::new(ErrorKind::OwnAuthorization, why).not_sent());
    }
    headers.insert(DPOP, proof.value.clone());
    Ok(())
}

pub(super) fn sign(
    config: &Config,
    session: &Session,
    origin: usize,
    (method, path): (Method, Box<str>),
    header: HeaderValue,
) -> Result<Signing, Error> {
    let refuse = |why| Err(Error::new(ErrorKind::Dpop, why).not_sent());
    if config.scheme.is_own() && !config.scheme.as_word().is_some_and(|word| word.eq_ignore_ascii_case("DPoP")) {
        return refuse(
            "not sent: a token that is bound to a key goes under `DPoP`, and the layer has another `scheme`",
        );
    }
    let Some(origin) = config.origins.get(origin).cloned() else { return refuse("not sent: there is no such origin") };
    if session.dpop().is_none() {
        return refuse(
            "not sent: the token is bound to a key, and the session was built without `SessionBuilder::dpop`",
        );
    }
    let session = session.clone();
    Ok(Box::pin(async move {
        let Some(binding) = session.dpop() else { return Err(Error::new(ErrorKind::Dpop, "there is no key")) };
        let wanted = Wanted { at: at(&origin), method: &method, path: &path, token: Scheme::token_in(&header) };
        binding.proof(wanted).await
    }))
}

pub(super) fn at(origin: &Origin) -> At<'_> {
    At { server: Server::Resource, origin }
}

impl Proofs {
    /// Of a call whose first send went out with this proof.
    pub(super) fn sent(proof: Proof) -> Self {
        Self { sent: Some(proof), ..Self::default() }
    }

    /// The proof for the token of this generation, if it is there and still good.
    pub(super) fn is_ready(&mut self, generation: Generation) -> bool {
        let is_young = |ready: &Ready| ready.made.elapsed() < YOUNG || self.signed_again;
        let is_good = self.next.as_ref().map(|ready| ready.generation == generation && is_young(ready));
        // Once: what waits long for the service each time is sent with what there is.
        self.signed_again |= is_good == Some(false);
        is_good == Some(true)
    }
}

#[cfg(feature = "dpop")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::TokenVerdict, origin::Origins};

    /// Such a layer may be below a token endpoint, whose session then holds nothing against what it would have sent.
    #[test]
    fn what_is_refused_here_was_not_sent() {
        let session = Session::logged_out();
        let mut config = Config::new((&session).into(), Origins::only("https://api.example").unwrap());
        let header = HeaderValue::from_static("DPoP token");
        let refused = |config: &Config| {
            let signing = sign(config, &session, 0, (Method::GET, "/".into()), header.clone());
            signing.err().expect("there is no key")
        };
        assert!(matches!(refused(&config).known_verdict(), Some(TokenVerdict::Unsent)));
        config.scheme = Scheme::word("Token").unwrap();
        assert!(matches!(refused(&config).known_verdict(), Some(TokenVerdict::Unsent)));
        config.own_authorization = OwnAuthorization::Reject;
        let mut headers = HeaderMap::from_iter([(DPOP, HeaderValue::from_static("own"))]);
        let proof = Proof { value: header.clone(), nonce: None, ahead: 0 };
        let error = put(&config, &mut headers, &proof).unwrap_err();
        assert!(matches!(error.known_verdict(), Some(TokenVerdict::Unsent)));
    }
}
