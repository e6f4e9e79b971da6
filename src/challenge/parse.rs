//! The parser.

use std::fmt;

use http::{HeaderMap, header::WWW_AUTHENTICATE};

use crate::scheme::is_token;

/// How many bytes of all lines together are read.
const MAX_BYTES: usize = 8 * 1024;

/// How many challenges are read.
const MAX_CHALLENGES: usize = 16;

/// Right after a scheme these are schemes, too, of challenges that a gateway joined with a space. Any other single word there is
/// a token68.
const KNOWN: [&str; 10] = ["Basic", "Bearer", "Digest", "DPoP", "JWT", "Negotiate", "NTLM", "OAuth", "OAuth2", "Token"];

/// One challenge of a `WWW-Authenticate` header ([RFC 9110 §11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1)), as
/// [`parse`] reads it: a scheme, and either parameters or a token68.
///
/// `Debug` shows the scheme and the names of the parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct ParsedChallenge {
    scheme: Box<str>,
    token68: Option<Box<str>>,
    parameters: Vec<(Box<str>, Box<str>)>,
}

/// Reads the challenges of all `WWW-Authenticate` lines, in their order. It never fails: see [the rules](crate::challenge#rules).
pub fn parse(headers: &HeaderMap) -> Vec<ParsedChallenge> {
    let mut challenges = Vec::new();
    let mut left = MAX_BYTES;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let line = &value.as_bytes()[..value.len().min(left)];
        left -= line.len();
        read(&String::from_utf8_lossy(line), &mut challenges);
    }
    challenges
}

impl ParsedChallenge {
    pub(super) fn new(scheme: &str) -> Self {
        Self { scheme: scheme.into(), token68: None, parameters: Vec::new() }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// The scheme, as the server spells it.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether it has this scheme; letter case does not matter.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The parameter of this name, its quotes and escapes taken away; the first, if there are several. Letter case does not
    /// matter.
    ///
    /// | parameter | where it is defined |
    /// | --- | --- |
    /// | `realm` | RFC 9110 §11.5 |
    /// | `error`, `error_description`, `scope` | RFC 6750 §3 |
    /// | `acr_values`, `max_age` | RFC 9470 §3 |
    /// | `resource_metadata` | RFC 9728 §5.1 |
    /// | `claims` | Entra ID's claims challenge |
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All parameters in their order, with the names as the server spells them.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The token68 in place of parameters, as in `Negotiate oYGeMIGboAMKAQCh`.
    pub fn token68(&self) -> Option<&str> {
        self.token68.as_deref()
    }

    /// Whether the error parameter has this value; its letter case does not matter.
    pub(super) fn has_error(&self, value: &str) -> bool {
        self.parameter("error").is_some_and(|error| error.eq_ignore_ascii_case(value))
    }
}

impl fmt::Debug for ParsedChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedChallenge")
            .field("scheme", &self.scheme)
            .field("token68", &self.token68.as_ref().map(|_| "[said]"))
            .field("parameters", &self.parameters().map(|(name, _)| name).collect::<Vec<_>>())
            .finish()
    }
}

/// Reads one line.
fn read(line: &str, challenges: &mut Vec<ParsedChallenge>) {
    let mut rest = line;
    // Whether a challenge of this line is there to take parameters.
    let mut is_open = false;
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
            if word.bytes().all(is_token)
                && let Some(challenge) = challenges.last_mut().filter(|_| is_open)
            {
                challenge.parameters.push((word.into(), value.into()));
            }
            rest = after;
        } else {
            rest = after;
            if !in_unquoted_value && word.bytes().all(is_token) {
                if challenges.len() == MAX_CHALLENGES {
                    return;
                }
                let mut challenge = ParsedChallenge::new(word);
                is_open = true;
                if let Some((token68, after)) = read_token68(after) {
                    challenge.token68 = Some(token68.into());
                    rest = after;
                    is_open = false;
                }
                challenges.push(challenge);
            }
        }
    }
}

/// The token68 after a scheme, and what follows it; it is all that the challenge has (RFC 9110 §11.2).
fn read_token68(after_scheme: &str) -> Option<(&str, &str)> {
    let text = after_scheme.strip_prefix([' ', '\t'])?.trim_ascii_start();
    let name = text.find(|character: char| !is_token68(character)).unwrap_or(text.len());
    let end = name + text[name..].bytes().take_while(|byte| *byte == b'=').count();
    let (token68, after) = text.split_at(end);
    let is_whole = match after.trim_ascii_start().strip_prefix(',') {
        // `realm=, error=..`: the first one has no value, and both are parameters.
        Some(next) => end != name + 1 || !begins_with_parameter(next),
        None => after.trim_ascii_start().is_empty(),
    };
    let is_scheme = KNOWN.iter().any(|scheme| token68.eq_ignore_ascii_case(scheme));
    // One that begins with `=` has no letter at all.
    (is_whole && !is_scheme && text.starts_with(is_token68)).then_some((token68, after))
}

fn begins_with_parameter(text: &str) -> bool {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let (word, after) = text.split_at(text.find(is_delimiter).unwrap_or(text.len()));
    !word.is_empty() && after.trim_ascii_start().starts_with('=')
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

fn is_token68(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~+/".contains(character)
}

#[cfg(test)]
mod tests;
