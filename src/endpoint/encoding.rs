//! What a token response comes in, where it is not plain JSON: behind a byte order mark, with bytes that are no UTF-8, as a form.

use std::collections::BTreeSet;

use http::{HeaderMap, header::CONTENT_TYPE};
use zeroize::Zeroizing;

use super::secret_buffer::SecretBuffer;

const FORM: &str = "application/x-www-form-urlencoded";

/// What stands for bytes that are no UTF-8.
pub(super) const UNREADABLE: char = '\u{fffd}';

pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// The same with something else for what is no UTF-8; `None` where all of it is.
pub(super) fn repaired(body: &[u8]) -> Option<SecretBuffer> {
    if std::str::from_utf8(body).is_ok() {
        return None;
    }
    let mut text = SecretBuffer::with_capacity(2 * body.len());
    for chunk in body.utf8_chunks() {
        text.push(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            text.push(UNREADABLE.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Some(text)
}

/// Whether it is a form by its content type, and not JSON or a page by its first byte.
pub(super) fn is_form(headers: &HeaderMap, body: &[u8]) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = content_type.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case(FORM)
        && !matches!(body.trim_ascii_start().first(), None | Some(b'{' | b'[' | b'"' | b'<'))
}

/// Goes through a form; says whether each name stood once.
pub(super) fn read_form(body: &[u8], mut take: impl FnMut(&str, &str)) -> bool {
    let mut seen = BTreeSet::new();
    form_urlencoded::parse(body.trim_ascii()).all(|(name, value)| {
        // What is decoded passes through the decoder's own scratch space, which is not wiped.
        let value = Zeroizing::new(value.into_owned());
        take(&name, &value);
        seen.insert(name.into_owned())
    })
}
