//! The members of a JSON object, each read by its name.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use secrecy::SecretString;
use serde_core::Deserialize;
use serde_json::value::RawValue;

use crate::{
    error::Error,
    store::{claim::milliseconds, version::Version},
};

/// What is written where nothing is bound to a key.
pub(in crate::store) const FORMAT: u64 = 1;
/// Who does not know of keys must not go on with what is bound to one: the server would refuse it, and a login would end.
pub(in crate::store) const BOUND: u64 = 2;
/// The `token_type` of what is bound.
pub(super) const DPOP: &str = "DPoP";

pub(in crate::store) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The members of a JSON object of the format that this release knows.
pub(in crate::store) fn members(text: &str) -> Result<Members<'_>, Error> {
    let members: Members<'_> =
        serde_json::from_str(text).map_err(|_| damaged("it is cut off, or is no JSON object"))?;
    match read(&members, "format") {
        Ok(Some(FORMAT | BOUND)) => Ok(members),
        Ok(Some(format)) => Err(damaged(&format!(
            "its format is {format}, and this release of tower-reauth knows {FORMAT} and {BOUND}: it was written by a newer one"
        ))),
        Ok(None) | Err(_) => Err(damaged("it has no `format`")),
    }
}

pub(in crate::store) fn version(members: &Members<'_>) -> Result<Version, &'static str> {
    Ok(Version::from_parts(
        read(members, "epoch")?.ok_or("epoch")?,
        read(members, "number")?.ok_or("number")?,
        hex(members, "random")?.ok_or("random")?,
    ))
}

/// A 64-bit number as text: JSON's numbers are no good for it.
pub(in crate::store) fn digits(number: u64) -> String {
    format!("{number:016x}")
}

pub(in crate::store) fn damaged(what: &str) -> Error {
    Error::store(format!("the stored record cannot be read: {what}"))
}

/// A member; `null` counts as missing. What is wrong is told by the member's name alone: its content may be a secret.
pub(in crate::store) fn read<'a, T: Deserialize<'a>>(
    members: &Members<'a>,
    name: &str,
) -> Result<Option<T>, &'static str> {
    let Some(value) = members.get(name) else { return Ok(None) };
    serde_json::from_str(value.get()).map_err(|_| known(name))
}

pub(super) fn nested<'a>(members: &Members<'a>, name: &str) -> Result<Option<Members<'a>>, &'static str> {
    read(members, name)
}

pub(super) fn secret(members: &Members<'_>, name: &str) -> Result<Option<SecretString>, &'static str> {
    Ok(read::<String>(members, name)?.map(Into::into))
}

pub(super) fn hex(members: &Members<'_>, name: &str) -> Result<Option<u64>, &'static str> {
    let Some(text) = read::<String>(members, name)? else { return Ok(None) };
    u64::from_str_radix(&text, 16).map(Some).map_err(|_| known(name))
}

pub(super) fn time(members: &Members<'_>, name: &str) -> Result<Option<SystemTime>, &'static str> {
    let Some(seconds) = read::<f64>(members, name)? else { return Ok(None) };
    time_of(seconds).map(Some).ok_or_else(|| known(name))
}

pub(super) fn time_of(seconds: f64) -> Option<SystemTime> {
    // Rounded: a fraction of ten has no exact form.
    let time = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds + 0.000_5).ok()?)?;
    Some(milliseconds(time))
}

/// The name of a member of the format; those inside `extra` are somebody else's.
fn known(name: &str) -> &'static str {
    const NAMES: &str = "format epoch number random dpop token_type owner named created used logged_out access_tokens token issued_at expires_at refresh_token \
        resource scope extra spending by since until trials worked sends refused at code unsure again times";
    NAMES.split(' ').find(|known| *known == name).unwrap_or("extra")
}
