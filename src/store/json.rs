//! The JSON form of a record. It is fixed: what one release has written every later one reads.
//!
//! Members that are not known are passed over, so that a later release may add some. One that an older release must not pass
//! over raises `format`.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use secrecy::{ExposeSecret, SecretString};
use serde::{
    Deserialize, Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{
    owner::{HASH, Owner, SALT},
    record::{Access, Record, Spending, milliseconds},
    trials::{Refused, Trials},
    version::Version,
};
use crate::{context::Wish, error::Error, token::Details};

pub(super) const FORMAT: u64 = 1;

pub(super) type Members<'a> = BTreeMap<String, &'a RawValue>;

impl Record {
    /// The record as JSON text, **with its secrets**. Keep it where nobody else can read it.
    ///
    /// # Format
    /// Times are seconds since 1970. Every release of this crate reads what an earlier one has written. It passes over members
    /// that it does not know, and refuses a `format` that it does not know.
    ///
    /// | member | holds |
    /// | --- | --- |
    /// | `format` | 1 |
    /// | `epoch`, `number`, `random` | the [`Version`]; `random` as 16 hexadecimal digits |
    /// | `owner`, `named` | whose it is: a salt and a hash, as base64url; whether the application gave the owner a name |
    /// | `created`, `used` | when the login began, and was used last |
    /// | `logged_out` | `true` where only the mark of a logout is left |
    /// | `access_tokens` | a list of `{"token", "issued_at", "expires_at", "resource", "scope"}`; the session's own has neither of the last two, which say what a [derived](crate::Session::for_resource) session wanted |
    /// | `refresh_token`, `scope` | as in the token response |
    /// | `extra` | the other members of the token response, such as `id_token` |
    /// | `spending` | `{"by", "since", "until"}` while a token request is under way |
    /// | `trials` | `{"worked", "sends", "refused": {"at", "code"}}`: what became of the login's own credential |
    ///
    /// Members that have nothing to say are left out.
    pub fn to_json(&self) -> SecretString {
        let text = json(self);
        // Of exactly its length, so that nothing is copied by the conversion.
        String::from_utf8_lossy(&text).as_ref().into()
    }

    /// Reads what [`to_json`](Record::to_json) has written.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store): the text is cut off, is no record, or was written by a newer release.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let members = members(text)?;
        record(&members).map_err(|name| damaged(&format!("its member `{name}` is missing or has another type")))
    }
}

/// The members of a JSON object of the format that this release knows.
pub(super) fn members(text: &str) -> Result<Members<'_>, Error> {
    let members: Members<'_> =
        serde_json::from_str(text).map_err(|_| damaged("it is cut off, or is no JSON object"))?;
    match read(&members, "format") {
        Ok(Some(FORMAT)) => Ok(members),
        Ok(Some(format)) => Err(damaged(&format!(
            "its format is {format}, and this release of tower-reauth knows {FORMAT}: it was written by a newer one"
        ))),
        Ok(None) | Err(_) => Err(damaged("it has no `format`")),
    }
}

pub(super) fn version(members: &Members<'_>) -> Result<Version, &'static str> {
    Ok(Version::from_parts(
        read(members, "epoch")?.ok_or("epoch")?,
        read(members, "number")?.ok_or("number")?,
        hex(members, "random")?.ok_or("random")?,
    ))
}

/// A 64-bit number as text: JSON's numbers are no good for it.
pub(super) fn digits(number: u64) -> String {
    format!("{number:016x}")
}

pub(super) fn damaged(what: &str) -> Error {
    Error::store(format!("the stored record cannot be read: {what}"))
}

fn json(record: &Record) -> Zeroizing<Vec<u8>> {
    // Large enough for any escapes, so that no copy is left behind by a buffer that grew.
    let secrets = record.details.extras().map(|(name, value)| 1 + name.len() + value.expose_secret().len());
    let secrets = secrets.chain(record.access_tokens().chain(record.refresh_token()).map(length)).sum::<usize>();
    let wished =
        |wish: &Wish| 128 + [&wish.resource, &wish.scope].into_iter().flatten().map(|text| text.len()).sum::<usize>();
    let secrets = secrets + record.granted.iter().map(|(wish, _)| wished(wish)).sum::<usize>();
    let code = record.trials.refused.as_ref().and_then(|refused| refused.code.as_deref());
    let texts = secrets + record.scope().map_or(0, str::len) + code.map_or(0, str::len);
    let room = 1024 + texts * 6 + record.trials.sends.len() * 24;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *text, &Json(record)).expect("a record has only members that JSON knows");
    debug_assert!(text.len() <= room, "the buffer grew");
    text
}

fn length(secret: &SecretString) -> usize {
    secret.expose_secret().len()
}

fn record(members: &Members<'_>) -> Result<Record, &'static str> {
    let mut record = Record::nothing(UNIX_EPOCH);
    record.version = version(members)?;
    record.owner = owner(members)?;
    record.created = time(members, "created")?.ok_or("created")?;
    record.used = time(members, "used")?.unwrap_or(record.created);
    record.logged_out = read(members, "logged_out")?.unwrap_or_default();
    if record.logged_out {
        return Ok(record);
    }
    read_access_tokens(&mut record, members)?;
    record.refresh_token = secret(members, "refresh_token")?;
    record.details = Details::new(read(members, "scope")?, extra(members)?);
    record.spending = nested(members, "spending")?.map(|members| spending(&members)).transpose()?;
    record.trials = nested(members, "trials")?.map(|members| trials(&members)).transpose()?.unwrap_or_default();
    Ok(record)
}

fn owner(members: &Members<'_>) -> Result<Option<Owner>, &'static str> {
    let Some(text) = read::<String>(members, "owner")? else { return Ok(None) };
    let bytes = Base64UrlUnpadded::decode_vec(&text).ok().and_then(|bytes| <[u8; SALT + HASH]>::try_from(bytes).ok());
    let bytes = bytes.ok_or("owner")?;
    let (mut salt, mut hash) = ([0; SALT], [0; HASH]);
    salt.copy_from_slice(&bytes[..SALT]);
    hash.copy_from_slice(&bytes[SALT..]);
    Ok(Some(Owner { salt, hash, named: read(members, "named")?.unwrap_or_default() }))
}

/// The session's own token, and those of derived sessions.
fn read_access_tokens(record: &mut Record, members: &Members<'_>) -> Result<(), &'static str> {
    for members in read::<Vec<Members<'_>>>(members, "access_tokens")?.unwrap_or_default() {
        let wish = Wish { resource: read(&members, "resource")?, scope: read(&members, "scope")? };
        let access = access(&members)?;
        if wish == Wish::default() {
            record.access.get_or_insert(access);
        } else {
            record.granted.push((wish, access));
        }
    }
    Ok(())
}

fn access(members: &Members<'_>) -> Result<Access, &'static str> {
    let token = secret(members, "token")?.ok_or("access_tokens")?;
    let issued_at = time(members, "issued_at")?.unwrap_or(UNIX_EPOCH);
    Ok(Access { token, issued_at, expires_at: time(members, "expires_at")? })
}

fn extra(members: &Members<'_>) -> Result<BTreeMap<Box<str>, SecretString>, &'static str> {
    let Some(extra) = nested(members, "extra")? else { return Ok(BTreeMap::new()) };
    extra.keys().map(|name| Ok((name.as_str().into(), secret(&extra, name)?.ok_or("extra")?))).collect()
}

fn spending(members: &Members<'_>) -> Result<Spending, &'static str> {
    Ok(Spending {
        by: hex(members, "by")?.ok_or("spending")?,
        since: time(members, "since")?.ok_or("spending")?,
        until: time(members, "until")?.ok_or("spending")?,
    })
}

fn trials(members: &Members<'_>) -> Result<Trials, &'static str> {
    let sends = read::<Vec<f64>>(members, "sends")?.unwrap_or_default();
    let sends = sends.into_iter().map(|seconds| time_of(seconds).ok_or("trials")).collect::<Result<_, _>>()?;
    let refused = nested(members, "refused")?.map(|members| refused(&members)).transpose()?;
    Ok(Trials { worked: read(members, "worked")?.unwrap_or_default(), sends, refused })
}

fn refused(members: &Members<'_>) -> Result<Refused, &'static str> {
    Ok(Refused { at: time(members, "at")?.ok_or("trials")?, code: read(members, "code")? })
}

/// A member; `null` counts as missing. What is wrong is told by the member's name alone: its content may be a secret.
pub(super) fn read<'a, T: Deserialize<'a>>(members: &Members<'a>, name: &str) -> Result<Option<T>, &'static str> {
    let Some(value) = members.get(name) else { return Ok(None) };
    serde_json::from_str(value.get()).map_err(|_| known(name))
}

fn nested<'a>(members: &Members<'a>, name: &str) -> Result<Option<Members<'a>>, &'static str> {
    read(members, name)
}

fn secret(members: &Members<'_>, name: &str) -> Result<Option<SecretString>, &'static str> {
    Ok(read::<String>(members, name)?.map(Into::into))
}

fn hex(members: &Members<'_>, name: &str) -> Result<Option<u64>, &'static str> {
    let Some(text) = read::<String>(members, name)? else { return Ok(None) };
    u64::from_str_radix(&text, 16).map(Some).map_err(|_| known(name))
}

fn time(members: &Members<'_>, name: &str) -> Result<Option<SystemTime>, &'static str> {
    let Some(seconds) = read::<f64>(members, name)? else { return Ok(None) };
    time_of(seconds).map(Some).ok_or_else(|| known(name))
}

fn time_of(seconds: f64) -> Option<SystemTime> {
    // Rounded: a fraction of ten has no exact form.
    let time = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds + 0.000_5).ok()?)?;
    Some(milliseconds(time))
}

/// The name of a member of the format; those inside `extra` are somebody else's.
fn known(name: &str) -> &'static str {
    const NAMES: &str = "format epoch number random owner named created used logged_out access_tokens token issued_at expires_at refresh_token \
        resource scope extra spending by since until trials worked sends refused at code";
    NAMES.split(' ').find(|known| *known == name).unwrap_or("extra")
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
        map.serialize_entry("format", &FORMAT)?;
        map.serialize_entry("epoch", &record.version.epoch())?;
        map.serialize_entry("number", &record.version.number())?;
        map.serialize_entry("random", &digits(record.version.random()))?;
        if let Some(owner) = &record.owner {
            map.serialize_entry("owner", &Base64UrlUnpadded::encode_string(&[&owner.salt[..], &owner.hash].concat()))?;
            map.serialize_entry("named", &owner.named)?;
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

#[cfg(test)]
mod tests;
