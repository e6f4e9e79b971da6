//! Nonces and addresses of DPoP: the first line of the input is a URI, each further one a `DPoP-Nonce` line of an answer.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use serde_json::Value;
use tower_reauth::{ClientCredentialsGrant, DpopKey, ErrorKind, JwtAlgorithm, Session, TokenEndpoint};

/// What the docs promise for a nonce.
const MAX_NONCE: usize = 1024;

/// # Panics
/// Where something that must hold does not.
pub fn check(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let Some(address) = lines.next().and_then(|line| std::str::from_utf8(line).ok()) else { return };
    let nonces: Vec<_> = lines.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let proofs = Arc::<Mutex<Vec<Value>>>::default();
    let service = {
        let (proofs, nonces) = (proofs.clone(), nonces.clone());
        tower::service_fn(move |request: Request<Full<Bytes>>| {
            let sent = claims(request.headers());
            let mut proofs = proofs.lock().unwrap();
            proofs.push(sent);
            std::future::ready(Ok::<_, Infallible>(answer(&nonces, proofs.len())))
        })
    };
    // What can't be an address is none here.
    let Ok(endpoint) = TokenEndpoint::new(service, address) else { return };
    let key = DpopKey::generate_with(JwtAlgorithm::EdDSA).expect("there is randomness");
    let session = Session::builder(ClientCredentialsGrant::new(endpoint)).dpop(key).build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let got = runtime.expect("a runtime").block_on(session.token());

    let proofs = proofs.lock().unwrap();
    let good = nonces.iter().rfind(|nonce| can_be_sent_back(nonce));
    assert_eq!(proofs.len(), if good.is_some() { 2 } else { 1 }, "asked once, and only with something new");
    match got {
        Ok(_) => assert!(good.is_some()),
        Err(error) => assert_eq!((error.kind(), good), (ErrorKind::Dpop, None)),
    }
    let uri: Uri = address.parse().expect("the endpoint took it");
    for claims in &*proofs {
        assert_eq!(claims["htm"], "POST");
        let target: Uri = claims["htu"].as_str().expect("a text").parse().expect("a URI");
        assert!(target.query().is_none() && !claims["htu"].as_str().expect("a text").contains('#'));
        assert_eq!(target.path(), uri.path());
        assert!(target.host().expect("a host").eq_ignore_ascii_case(uri.host().expect("a host")));
        assert_eq!(target.scheme(), uri.scheme());
        assert_eq!(port(&target), port(&uri));
    }
    assert!(proofs[0].get("nonce").is_none());
    if let Some(good) = good {
        assert_eq!(proofs[1]["nonce"].as_str().map(str::as_bytes), Some(good.as_bytes()));
        assert_ne!(proofs[0]["jti"], proofs[1]["jti"]);
    }
}

/// RFC 9449 §8.1.
fn can_be_sent_back(nonce: &HeaderValue) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\".contains(byte);
    (1..=MAX_NONCE).contains(&nonce.len()) && nonce.as_bytes().iter().all(is_allowed)
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 })
}

fn claims(headers: &HeaderMap) -> Value {
    let proof = headers["dpop"].to_str().expect("visible ASCII");
    let claims = proof.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(claims).expect("base64url")).expect("JSON")
}

fn answer(nonces: &[HeaderValue], number: usize) -> Response<Full<Bytes>> {
    let (status, body) = match number {
        1 => (400, r#"{"error":"use_dpop_nonce"}"#),
        _ => (200, r#"{"access_token":"a-token","token_type":"DPoP"}"#),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status.try_into().expect("a status");
    for nonce in nonces {
        response.headers_mut().append("dpop-nonce", nonce.clone());
    }
    response
}
