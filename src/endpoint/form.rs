//! The body of a request: form-encoded as RFC 6749 appendix B says.

use bytes::Bytes;
use form_urlencoded::byte_serialize;

use super::secret_buffer::SecretBuffer;

/// Names and values in `application/x-www-form-urlencoded` (UTF-8).
#[derive(Default)]
pub(super) struct Form {
    text: SecretBuffer,
}

impl Form {
    pub(super) fn append(&mut self, name: &str, value: &str) {
        if self.text.len() > 0 {
            self.text.push(b"&");
        }
        byte_serialize(name.as_bytes()).for_each(|part| self.text.push(part.as_bytes()));
        self.text.push(b"=");
        byte_serialize(value.as_bytes()).for_each(|part| self.text.push(part.as_bytes()));
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_non_ascii_characters_are_encoded_as_appendix_b_says() {
        let mut form = Form::default();
        // The string of the appendix: space, percent sign, ampersand, plus sign, pound sign, euro sign.
        form.append("text", " %&+£€");
        form.append("a=b", "1&2");
        form.append("empty", "");
        assert_eq!(&form.into_bytes()[..], b"text=+%25%26%2B%C2%A3%E2%82%AC&a%3Db=1%262&empty=");
    }
}
