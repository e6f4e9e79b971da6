//! A proof: a JWT that is good for one request (RFC 9449 §4.2).

use std::time::{Duration, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac_sha256::Hash;
use http::HeaderValue;
use serde_json::{Map, Value};

use super::{DpopKey, Wanted};
use crate::{
    assertion::next_id,
    clock,
    error::{Error, ErrorKind},
};

/// Signs a proof. `ahead`: by how many seconds the server's clock is ahead of ours.
pub(super) async fn make(
    key: &DpopKey,
    wanted: Wanted<'_>,
    nonce: Option<&HeaderValue>,
    ahead: i64,
) -> Result<HeaderValue, Error> {
    let now = clock::date().duration_since(UNIX_EPOCH).unwrap_or_default();
    let claims = claims(&wanted, nonce, seconds(now, ahead), next_id());
    let message = format!("{}.{}", key.header(), base64(claims.to_string().as_bytes()));
    let signature = key.sign(message.as_bytes()).await?;
    let text = format!("{message}.{}", base64(&signature));
    let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).map_err(|error| {
        Error::new(ErrorKind::Dpop, "the proof cannot be put into a header").with_source(error).not_sent()
    })?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn claims(wanted: &Wanted<'_>, nonce: Option<&HeaderValue>, now: i64, id: String) -> Value {
    let mut claims = Map::from_iter([
        ("jti".to_owned(), id.into()),
        ("htm".to_owned(), wanted.method.as_str().into()),
        ("htu".to_owned(), target(wanted).into()),
        ("iat".to_owned(), now.into()),
    ]);
    if let Some(token) = wanted.token {
        claims.insert("ath".into(), base64(&Hash::hash(token)).into());
    }
    if let Some(nonce) = nonce.and_then(|nonce| nonce.to_str().ok()) {
        claims.insert("nonce".into(), nonce.into());
    }
    Value::Object(claims)
}

/// `htu`: scheme and host in lower case, without a default port, query or fragment (RFC 3986 §6.2.2 and §6.2.3). The path is as it
/// is sent: servers compare it with what they get.
fn target(wanted: &Wanted<'_>) -> String {
    // `OPTIONS *` has no path at all, and so does a URI that ends with its host.
    let path = if wanted.path.starts_with('/') { wanted.path } else { "/" };
    format!("{}{path}", wanted.at.origin.as_uri())
}

fn seconds(now: Duration, ahead: i64) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_add(ahead)
}

pub(super) fn base64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}
