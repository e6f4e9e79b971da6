//! Reads `WWW-Authenticate` (RFC 9110 §11.6.1) the way servers really send it.
//!
//! Gateways slip: they join challenges with a space, forget commas and quotes, or send `null` before the scheme. So this
//! parser never gives up. It takes what it understands and drops the rest:
//!
//! 1. A word before `=` is a parameter of the challenge that is open; without one it belongs to nobody.
//! 2. Any other word opens a challenge, unless it runs on from an unquoted value (`error_description=Invalid request`).
//! 3. What can't be a scheme (token68, stray quotes, bytes outside ASCII) is skipped.
//! 4. 8 KiB of all lines together and 16 challenges are read.

use http::{HeaderMap, header::WWW_AUTHENTICATE};

/// How many bytes of all lines together are read.
const MAX_BYTES: usize = 8 * 1024;

/// How many challenges are read.
const MAX_CHALLENGES: usize = 16;

/// The names of the scheme that we send.
const BEARER: [&str; 3] = ["Bearer", "OAuth2", "OAuth"];

/// Schemes that servers name although they take bearer tokens: Artifactory names `Basic`, Django REST framework whatever
/// comes first among its authenticators.
const BESIDE: [&str; 3] = ["Basic", "Token", "JWT"];

/// What all `WWW-Authenticate` lines of a response say.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    /// The challenges that are about a token: `Bearer`, `OAuth2`, `OAuth`, `DPoP`.
    pub(super) ours: Vec<Parameters>,
    /// How many challenges there are of each kind.
    count: usize,
    bearer: usize,
    beside: usize,
}

/// The parameters that matter of one challenge; of repeated ones the first.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) error: Option<String>,
    pub(super) realm: Option<String>,
    pub(super) claims: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) acr_values: Option<String>,
    pub(super) max_age: Option<String>,
}

impl Challenges {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut challenges = Self::default();
        let mut left = MAX_BYTES;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let line = &value.as_bytes()[..value.len().min(left)];
            left -= line.len();
            challenges.read(&String::from_utf8_lossy(line));
        }
        challenges
    }

    /// Whether there are challenges, and a bearer token answers none of them.
    pub(super) fn only_foreign(&self) -> bool {
        self.bearer == 0 && self.count > 0
    }

    /// Whether there are challenges, and all are of schemes that servers name although they take bearer tokens.
    pub(super) fn only_beside(&self) -> bool {
        self.beside == self.count && self.count > 0
    }

    /// Counts a challenge, and says whether it is one of ours that is to be read.
    fn open(&mut self, scheme: &str) -> bool {
        if self.count == MAX_CHALLENGES {
            return false;
        }
        self.count += 1;
        let is_one_of = |names: &[&str]| names.iter().any(|name| scheme.eq_ignore_ascii_case(name));
        self.bearer += usize::from(is_one_of(&BEARER));
        self.beside += usize::from(is_one_of(&BESIDE));
        let ours = is_one_of(&BEARER) || is_one_of(&["DPoP"]);
        if ours {
            self.ours.push(Parameters::default());
        }
        ours
    }

    fn read(&mut self, line: &str) {
        let mut rest = line;
        let mut ours_is_open = false;
        let mut in_unquoted_value = false;
        loop {
            rest = rest.trim_ascii_start();
            let (word, after) = rest.split_at(rest.find(is_delimiter).unwrap_or(rest.len()));
            if word.is_empty() {
                rest = match rest.as_bytes() {
                    [] => return,
                    [b'"', ..] => match read_value(rest) {
                        Some((_, after)) => after,
                        None => return,
                    },
                    [delimiter, ..] => {
                        in_unquoted_value &= *delimiter != b',';
                        &rest[1..]
                    }
                };
            } else if let Some(value) = after.trim_ascii_start().strip_prefix('=') {
                let value = value.trim_ascii_start();
                in_unquoted_value = !value.starts_with('"');
                let Some((value, after)) = read_value(value) else { return };
                if ours_is_open && let Some(parameters) = self.ours.last_mut() {
                    parameters.set(word, value);
                }
                rest = after;
            } else {
                if !in_unquoted_value && word.bytes().all(is_token) {
                    if self.count == MAX_CHALLENGES {
                        return;
                    }
                    ours_is_open = self.open(word);
                }
                rest = after;
            }
        }
    }
}

impl Parameters {
    /// Whether the error parameter has this value; its letter case does not matter.
    pub(super) fn has_error(&self, value: &str) -> bool {
        self.error.as_deref().is_some_and(|error| error.eq_ignore_ascii_case(value))
    }

    fn set(&mut self, name: &str, value: String) {
        let place = match name.to_ascii_lowercase().as_str() {
            "error" => &mut self.error,
            "realm" => &mut self.realm,
            "claims" => &mut self.claims,
            "scope" => &mut self.scope,
            "acr_values" => &mut self.acr_values,
            "max_age" => &mut self.max_age,
            _ => return,
        };
        place.get_or_insert(value);
    }
}

/// The value at the start of the text and what follows it; `None` where a quote stays open.
fn read_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, after) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
        return Some((value.to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, &quoted[at + 1..])),
            (_, '\\') => value.push(characters.next()?.1),
            (_, character) => value.push(character),
        }
    }
}

fn is_delimiter(character: char) -> bool {
    matches!(character, ' ' | '\t' | ',' | '=' | '"')
}

/// A `tchar` (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
