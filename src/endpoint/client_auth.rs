//! How the client authenticates at the endpoint (RFC 6749 §2.3).

use std::fmt;

use base64ct::{Base64, Encoding};
use form_urlencoded::byte_serialize;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{form::Form, secret_buffer::SecretBuffer};

/// How the client authenticates at the token endpoint
/// ([RFC 6749 §2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).
///
/// An endpoint without one sends no client id. For mutual TLS configure the transport, and use [`none`](ClientAuth::none).
///
/// ```
/// use tower_reauth::ClientAuth;
///
/// let client = ClientAuth::basic("consumer-key", "consumer-secret");
/// assert!(!format!("{client:?}").contains("consumer-secret"));
/// ```
#[derive(Clone)]
pub struct ClientAuth {
    method: Method,
    id: Box<str>,
    secret: Option<SecretString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    None,
    Basic,
    BasicUnencoded,
    Post,
}

impl ClientAuth {
    /// A public client: `client_id` in the body, no secret.
    #[must_use]
    pub fn none(id: impl Into<Box<str>>) -> Self {
        Self { method: Method::None, id: id.into(), secret: None }
    }

    /// HTTP Basic. Id and secret are form-encoded first, as RFC 6749 §2.3.1 says.
    #[must_use]
    pub fn basic(id: impl Into<Box<str>>, secret: impl Into<SecretString>) -> Self {
        Self { method: Method::Basic, id: id.into(), secret: Some(secret.into()) }
    }

    /// HTTP Basic. Id and secret are sent as they are, for servers that do not decode them.
    ///
    /// It differs from [`basic`](ClientAuth::basic) only for characters other than letters, digits and `*-._`. The id must not
    /// hold a colon: the server would split it there (RFC 7617 §2).
    #[must_use]
    pub fn basic_unencoded(id: impl Into<Box<str>>, secret: impl Into<SecretString>) -> Self {
        Self { method: Method::BasicUnencoded, id: id.into(), secret: Some(secret.into()) }
    }

    /// `client_id` and `client_secret` in the body, for servers that do not accept Basic.
    #[must_use]
    pub fn post(id: impl Into<Box<str>>, secret: impl Into<SecretString>) -> Self {
        Self { method: Method::Post, id: id.into(), secret: Some(secret.into()) }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Adds what belongs into the body.
    pub(super) fn extend(&self, form: &mut Form) {
        match self.method {
            Method::None => form.append("client_id", &self.id),
            Method::Post => {
                form.append("client_id", &self.id);
                form.append("client_secret", self.secret());
            }
            Method::Basic | Method::BasicUnencoded => {}
        }
    }

    /// The value of the `Authorization` header, where this method has one.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let mut pair = SecretBuffer::with_capacity(3 * (self.id.len() + self.secret().len()) + 1);
        match self.method {
            Method::None | Method::Post => return None,
            Method::Basic => {
                byte_serialize(self.id.as_bytes()).for_each(|part| pair.push(part.as_bytes()));
                pair.push(b":");
                byte_serialize(self.secret().as_bytes()).for_each(|part| pair.push(part.as_bytes()));
            }
            Method::BasicUnencoded => {
                pair.push(self.id.as_bytes());
                pair.push(b":");
                pair.push(self.secret().as_bytes());
            }
        }
        let mut encoded = Zeroizing::new(vec![0; Base64::encoded_len(pair.as_slice())]);
        let encoded = Base64::encode(pair.as_slice(), &mut encoded).expect("the buffer is as long as that");
        let mut value = SecretBuffer::with_capacity(6 + encoded.len());
        value.push(b"Basic ");
        value.push(encoded.as_bytes());
        Some(value.into_header_value().expect("base64 is visible ASCII"))
    }

    fn secret(&self) -> &str {
        self.secret.as_ref().map_or("", |secret| secret.expose_secret())
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth").field("method", &self.method).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(client: &ClientAuth) -> String {
        let value = client.authorization().unwrap();
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn basic_encodes_id_and_secret_before_joining_them() {
        // `a:b` and `c d+ü` become `a%3Ab:c+d%2B%C3%BC`.
        assert_eq!(authorization(&ClientAuth::basic("a:b", "c d+ü")), "Basic YSUzQWI6YytkJTJCJUMzJUJD");
        // `a:c d+ü` as it is.
        assert_eq!(authorization(&ClientAuth::basic_unencoded("a", "c d+ü")), "Basic YTpjIGQrw7w=");
    }

    #[test]
    fn only_post_and_none_speak_in_the_body() {
        let body = |client: &ClientAuth| {
            let mut form = Form::default();
            client.extend(&mut form);
            String::from_utf8(form.into_bytes().to_vec()).unwrap()
        };
        assert_eq!(body(&ClientAuth::none("i d")), "client_id=i+d");
        assert_eq!(body(&ClientAuth::post("i", "s&")), "client_id=i&client_secret=s%26");
        assert_eq!(body(&ClientAuth::basic("i", "s")), "");
        assert!(ClientAuth::none("i").authorization().is_none());
        assert!(ClientAuth::post("i", "s").authorization().is_none());
    }
}
