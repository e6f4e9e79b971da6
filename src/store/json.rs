//! The JSON form of a record. It is fixed: what one release has written every later one reads.
//!
//! Members that are not known are passed over, so that a later release may add some. One that an older release must not pass
//! over raises `format`.

pub(super) mod members;
mod reader;
mod writer;

use secrecy::SecretString;

use self::members::{damaged, members};
use super::record::Record;
use crate::error::Error;

impl Record {
    /// The record as JSON text, **with its secrets**. Keep it where nobody else can read it.
    ///
    /// # Format
    /// Times are seconds since 1970. Every release of this crate reads what an earlier one has written. It passes over members
    /// that it does not know, and refuses a `format` that it does not know.
    ///
    /// | member | holds |
    /// | --- | --- |
    /// | `format` | 1; 2 where something is bound to a key |
    /// | `epoch`, `number`, `random` | the [`Version`](crate::Version); `random` as 16 hexadecimal digits |
    /// | `owner`, `named` | whose it is: a salt and a hash, as base64url; whether the application gave the owner a name |
    /// | `dpop` | the [thumbprint](https://www.rfc-editor.org/rfc/rfc7638) of the key that its tokens are bound to (RFC 9449) |
    /// | `created`, `used` | when the login began, and was used last |
    /// | `logged_out` | `true` where only the mark of a logout is left |
    /// | `access_tokens` | a list of `{"token", "issued_at", "expires_at", "token_type", "resource", "scope"}`; `token_type` is `DPoP` where it is bound to the key; the session's own has neither of the last two, which say what a [derived](crate::Session::for_resource) session wanted |
    /// | `refresh_token`, `scope` | as in the token response |
    /// | `extra` | the other members of the token response, such as `id_token` |
    /// | `spending` | `{"by", "since", "until"}` while a token request is under way |
    /// | `trials` | `{"worked", "sends", "refused": {"at", "code"}, "unsure": {"at", "again", "times", "code"}, "refresh_token"}`: what became of the login's own credential; `unsure`, and `refresh_token` of the same form, of one that was refused and is sent again to make sure |
    ///
    /// Members that have nothing to say are left out.
    pub fn to_json(&self) -> SecretString {
        let text = writer::json(self);
        // Of exactly its length, so that nothing is copied by the conversion.
        String::from_utf8_lossy(&text).as_ref().into()
    }

    /// Reads what [`to_json`](Record::to_json) has written.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store): the text is cut off, is no record, or was written by a newer release.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let members = members(text)?;
        reader::record(&members).map_err(|name| damaged(&format!("its member `{name}` is missing or has another type")))
    }
}

#[cfg(test)]
mod tests;
