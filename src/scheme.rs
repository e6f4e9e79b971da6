//! What stands before the token in its header, and the header's value.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind};

const BEARER: &str = "Bearer";
const DPOP: &str = "DPoP";

/// The word before the token, such as `Bearer` ([RFC 9110 §11.4](https://www.rfc-editor.org/rfc/rfc9110#section-11.4)), for
/// [`ReauthLayer::scheme`](crate::ReauthLayer::scheme) and [`BearerClassifier::scheme`](crate::BearerClassifier::scheme).
/// `Scheme::default()` is `Bearer`.
///
/// ```
/// use tower_reauth::Scheme;
///
/// // `Authorization: Splunk <token>`
/// let splunk = Scheme::word("Splunk")?;
/// // `X-Auth-Token: <token>`
/// let bare = Scheme::bare();
/// # let _ = (splunk, bare);
/// # Ok::<(), tower_reauth::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheme(Word);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Word {
    #[default]
    Bearer,
    /// Of a token that is bound to a key (RFC 9449 §7.1).
    Dpop,
    Other(Arc<str>),
    None,
}

impl Scheme {
    /// This word and a space, then the token. The word is sent as it is written here.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is not a token of
    /// [RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2): empty, or with a space, a colon, an equals sign
    /// or another character that is no letter, no digit and none of ``!#$%&'*+-.^_`|~``.
    pub fn word(word: impl AsRef<str>) -> Result<Self, Error> {
        let word = word.as_ref();
        if word == BEARER {
            return Ok(Self::default());
        }
        // Not repeated: by mistake it may be the access token.
        if word.is_empty() || !word.bytes().all(is_token) {
            let why = "the scheme is not one word of letters, digits and hyphens; for a token without a word take `Scheme::bare`";
            return Err(Error::new(ErrorKind::Invalid, why));
        }
        Ok(Self(Word::Other(word.into())))
    }

    /// The token alone, as most headers of an API's own want it.
    pub fn bare() -> Self {
        Self(Word::None)
    }

    /// Of a token that is bound to a key.
    pub(crate) fn dpop() -> Self {
        Self(Word::Dpop)
    }

    /// Whether the token in this value of a session's is bound to a key: each request with it needs a proof.
    pub(crate) fn is_bound(value: &HeaderValue) -> bool {
        value.as_bytes().starts_with(b"DPoP ")
    }

    /// The word; none where the token stands alone.
    pub(crate) fn as_word(&self) -> Option<&str> {
        match &self.0 {
            Word::Bearer => Some(BEARER),
            Word::Dpop => Some(DPOP),
            Word::Other(word) => Some(word),
            Word::None => None,
        }
    }

    /// The header value for this token: sensitive, and wiped when its last copy goes (invariant 9).
    pub(crate) fn value(&self, token: &[u8]) -> HeaderValue {
        let word = self.as_word().map_or([].as_slice(), str::as_bytes);
        let space: &[u8] = if word.is_empty() { b"" } else { b" " };
        // In one piece, so that nothing is copied: neither while it grows, nor into the box.
        let text = Zeroizing::new([word, space, token].concat().into_boxed_slice());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
            .expect("a token set lets only visible ASCII pass, and so does a scheme");
        value.set_sensitive(true);
        value
    }

    /// Whether it is another one than `Bearer`.
    pub(crate) fn is_own(&self) -> bool {
        !matches!(self.0, Word::Bearer)
    }

    /// The token in this value of a session's under this scheme, over bytes of its own. One that is bound to a key stays under
    /// `DPoP`: it is good under no other word.
    pub(crate) fn copy(&self, held: &HeaderValue) -> HeaderValue {
        let token = Self::token_in(held).unwrap_or_default();
        if Self::is_bound(held) { Self::dpop().value(token) } else { self.value(token) }
    }

    /// The token in a value that a session holds.
    pub(crate) fn token_in(held: &HeaderValue) -> Option<&[u8]> {
        let held = held.as_bytes();
        held.strip_prefix(BEARER.as_bytes()).or(held.strip_prefix(DPOP.as_bytes()))?.strip_prefix(b" ")
    }
}

/// A `tchar` (RFC 9110 §5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_that_no_header_could_carry_as_a_scheme_is_refused_and_not_repeated() {
        for word in [
            "",
            " ",
            "Two words",
            "Bearer ",
            "Token token=",
            "Key:",
            "a/b",
            "a,b",
            "\"a\"",
            "Schlüssel",
            "a\r\nb",
            "a\0",
        ] {
            let error = Scheme::word(word).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{word:?}");
            assert!(word.len() < 4 || !format!("{error} {error:?}").contains(word), "{error}");
        }
        for word in ["Token", "Splunk", "bearer", "X-Key", "a", "!#$%&'*+-.^_`|~", "OAuth2"] {
            assert_eq!(Scheme::word(word).unwrap().as_word(), Some(word));
        }
        assert_eq!(Scheme::word("Bearer").unwrap(), Scheme::default());
    }

    #[test]
    fn value_is_the_word_a_space_and_the_token_or_the_token_alone() {
        let bearer = Scheme::default().value(b"t.0-k~e/n==");
        for (scheme, value) in [
            (Scheme::default(), "Bearer t.0-k~e/n=="),
            (Scheme::word("Token").unwrap(), "Token t.0-k~e/n=="),
            (Scheme::bare(), "t.0-k~e/n=="),
        ] {
            for value_of in [scheme.value(b"t.0-k~e/n=="), scheme.copy(&bearer)] {
                assert_eq!(value_of, value);
                assert!(value_of.is_sensitive());
            }
        }
    }
}
