//! A record as JSON text, in memory that is wiped.

use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use secrecy::{ExposeSecret, SecretString};
use serde_core::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use zeroize::Zeroizing;

use super::members::{BOUND, DPOP, FORMAT, digits};
use crate::{
    context::Wish,
    store::{
        claim::{Spending, milliseconds},
        record::{Access, Record},
        trials::{Refused, Trials, Unsure},
    },
    token::Details,
};

pub(super) fn json(record: &Record) -> Zeroizing<Vec<u8>> {
    // Large enough for any escapes, so that no copy is left behind by a buffer that grew.
    let secrets = record.details.extras().map(|(name, value)| 1 + name.len() + value.expose_secret().len());
    let secrets = secrets.chain(record.access_tokens().chain(record.refresh_token()).map(length)).sum::<usize>();
    let wished =
        |wish: &Wish| 160 + [&wish.resource, &wish.scope].into_iter().flatten().map(|text| text.len()).sum::<usize>();
    let secrets = secrets + record.granted.iter().map(|(wish, _)| wished(wish)).sum::<usize>();
    let Trials { refused, unsure, refresh_token, .. } = &record.trials;
    let unsure = unsure.iter().chain(refresh_token).filter_map(|unsure| unsure.code.as_deref());
    let codes = refused.iter().filter_map(|refused| refused.code.as_deref()).chain(unsure);
    let texts = secrets
        + record.scope().map_or(0, str::len)
        + record.dpop.as_deref().map_or(0, str::len)
        + codes.map(str::len).sum::<usize>();
    let room = 1024 + texts * 6 + record.trials.sends.len() * 24;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *text, &Json(record)).expect("a record has only members that JSON knows");
    debug_assert!(text.len() <= room, "the buffer grew");
    text
}

/// All access tokens.
fn own_and_granted(record: &Record) -> impl Iterator<Item = &Access> {
    record.access.iter().chain(record.granted.iter().map(|(_, access)| access))
}

fn length(secret: &SecretString) -> usize {
    secret.expose_secret().len()
}

fn seconds(time: SystemTime) -> f64 {
    milliseconds(time).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Not on the record itself: its secrets are shown by an explicit call alone.
struct Json<'a>(&'a Record);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(record) = self;
        let mut map = serializer.serialize_map(None)?;
        let is_bound = record.dpop.is_some() || own_and_granted(record).any(|access| access.bound);
        map.serialize_entry("format", if is_bound && !record.logged_out { &BOUND } else { &FORMAT })?;
        map.serialize_entry("epoch", &record.version.epoch())?;
        map.serialize_entry("number", &record.version.number())?;
        map.serialize_entry("random", &digits(record.version.random()))?;
        if let Some(owner) = &record.owner {
            map.serialize_entry("owner", &Base64UrlUnpadded::encode_string(&[&owner.salt[..], &owner.hash].concat()))?;
            map.serialize_entry("named", &owner.named)?;
        }
        if let Some(thumbprint) = record.dpop.as_ref().filter(|_| !record.logged_out) {
            map.serialize_entry("dpop", thumbprint)?;
        }
        map.serialize_entry("created", &seconds(record.created))?;
        map.serialize_entry("used", &seconds(record.used))?;
        if record.logged_out {
            map.serialize_entry("logged_out", &true)?;
            return map.end();
        }
        let own = record.access.iter().map(|access| AccessToken(None, access));
        let granted = record.granted.iter().map(|(wish, access)| AccessToken(Some(wish), access));
        let access_tokens: Vec<_> = own.chain(granted).collect();
        if !access_tokens.is_empty() {
            map.serialize_entry("access_tokens", &access_tokens)?;
        }
        if let Some(refresh_token) = &record.refresh_token {
            map.serialize_entry("refresh_token", refresh_token.expose_secret())?;
        }
        if let Some(scope) = record.scope() {
            map.serialize_entry("scope", scope)?;
        }
        if record.details.names().next().is_some() {
            map.serialize_entry("extra", &Extra(&record.details))?;
        }
        if let Some(spending) = &record.spending {
            map.serialize_entry("spending", spending)?;
        }
        if !record.trials.is_empty() {
            map.serialize_entry("trials", &record.trials)?;
        }
        map.end()
    }
}

struct Extra<'a>(&'a Details);

impl Serialize for Extra<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.extras().map(|(name, value)| (name, value.expose_secret())))
    }
}

struct AccessToken<'a>(Option<&'a Wish>, &'a Access);

impl Serialize for AccessToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(wish, access) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("token", access.token.expose_secret())?;
        map.serialize_entry("issued_at", &seconds(access.issued_at))?;
        if let Some(end) = access.expires_at {
            map.serialize_entry("expires_at", &seconds(end))?;
        }
        if access.bound {
            map.serialize_entry("token_type", DPOP)?;
        }
        let wish = wish.map(|wish| [("resource", &wish.resource), ("scope", &wish.scope)]);
        for (name, value) in wish.into_iter().flatten() {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

impl Serialize for Spending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("by", &digits(self.by))?;
        map.serialize_entry("since", &seconds(self.since))?;
        map.serialize_entry("until", &seconds(self.until))?;
        map.end()
    }
}

impl Serialize for Trials {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("worked", &self.worked)?;
        map.serialize_entry("sends", &Times(&self.sends))?;
        if let Some(refused) = &self.refused {
            map.serialize_entry("refused", refused)?;
        }
        for (name, unsure) in [("unsure", &self.unsure), ("refresh_token", &self.refresh_token)] {
            if let Some(unsure) = unsure {
                map.serialize_entry(name, &**unsure)?;
            }
        }
        map.end()
    }
}

struct Times<'a>(&'a [SystemTime]);

impl Serialize for Times<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for time in self.0 {
            list.serialize_element(&seconds(*time))?;
        }
        list.end()
    }
}

impl Serialize for Refused {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &seconds(self.at))?;
        if let Some(code) = &self.code {
            map.serialize_entry("code", code)?;
        }
        map.end()
    }
}

impl Serialize for Unsure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &seconds(self.at))?;
        map.serialize_entry("again", &seconds(self.again))?;
        map.serialize_entry("times", &self.times)?;
        if let Some(code) = &self.code {
            map.serialize_entry("code", code)?;
        }
        map.end()
    }
}
