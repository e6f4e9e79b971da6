//! Keys of 32 bytes.

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use hmac_sha256::HMAC;
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use super::StoreKey;
use crate::error::{Error, ErrorKind};

pub(super) const LENGTH: usize = 32;

/// A key of 32 random bytes for a token store. It is wiped when it is dropped, and `Debug` does not show it.
///
/// ```
/// use tower_reauth::StoreSecret;
///
/// // From a keyring, which holds bytes:
/// let bytes = [7; 32];
/// let secret = StoreSecret::from(bytes);
/// // From an environment variable; `openssl rand -base64 32` makes one:
/// let secret = StoreSecret::from_base64("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")?;
/// assert_eq!(format!("{secret:?}").find("MDEy"), None);
/// # Ok::<(), tower_reauth::Error>(())
/// ```
#[derive(Debug)]
pub struct StoreSecret(SecretBox<[u8; LENGTH]>);

impl StoreSecret {
    /// The key of a base64 text, in either alphabet, with or without padding. White space around it does not count.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: the text is not base64, or not of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let text = text.trim().trim_end_matches('=');
        let bytes = if text.contains(['-', '_']) {
            Base64UrlUnpadded::decode_vec(text)
        } else {
            Base64Unpadded::decode_vec(text)
        };
        let bytes = Zeroizing::new(bytes.map_err(|_| wrong("the key of a token store is not base64".to_owned()))?);
        let length = bytes.len();
        let bytes = bytes.as_slice().try_into();
        bytes.map(|bytes: &[u8; LENGTH]| Self(SecretBox::new(Box::new(*bytes)))).map_err(|_| {
            wrong(format!(
                "the key of a token store has {length} bytes, not {LENGTH}: `openssl rand -base64 32` makes one"
            ))
        })
    }

    /// The name under which the record of a key stands: 32 hexadecimal digits of a keyed hash. It shows nothing of the key to those
    /// who do not have this secret, which must never change: other names would be looked for.
    pub fn name(&self, key: &StoreKey) -> String {
        HMAC::mac(key.as_bytes(), self.expose())[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn expose(&self) -> &[u8; LENGTH] {
        self.0.expose_secret()
    }
}

impl From<[u8; LENGTH]> for StoreSecret {
    fn from(bytes: [u8; LENGTH]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Invalid, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_either_alphabet() {
        let bytes = [0xfb; LENGTH];
        for text in [
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s",
            " -_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=\n",
        ] {
            assert_eq!(StoreSecret::from_base64(text).unwrap().expose(), &bytes);
        }
    }

    #[test]
    fn wrong_keys_are_refused_and_not_shown() {
        for text in ["", "hunter2hunter2", "hunter2!hunter2!", "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7"] {
            let error = StoreSecret::from_base64(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let said = format!("{error} {error:?}");
            assert!(text.is_empty() || !said.contains(text), "{said}");
        }
    }
}
