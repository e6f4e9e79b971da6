//! What a record's members say.

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use secrecy::SecretString;

use super::members::{DPOP, Members, hex, nested, read, secret, time, time_of, version};
use crate::{
    context::Wish,
    store::{
        claim::Spending,
        owner::{HASH, Owner, SALT},
        record::{Access, Record},
        trials::{Refused, Trials, Unsure},
    },
    token::Details,
};

pub(super) fn record(members: &Members<'_>) -> Result<Record, &'static str> {
    let mut record = Record::nothing(UNIX_EPOCH);
    record.version = version(members)?;
    record.owner = owner(members)?;
    record.dpop = read(members, "dpop")?;
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
    let bound = read::<String>(members, "token_type")?.is_some_and(|kind| kind == DPOP);
    Ok(Access { token, issued_at, expires_at: time(members, "expires_at")?, bound })
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
    let worked = read(members, "worked")?.unwrap_or_default();
    let (unsure, refresh_token) = (unsure(members, "unsure")?, unsure(members, "refresh_token")?);
    Ok(Trials { worked, sends, refused, unsure, refresh_token })
}

fn unsure(members: &Members<'_>, name: &str) -> Result<Option<Box<Unsure>>, &'static str> {
    let Some(members) = nested(members, name)? else { return Ok(None) };
    Ok(Some(Box::new(Unsure {
        at: time(&members, "at")?.ok_or("trials")?,
        again: time(&members, "again")?.ok_or("trials")?,
        times: read(&members, "times")?.ok_or("trials")?,
        code: read(&members, "code")?,
    })))
}

fn refused(members: &Members<'_>) -> Result<Refused, &'static str> {
    Ok(Refused { at: time(members, "at")?.ok_or("trials")?, code: read(members, "code")? })
}
