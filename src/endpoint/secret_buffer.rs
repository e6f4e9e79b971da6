//! A byte buffer that leaves no copy of its content behind.

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

/// Bytes that are wiped when the buffer grows and when it goes (invariant 9).
#[derive(Default)]
pub(super) struct SecretBuffer {
    bytes: Zeroizing<Vec<u8>>,
}

impl SecretBuffer {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(capacity)) }
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        let needed = self.bytes.len() + more.len();
        if needed > self.bytes.capacity() {
            // Invariant 9: `Vec` would free its old allocation with the secret still in it.
            let mut larger = Self::with_capacity(needed.max(2 * self.bytes.capacity()));
            larger.bytes.extend_from_slice(&self.bytes);
            *self = larger;
        }
        self.bytes.extend_from_slice(more);
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The content as bytes that are wiped when their last holder lets go.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.bytes)
    }

    /// The content as a sensitive header value; `None` when it holds what no header can carry.
    pub(super) fn into_header_value(self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_maybe_shared(self.into_bytes()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_survives_growth() {
        let mut buffer = SecretBuffer::default();
        for byte in 0..=255_u8 {
            buffer.push(&[byte; 3]);
        }
        assert_eq!(buffer.len(), 3 * 256);
        assert_eq!(&buffer.into_bytes()[..4], &[0, 0, 0, 1]);
    }

    #[test]
    fn header_value_is_sensitive_and_holds_no_line_break() {
        let mut buffer = SecretBuffer::default();
        buffer.push(b"hunter2");
        assert_eq!(format!("{:?}", buffer.into_header_value()), "Some(Sensitive)");
        let mut buffer = SecretBuffer::default();
        buffer.push(b"a\nb");
        assert!(buffer.into_header_value().is_none());
    }
}
