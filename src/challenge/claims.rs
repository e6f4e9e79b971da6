//! The claims that a challenge asks for: base64, base64url or plain JSON.

use serde::de::IgnoredAny;

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
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let mut bits = 0u32;
    let mut count = 0;
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}
