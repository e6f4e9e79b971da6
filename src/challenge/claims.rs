//! The claims that a challenge asks for: base64, base64url or plain JSON.

use base64ct::{Base64Unpadded, Encoding};
use serde_core::de::IgnoredAny;

/// How many bytes of JSON are taken.
const MAX_BYTES: usize = 4 * 1024;

/// The JSON object in a `claims` parameter; `None` for anything else, which is then ignored.
pub(super) fn decode(parameter: &str) -> Option<Box<str>> {
    let json = match parameter.trim_ascii() {
        plain if plain.starts_with('{') => plain.to_owned(),
        encoded => String::from_utf8(decode_base64(encoded)?).ok()?,
    };
    let json = json.trim_ascii();
    let is_object = json.starts_with('{') && serde_json::from_str::<IgnoredAny>(json).is_ok();
    (is_object && json.len() <= MAX_BYTES).then(|| json.into())
}

/// Both alphabets of RFC 4648, with or without padding: challenges come in all four combinations.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    Base64Unpadded::decode_vec(&text).ok()
}
