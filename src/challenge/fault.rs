//! Finds the error code in the body of a WSO2 fault.
//!
//! A code stands in an XML element `code` of a document whose root is `fault` or a SOAP `Envelope`, under any prefix, or
//! in a JSON member `code` at any depth. Elsewhere (prose, comments, attributes, an HTML page) it is not a code. The
//! bytes decide what the body is: gateways send XML as `text/plain` and JSON as `text/html`.
//!
//! Reading is one pass from the front, so the start of a body never tells something else than the whole.

use std::borrow::Cow;

/// What the start of a body tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is a fault with this code, one of 900900 to 900999.
    Code(u32),
    /// No code so far.
    Open,
    /// It is no fault, whatever comes.
    Never,
}

pub(super) fn read(body: &[u8]) -> Fault {
    // Before that it is open whether the body is UTF-16.
    if body.len() < 4 {
        return Fault::Open;
    }
    let text = single_bytes(body);
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text).trim_ascii_start();
    match text.first() {
        Some(b'<') => read_xml(text),
        Some(b'{' | b'[') => read_json(text),
        Some(_) => Fault::Never,
        None => Fault::Open,
    }
}

/// UTF-16 as single bytes, with `?` for what is not ASCII; other encodings keep ASCII as it is.
fn single_bytes(body: &[u8]) -> Cow<'_, [u8]> {
    let (body, unit): (_, fn([u8; 2]) -> u16) = match body {
        [0xff, 0xfe, rest @ ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes),
        [1..=255, 0, ..] => (body, u16::from_le_bytes),
        [0, 1..=255, ..] => (body, u16::from_be_bytes),
        _ => return Cow::Borrowed(body),
    };
    let ascii = |pair: &[u8]| u8::try_from(unit([pair[0], pair[1]])).ok().filter(u8::is_ascii).unwrap_or(b'?');
    body.chunks_exact(2).map(ascii).collect()
}

fn read_xml(mut text: &[u8]) -> Fault {
    let mut in_root = false;
    loop {
        let Some(markup) = after(text, b"<") else { return Fault::Open };
        let end: &[u8] = match markup {
            [b'!', b'-', b'-', ..] => b"-->",
            [b'!', b'[', ..] => b"]]>",
            [b'?', ..] => b"?>",
            [b'!' | b'/', ..] => b">",
            _ => b"",
        };
        if !end.is_empty() {
            let Some(rest) = after(markup, end) else { return Fault::Open };
            text = rest;
            continue;
        }
        let Some((tag, rest)) = split_tag(markup) else { return Fault::Open };
        let name = local_name(tag);
        if !in_root && !name.eq_ignore_ascii_case(b"fault") && !name.eq_ignore_ascii_case(b"envelope") {
            return Fault::Never;
        }
        in_root = true;
        if name.eq_ignore_ascii_case(b"code")
            && !tag.ends_with(b"/")
            && let Some(code) = read_code(rest)
        {
            return Fault::Code(code);
        }
        text = rest;
    }
}

fn read_json(mut text: &[u8]) -> Fault {
    loop {
        let Some((string, rest)) = after(text, b"\"").and_then(split_string) else { return Fault::Open };
        if string.eq_ignore_ascii_case(b"code")
            && let Some(value) = rest.trim_ascii_start().strip_prefix(b":")
        {
            let value = value.trim_ascii_start();
            if let Some(code) = read_code(value.strip_prefix(b"\"").unwrap_or(value)) {
                return Fault::Code(code);
            }
        }
        text = rest;
    }
}

/// A whole code of the 9009xx range at the start of the text: six digits, and what ends them.
fn read_code(text: &[u8]) -> Option<u32> {
    let (digits, rest) = text.trim_ascii_start().split_at_checked(6)?;
    let ended = matches!(rest.first()?, b'<' | b'"' | b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
    let is_code = ended && digits.starts_with(b"9009") && digits.iter().all(u8::is_ascii_digit);
    is_code.then(|| digits.iter().fold(0, |code, digit| code * 10 + u32::from(digit - b'0')))
}

/// The inside of a start tag and what follows it. A `>` in a quoted attribute does not end the tag.
fn split_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut quote = None;
    let end = text.iter().position(|byte| {
        match quote {
            Some(open) if open == *byte => quote = None,
            None if matches!(byte, b'"' | b'\'') => quote = Some(*byte),
            _ => {}
        }
        quote.is_none() && *byte == b'>'
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// A JSON string, its opening quote gone, and what follows it.
fn split_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let ends = !escaped && *byte == b'"';
        escaped = !escaped && *byte == b'\\';
        ends
    })?;
    Some((&text[..end], &text[end + 1..]))
}

fn local_name(tag: &[u8]) -> &[u8] {
    let name = tag.split(|byte| byte.is_ascii_whitespace() || *byte == b'/').next().unwrap_or_default();
    name.rsplit(|byte| *byte == b':').next().unwrap_or_default()
}

/// What follows the first occurrence of `end`.
fn after<'a>(text: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(end.len()).position(|window| window == end)?;
    Some(&text[at + end.len()..])
}
