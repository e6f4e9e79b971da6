//! Cuts out of a server's own words what we hold secret (invariant 9): servers repeat what they were sent.

mod spelling;

use std::borrow::Cow;

use base64ct::{Base64Unpadded, Encoding};
use bytes::Bytes;
use http::HeaderValue;
use percent_encoding::percent_decode;
use secrecy::SecretString;
use zeroize::Zeroizing;

use self::spelling::{ENCODED, Spelling, plain};

/// What anybody may read of a request; every other parameter counts as secret.
const PUBLIC: [&str; 14] = [
    "grant_type",
    "scope",
    "client_id",
    "resource",
    "audience",
    "client_assertion_type",
    "subject_token_type",
    "actor_token_type",
    "requested_token_type",
    "requested_token_use",
    "token_type_hint",
    "redirect_uri",
    "response_type",
    "acr_values",
];

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";
/// How many characters of a description are kept.
const LONGEST: usize = 512;
/// How many bytes of it are looked at.
const LOOKED_AT: usize = 4 * 1024;
/// So many bytes that stand in a secret as well are a piece of it, wherever they begin.
const TELLING: usize = 8;

type Secret = Zeroizing<Vec<u8>>;

/// What a request carried, for as long as its answer is read: no copies, but the bytes that were sent.
#[derive(Clone, Default)]
pub(super) struct Carried {
    pub(super) form: Bytes,
    pub(super) authorization: Option<HeaderValue>,
    /// Of the session's key.
    pub(super) proof: Option<HeaderValue>,
}

/// What is to be cut out of texts. Made for a failure, and wiped with it.
#[derive(Default)]
pub(super) struct Secrets {
    plain: Vec<Secret>,
    base64: Vec<Secret>,
}

impl Carried {
    pub(super) fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add_form(&self.form);
        let header = self.authorization.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        if let Some(at) = header.iter().position(|byte| *byte == b' ') {
            let (scheme, credentials) = (&header[..at], header[at..].trim_ascii());
            secrets.add(credentials);
            if scheme.eq_ignore_ascii_case(b"basic") {
                secrets.add_pair(credentials);
            }
        }
        if let Some(proof) = &self.proof {
            secrets.add(proof.as_bytes());
        }
        secrets
    }
}

impl Secrets {
    pub(super) fn add(&mut self, secret: &[u8]) {
        if secret.is_empty() {
            return;
        }
        // A server may decode once more than it should, or not at all.
        if let Cow::Owned(decoded) = Cow::from(percent_decode(secret)) {
            self.add_as_it_is(Zeroizing::new(decoded));
        }
        self.add_as_it_is(Zeroizing::new(secret.to_vec()));
    }

    /// The values of a form or a query.
    pub(super) fn add_form(&mut self, form: &[u8]) {
        for (name, value) in form_urlencoded::parse(form) {
            let value = Zeroizing::new(value.into_owned());
            if !PUBLIC.contains(&&*name) {
                self.add(value.as_bytes());
            }
        }
    }

    /// What `Basic` carries: the pair, and the secret in it, both as they are and decoded (RFC 6749 §2.3.1).
    fn add_pair(&mut self, credentials: &[u8]) {
        let padded = credentials.trim_ascii_end();
        let unpadded = &padded[..padded.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1)];
        let Some(pair) = std::str::from_utf8(unpadded).ok().and_then(|text| Base64Unpadded::decode_vec(text).ok())
        else {
            return;
        };
        let pair = Zeroizing::new(pair);
        let spaced =
            Zeroizing::new(pair.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<_>>());
        for pair in [pair, spaced] {
            self.add(&pair);
            if let Some(at) = pair.iter().position(|byte| *byte == b':') {
                self.add(&pair[at + 1..]);
            }
        }
    }

    fn add_as_it_is(&mut self, secret: Secret) {
        if !self.plain.contains(&secret) {
            let mut encoded = Zeroizing::new(vec![0; Base64Unpadded::encoded_len(&secret)]);
            if let Ok(text) = Base64Unpadded::encode(&secret, &mut encoded) {
                self.base64.push(Zeroizing::new(text.as_bytes().to_vec()));
            }
            // Where it stands behind something else: of the first letters only a part is the secret's (RFC 4648 §4).
            for (before, shared) in [(1, 2), (2, 3)] {
                let mut shifted = Zeroizing::new(vec![0; before + secret.len()]);
                shifted[before..].copy_from_slice(&secret);
                let mut encoded = Zeroizing::new(vec![0; Base64Unpadded::encoded_len(&shifted)]);
                if let Ok(text) = Base64Unpadded::encode(&shifted, &mut encoded)
                    && text.len() >= shared + TELLING
                {
                    self.base64.push(Zeroizing::new(text.as_bytes()[shared..].to_vec()));
                }
            }
            self.plain.push(secret);
        }
    }

    /// Whether a short text, such as an error code, is one of these, or holds one that can't be taken for a word.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let mut all = self.plain.iter().chain(&self.base64);
        all.any(|secret| secret.as_slice() == text.as_bytes()) || self.covered(text, TELLING).contains(&true)
    }

    /// The text without these, in one line, and not too long.
    pub(super) fn cut(&self, text: &str) -> SecretString {
        let covered = self.covered(text, 1);
        // As much as it takes at most: a buffer that grows would leave its old content behind.
        let mut kept = Zeroizing::new(String::with_capacity(4 * LONGEST));
        let (mut left, mut after_secret) = (LONGEST, false);
        for (at, letter) in text.char_indices().take_while(|(at, letter)| at + letter.len_utf8() <= covered.len()) {
            let is_secret = covered[at..at + letter.len_utf8()].contains(&true);
            let mut buffer = [0; 4];
            let shown = match (is_secret, after_secret) {
                (true, true) => "",
                (true, false) => REDACTED,
                (false, _) => readable(letter).encode_utf8(&mut buffer),
            };
            after_secret = is_secret;
            let Some(rest) = left.checked_sub(shown.chars().count()) else { break };
            left = rest;
            kept.push_str(shown);
        }
        kept.trim().into()
    }

    /// Which bytes of the text's start are of a secret of at least this length.
    fn covered(&self, text: &str, shortest: usize) -> Vec<bool> {
        let end = (0..=text.len().min(LOOKED_AT)).rfind(|end| text.is_char_boundary(*end)).unwrap_or_default();
        let (bytes, goes_on) = (&text.as_bytes()[..end], end < text.len());
        let mut covered = vec![false; end];
        let needles =
            self.plain.iter().map(|secret| (secret, false)).chain(self.base64.iter().map(|text| (text, true)));
        for (needle, is_base64) in needles.filter(|(needle, _)| needle.len() >= shortest) {
            let mut start = 0;
            while start < end {
                let (length, matched) = matches(&bytes[start..], needle, is_base64);
                let reaches_the_cut = goes_on && start + length == end;
                if matched == needle.len() || matched >= TELLING || (matched > 0 && reaches_the_cut) {
                    covered[start..start + length].fill(true);
                }
                // Nothing long is looked at twice: a server may have chosen both the secret and the text.
                start += if matched >= TELLING { length } else { 1 };
            }
        }
        for (secrets, is_base64) in [(&self.plain, false), (&self.base64, true)] {
            let pieces = pieces(secrets, is_base64);
            for spelling in ENCODED.into_iter().chain([plain as Spelling]) {
                cover_pieces(&mut covered, &pieces, bytes, spelling, is_base64);
            }
        }
        covered
    }
}

/// Everything of `TELLING` bytes in a row, in order. As a list, for it is wiped.
fn pieces(secrets: &[Secret], is_base64: bool) -> Zeroizing<Vec<[u8; TELLING]>> {
    let all = || secrets.iter().flat_map(|secret| secret.windows(TELLING));
    // Invariant 9: it never grows.
    let mut pieces = Zeroizing::new(Vec::with_capacity(all().count()));
    pieces.extend(all().map(|piece| std::array::from_fn(|at| class(piece[at], is_base64))));
    pieces.sort_unstable();
    pieces
}

/// Marks what is a piece of a secret, if all that can be read this way is.
fn cover_pieces(covered: &mut [bool], pieces: &[[u8; TELLING]], text: &[u8], spelling: Spelling, is_base64: bool) {
    let mut read = Zeroizing::new(Vec::with_capacity(text.len()));
    // Where each of these bytes stands in the text.
    let mut places = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(letter) = spelling(&text[at..]).or_else(|| plain(&text[at..])) {
        for byte in letter.bytes() {
            read.push(class(*byte, is_base64));
            places.push(at..at + letter.length);
        }
        at += letter.length;
    }
    for (window, places) in read.windows(TELLING).zip(places.windows(TELLING)) {
        if pieces.binary_search_by(|piece| piece.as_slice().cmp(window)).is_ok() {
            covered[places[0].start..places[TELLING - 1].end].fill(true);
        }
    }
}

/// How many bytes at the start of a text stand for how many at the start of a secret, each letter as it is or encoded.
fn matches(text: &[u8], secret: &[u8], is_base64: bool) -> (usize, usize) {
    // A secret may look as if it were encoded.
    let as_it_is = matches_by(&[plain], text, secret, is_base64);
    let [a, b, c, d] = ENCODED;
    let encoded = matches_by(&[a, b, c, d, plain], text, secret, is_base64);
    if as_it_is.1 > encoded.1 { as_it_is } else { encoded }
}

fn matches_by(spellings: &[Spelling], text: &[u8], secret: &[u8], is_base64: bool) -> (usize, usize) {
    let (mut length, mut matched) = (0, 0);
    while matched < secret.len() {
        let letter = spellings.iter().filter_map(|spelling| spelling(&text[length..])).find(|letter| {
            let next = secret.get(matched..matched + letter.bytes().len()).unwrap_or_default();
            !next.is_empty()
                && next.iter().zip(letter.bytes()).all(|(a, b)| class(*a, is_base64) == class(*b, is_base64))
        });
        let Some(letter) = letter else { break };
        length += letter.length;
        matched += letter.bytes().len();
    }
    (length, matched)
}

/// A plus and a space are one, as are the two alphabets of base64 (RFC 4648 §5).
fn class(byte: u8, is_base64: bool) -> u8 {
    match byte {
        b' ' => b'+',
        b'-' if is_base64 => b'+',
        b'_' if is_base64 => b'/',
        _ => byte,
    }
}

/// What is no letter of a line is a space; what is not seen, or turns the line around, is U+FFFD.
fn readable(letter: char) -> char {
    match letter {
        _ if letter.is_control() => ' ',
        '\u{2028}' | '\u{2029}' => ' ',
        // Soft hyphen, Arabic and Mongolian marks, zero width, bidirectional controls, invisible operators, byte order mark,
        // annotations, tags.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => '\u{fffd}',
        letter => letter,
    }
}

#[cfg(test)]
mod tests;
