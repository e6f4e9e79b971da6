//! Reading an authorization server's metadata (RFC 8414 §3.2 and §3.3): what it says, and whether that can be true.
//!
//! Of the metadata only what names an endpoint is read. What the server supports is not: servers leave that out, and the answers
//! of the token endpoint say it better.

use std::{fmt, sync::Arc};

use serde_core::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    address::{Address, Addresses},
    encoding::without_mark,
};
use crate::origin::Origin;

/// Where the issuer says that its endpoints are.
#[derive(Clone)]
pub(super) struct Metadata {
    pub(super) usual: Arc<Addresses>,
    /// For clients that authenticate by mutual TLS (RFC 8705 §5).
    pub(super) mutual_tls: Arc<Addresses>,
}

/// Why an answer is no metadata of this issuer.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is something else: no JSON, or JSON that names no issuer, as servers have it for pages that are not there.
    Other(&'static str),
    /// It is metadata that cannot be used.
    Unusable(String),
}

impl Metadata {
    /// Reads the metadata of this issuer, which is at this address.
    ///
    /// # Errors
    /// Says why. Of the metadata it repeats at most another issuer, or the origin of an endpoint.
    pub(super) fn read(issuer: &str, at: &Address, json: &[u8]) -> Result<Self, Fault> {
        let json = without_mark(json).trim_ascii_start();
        if !json.starts_with(b"{") {
            return Err(Fault::Other("the answer is not JSON"));
        }
        let told = "the metadata is cut off, or is not a JSON object";
        let members: Members<'_> = serde_json::from_slice(json).map_err(|_| Fault::Unusable(told.into()))?;
        match members.text("issuer").map_err(Fault::Unusable)? {
            Some(told) if told == issuer => Self::of(at, &members).map_err(Fault::Unusable),
            Some(told) => Err(Fault::Unusable(other_issuer(issuer, &told))),
            None => Err(Fault::Other("the metadata has no `issuer`")),
        }
    }

    fn of(at: &Address, members: &Members<'_>) -> Result<Self, String> {
        let token = members.address("token_endpoint", at)?;
        let token = token.ok_or("the metadata has no `token_endpoint`")?;
        let revocation = members.address("revocation_endpoint", at)?;
        let aliases = members.object("mtls_endpoint_aliases")?;
        let in_aliases = |why| format!("`mtls_endpoint_aliases`: {why}");
        let alias_of_token = aliases.address("token_endpoint", at).map_err(in_aliases)?;
        let alias_of_revocation = aliases.address("revocation_endpoint", at).map_err(in_aliases)?;
        let mutual_tls = Addresses {
            token: alias_of_token.unwrap_or_else(|| token.clone()),
            revocation: alias_of_revocation.or_else(|| revocation.clone()),
        };
        Ok(Self { usual: Arc::new(Addresses { token, revocation }), mutual_tls: Arc::new(mutual_tls) })
    }

    /// Every origin that it names.
    pub(super) fn origins(&self) -> impl Iterator<Item = &Origin> {
        let addresses = [&self.usual, &self.mutual_tls].into_iter();
        addresses
            .flat_map(|addresses| [Some(&addresses.token), addresses.revocation.as_ref()])
            .flatten()
            .map(Address::origin)
    }
}

/// Anybody could serve metadata that names another server as issuer, and its own endpoints: RFC 8414 §3.3.
fn other_issuer(issuer: &str, told: &str) -> String {
    if told.trim_end_matches('/') == issuer.trim_end_matches('/') {
        return "the metadata's `issuer` differs from the given one by a slash at the end: give it as the metadata has it".into();
    }
    let is_readable =
        |text: &str| text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@`".contains(&byte));
    let told = if is_readable(told) { format!(", `{told}`") } else { String::new() };
    format!("the metadata is that of another issuer{told}")
}

/// The members of an object, in its order; none is read yet.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Missing, or `null`, is none.
    fn value<T: Deserialize<'a>>(&self, name: &str, kind: &str) -> Result<Option<T>, String> {
        let mut found = self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| *value);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                serde_json::from_str(value.get()).map_err(|_| format!("the metadata's `{name}` is not {kind}"))
            }
            // Others may have read the other one (RFC 8259 §4).
            _ => Err(format!("the metadata has `{name}` twice")),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        self.value(name, "a string")
    }

    fn object(&self, name: &str) -> Result<Self, String> {
        self.value(name, "an object").map(Option::unwrap_or_default)
    }

    /// The address of an endpoint. It is not encrypted only where the metadata itself came that way: from there, or from this machine
    /// where it is on this machine.
    fn address(&self, name: &str, at: &Address) -> Result<Option<Address>, String> {
        // Not longer than a line, whatever stands there.
        let refuse = |why: String| format!("the metadata's `{name}` {}", why.chars().take(200).collect::<String>());
        let Some(text) = self.text(name)? else { return Ok(None) };
        let address = at.check_beside(&text).map_err(refuse)?;
        let is_plain = |address: &Address| address.uri().scheme_str() != Some("https");
        if is_plain(&address) && !is_plain(at) {
            return Err(refuse("is not encrypted, and the issuer is".into()));
        }
        if is_plain(&address) && address.origin() != at.origin() && !at.origin().is_encrypted_or_local() {
            return Err(refuse("is on this machine, and the issuer is not".into()));
        }
        Ok(Some(address))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests;
