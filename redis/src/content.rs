//! A record as it stands in Redis: sealed, and beside it in clear what Redis compares.

use std::time::{Duration, SystemTime};

use redis::{FromRedisValue, Value};
use secrecy::ExposeSecret;
use tower_reauth::{Claim, Error, Record, Seal, Version};

use crate::names::{self, Names};

/// How long a record lives after each save, where nobody knows how long its refresh token does.
const SLIDING: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long the mark of a logout lives, at least.
const MARK: Duration = Duration::from_secs(90 * 24 * 3600);
/// 30 years.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
/// The same in milliseconds, about: claims are of minutes.
const FAR: i64 = 1 << 40;

/// What stands in Redis, and when it was read, by the clock there.
pub(crate) struct Content {
    pub(crate) now: i64,
    version: Vec<u8>,
    mark: bool,
    claim: Option<(u64, i64, i64)>,
    sealed: Vec<u8>,
}

/// What the script that saves is given, in this order.
pub(crate) struct Arguments([Vec<u8>; 13]);

/// What the script that saves answers.
pub(crate) enum Answer {
    Saved,
    Overtaken(Content),
    /// Nothing was written yet: what stands there has to be opened first.
    Unread(Content),
    /// Nothing was written: it is too late, at this time of day.
    Late(i64),
}

impl Arguments {
    pub(crate) fn new(
        record: &Record,
        seen: Option<Version>,
        sealed: &[u8],
        short_life: Option<Duration>,
        publish: &str,
    ) -> Self {
        let flag = |set: bool| if set { b"1".to_vec() } else { Vec::new() };
        let now = SystemTime::now();
        let (by, since, until) = match record.claim(now) {
            Some(Claim { by, since, until, .. }) => {
                (format!("{by:016x}"), since.clamp(-FAR, FAR).to_string(), until.clamp(-FAR, FAR).to_string())
            }
            None => Default::default(),
        };
        let known = refresh_life(record);
        let life = short_life.unwrap_or_else(|| life(record, known, now));
        Self([
            seen.map(names::digits).unwrap_or_default().into(),
            names::digits(record.version()).into(),
            flag(record.is_logged_out()),
            flag(record.brings_tokens()),
            sealed.to_vec(),
            by.into(),
            since.into(),
            until.into(),
            life.as_millis().to_string().into(),
            flag(known.is_some()),
            publish.into(),
            Vec::new(),
            Vec::new(),
        ])
    }

    /// This version stands there, and can be read here.
    pub(crate) fn has_opened(&mut self, version: Version) {
        self.0[11] = names::digits(version).into();
    }

    /// It is not to be saved after this time of day in Redis.
    pub(crate) fn not_after(&mut self, end: Option<i64>) {
        self.0[12] = end.map(|end| end.to_string()).unwrap_or_default().into();
    }

    pub(crate) fn as_slices(&self) -> [&[u8]; 13] {
        self.0.each_ref().map(|argument| &**argument)
    }
}

/// How long the refresh token lives from when it came, where the server said so. Zero means that it does not end.
fn refresh_life(record: &Record) -> Option<Duration> {
    record.refresh_token()?;
    let said = ["refresh_token_expires_in", "refresh_expires_in"].into_iter().find_map(|name| record.extra(name))?;
    let seconds = said.expose_secret().parse::<u32>().ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds.into()))
}

fn life(record: &Record, known: Option<Duration>, now: SystemTime) -> Duration {
    if record.is_logged_out() {
        return MARK;
    }
    let access = record.expires_at().and_then(|end| end.duration_since(now).ok()).unwrap_or_default();
    // Redis can't count further. WSO2 says of a token without an end that it lives for 9223372036854775 seconds.
    known.unwrap_or(SLIDING).max(access).min(LONGEST)
}

impl Answer {
    pub(crate) fn read(answer: &Value) -> Result<Self, redis::ParsingError> {
        let fields = match answer {
            Value::Array(fields) => &fields[..],
            _ => &[],
        };
        let content = |fields: &[Value]| {
            Content::read(&Value::Array(fields.to_vec()))?.ok_or("Redis kept the record out, and holds none".into())
        };
        match fields {
            [_] => Ok(Self::Saved),
            [now, _] => Ok(Self::Late(i64::from_redis_value_ref(now)?)),
            [fields @ .., _] if fields.len() == 7 => content(fields).map(Self::Unread),
            fields => content(fields).map(Self::Overtaken),
        }
    }
}

impl Content {
    /// The record, with its claim on the clock of this machine.
    pub(crate) fn open(self, names: &Names, seal: &Seal) -> Result<Record, Error> {
        let changed = |what: &str| Error::store(format!("the record {} is damaged: {what}", names.record));
        if self.version.len() != 60 {
            return Err(Error::store(format!(
                "something else than a record of this crate stands under the key {}: choose another prefix",
                names.record
            )));
        }
        let record = seal.open(&names.record, &self.sealed).map_err(|error| {
            Error::store(format!("the record {} is not used, and not written over", names.record)).with_source(error)
        })?;
        if str::from_utf8(&self.sealed).is_ok_and(|text| Record::from_json(text).is_ok()) {
            return Err(changed("it is not encrypted, so it is not of this crate"));
        }
        if names::digits(record.version()).as_bytes() != self.version || record.is_logged_out() != self.mark {
            return Err(changed("what stands beside it in clear was changed"));
        }
        let claim = self
            .claim
            .map(|(by, since, until)| Claim::new(by, since.saturating_sub(self.now), until.saturating_sub(self.now)));
        Ok(record.with_claim(claim, SystemTime::now()))
    }

    /// `None`: nothing stands there.
    pub(crate) fn read(answer: &Value) -> Result<Option<Self>, redis::ParsingError> {
        let fields = Vec::<Option<Vec<u8>>>::from_redis_value_ref(answer)?;
        let [Some(now), version, mark, by, since, until, sealed] = &fields[..] else {
            return Err("the script has answered something else".into());
        };
        let Some(version) = version else { return Ok(None) };
        let number = |text: &[u8]| str::from_utf8(text).ok()?.parse::<i64>().ok();
        let by = by.as_deref().and_then(|by| u64::from_str_radix(str::from_utf8(by).ok()?, 16).ok());
        let claim = by.zip(since.as_deref().and_then(number)).zip(until.as_deref().and_then(number));
        Ok(Some(Self {
            now: number(now).ok_or("Redis' time is no number")?,
            version: version.clone(),
            mark: mark.is_some(),
            claim: claim.map(|((by, since), until)| (by, since, until)),
            sealed: sealed.clone().unwrap_or_default(),
        }))
    }
}
