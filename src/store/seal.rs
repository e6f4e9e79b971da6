//! What stands in a record's place: the record's JSON, or that JSON encrypted with a header before it.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, KeyInit, Payload},
};
use secrecy::ExposeSecret;
use serde_core::{Serializer, ser::SerializeMap};
use zeroize::Zeroizing;

use super::{
    json::members::{self, FORMAT, Members, damaged},
    record::Record,
    secret::StoreSecret,
    version::Version,
};
use crate::error::Error;

/// Encrypts records for a place where others can read (XChaCha20-Poly1305). For a [`TokenStore`](crate::TokenStore) of your own;
/// `FileStore` and `RedisStore` bring theirs.
///
/// What is sealed is bound to the name under which it stands and to its version: moved or renamed it does not open.
///
/// ```
/// use tower_reauth::{Record, Seal, StoreKey, StoreSecret, TokenSet};
///
/// let naming_key = StoreSecret::from([1; 32]);
/// let seal = Seal::with("2026-11", StoreSecret::from([2; 32]));
///
/// let name = naming_key.name(&StoreKey::from("alice"));
/// let record = Record::new(TokenSet::new("mF_9.B5f-4.1JqM")?);
/// let sealed = seal.seal(&name, &record)?;
/// assert!(seal.open(&name, &sealed)?.access_token().is_some());
/// assert!(seal.open("another name", &sealed).is_err());
/// # Ok::<(), tower_reauth::Error>(())
/// ```
pub struct Seal {
    /// Without one nothing is encrypted.
    pub(super) newest: Option<(Box<str>, StoreSecret)>,
    pub(super) older: Vec<(Box<str>, StoreSecret)>,
}

impl Seal {
    /// Encrypts with this key. The id tells keys from each other; it is written beside what is sealed, and is no secret.
    pub fn with(id: impl Into<Box<str>>, key: StoreSecret) -> Self {
        Self { newest: Some((id.into(), key)), older: Vec::new() }
    }

    /// Opens what was sealed with an older key, too.
    #[must_use]
    pub fn older_key(mut self, id: impl Into<Box<str>>, key: StoreSecret) -> Self {
        self.older.push((id.into(), key));
        self
    }

    /// The record, encrypted, for this name.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store): the operating system gives no random numbers.
    ///
    /// # Panics
    /// Never: what is written has no member that JSON does not know.
    pub fn seal(&self, name: &str, record: &Record) -> Result<Vec<u8>, Error> {
        self.content(name, record).map(|content| content.to_vec())
    }

    /// Without a key: nothing is encrypted.
    #[cfg(feature = "file")]
    pub(super) fn none() -> Self {
        Self { newest: None, older: Vec::new() }
    }

    /// What stands in a place that may be without a key.
    pub(super) fn content(&self, name: &str, record: &Record) -> Result<Zeroizing<Vec<u8>>, Error> {
        let text = record.to_json();
        let text = text.expose_secret().as_bytes();
        let Some((id, secret)) = &self.newest else { return Ok(Zeroizing::new(text.to_vec())) };
        let version = record.version();
        let nonce = XNonce::try_generate()
            .map_err(|error| Error::store("the operating system gave no random numbers").with_source(error))?;
        let bound = bound(name, version, id);
        let sealed = cipher(secret).encrypt(&nonce, Payload { msg: text, aad: bound.as_bytes() });
        let sealed = sealed.map_err(|_| Error::store("the record is too large to be encrypted"))?;
        let content = content(version, id, &nonce, &sealed).expect("a header has only members that JSON knows");
        Ok(Zeroizing::new(content))
    }

    /// The record that stands under this name. One that is not encrypted is read as well.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store): the key of its id is not here or is another one, it is damaged or of a newer
    /// format, or it stood under another name.
    pub fn open(&self, name: &str, content: &[u8]) -> Result<Record, Error> {
        let text = str::from_utf8(content).map_err(|_| damaged("it is no text"))?;
        let members = members::members(text)?;
        if !members.contains_key("sealed") {
            return Record::from_json(text);
        }
        let header = Header::read(&members).map_err(|name| damaged(&format!("its header has no good `{name}`")))?;
        let known = self.newest.iter().chain(&self.older);
        let Some((id, secret)) = known.clone().find(|(id, _)| **id == *header.key) else {
            let known = known.map(|(id, _)| format!("{id:?}")).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none" } else { &known };
            let why = format!("it is encrypted with the key {:?}, and the keys of this store are: {known}", header.key);
            return Err(damaged(&why));
        };
        let bound = bound(name, header.version, id);
        let payload = Payload { msg: &header.sealed, aad: bound.as_bytes() };
        let text = cipher(secret).decrypt(&header.nonce, payload).map(Zeroizing::new).map_err(|_| {
            damaged(&format!(
                "it was encrypted with another key than the {id:?} of this store, or was changed or renamed"
            ))
        })?;
        Record::from_json(str::from_utf8(&text).map_err(|_| damaged("it is no text"))?)
    }
}

struct Header {
    version: Version,
    key: String,
    nonce: XNonce,
    sealed: Vec<u8>,
}

impl Header {
    fn read(members: &Members<'_>) -> Result<Self, &'static str> {
        let bytes = |name| {
            let text: String = members::read(members, name).ok().flatten().ok_or(name)?;
            Base64UrlUnpadded::decode_vec(&text).map_err(|_| name)
        };
        Ok(Self {
            version: members::version(members)?,
            key: members::read(members, "key").ok().flatten().ok_or("key")?,
            nonce: XNonce::try_from(&bytes("nonce")?[..]).map_err(|_| "nonce")?,
            sealed: bytes("sealed")?,
        })
    }
}

/// What the encrypted text belongs to. The name stands for the store's key, and has no line end, as the numbers have none.
fn bound(name: &str, version: Version, key: &str) -> String {
    let (epoch, number, random) = (version.epoch(), version.number(), members::digits(version.random()));
    format!("tower-reauth {FORMAT}\n{name}\n{epoch}\n{number}\n{random}\n{key}")
}

fn cipher(secret: &StoreSecret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(secret.expose().into())
}

fn content(version: Version, key: &str, nonce: &[u8], sealed: &[u8]) -> serde_json::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut content);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("format", &FORMAT)?;
    map.serialize_entry("epoch", &version.epoch())?;
    map.serialize_entry("number", &version.number())?;
    map.serialize_entry("random", &members::digits(version.random()))?;
    map.serialize_entry("key", key)?;
    map.serialize_entry("nonce", &Base64UrlUnpadded::encode_string(nonce))?;
    map.serialize_entry("sealed", &Base64UrlUnpadded::encode_string(sealed))?;
    map.end()?;
    Ok(content)
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.newest.iter().chain(&self.older).map(|(id, _)| id)).finish()
    }
}
