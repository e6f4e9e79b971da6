//! The store of a world of processes, as one of them reaches it: text in, text out.
//!
//! A process whose clock is wrong is one for which all times of day in its record are off by as much: they are shifted on the way.

use std::time::{Duration, SystemTime};

use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tower_reauth::{Error, Lease, Leased, Record, Saved, StoreKey, TokenStore, Version};

use super::{
    life::Life,
    oracle,
    scene::{Holder, State},
};
use crate::issuer::wait;

pub(crate) struct Store(pub(crate) Life);

/// The time of day as the sessions see it: it goes on with tokio's clock.
pub(crate) fn now() -> SystemTime {
    let (tokio, own) = (Instant::now().into_std(), std::time::Instant::now());
    match tokio.checked_duration_since(own) {
        Some(ahead) => SystemTime::now() + ahead,
        None => SystemTime::now() - own.saturating_duration_since(tokio),
    }
}

impl Store {
    async fn reach(&self, saves: bool) -> Result<(), Error> {
        self.0.must_go_on();
        self.0.pass().await;
        let (delay, slow) = {
            let mut state = self.0.scene.lock();
            let most = state.plan.store_delay;
            (state.delay(most), state.place.slow)
        };
        wait(delay).await;
        if slow {
            sleep(Duration::from_millis(2500)).await;
        }
        self.0.pass().await;
        let state = self.0.scene.lock();
        match state.place.fails || (saves && state.place.saves_fail) {
            true => Err(Error::store("the disk is full")),
            false => Ok(()),
        }
    }

    /// The way back, on which a process may be killed or stopped.
    async fn back(&self) {
        let delay = {
            let mut state = self.0.scene.lock();
            let most = state.plan.store_delay;
            state.delay(most)
        };
        wait(delay).await;
        self.0.pass().await;
    }

    fn read(&self, text: &str) -> Result<Record, Error> {
        Record::from_json(&shifted(text, -self.0.skew()))
    }
}

impl TokenStore for Store {
    async fn load(&self, _key: &StoreKey) -> Result<Option<Record>, Error> {
        self.reach(false).await?;
        let text = self.0.scene.lock().place.record.clone();
        self.back().await;
        text.map(|text| self.read(&text)).transpose()
    }

    async fn save(&self, _key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        self.reach(true).await?;
        let text = shifted(record.to_json().expose_secret(), self.0.skew());
        let newer = write(&mut self.0.scene.lock(), self.0.number, text, seen)?;
        self.back().await;
        newer.map_or(Ok(Saved::Saved), |text| Ok(Saved::Overtaken(Box::new(self.read(&text)?))))
    }

    async fn lease(&self, _key: &StoreKey) -> Result<Leased, Error> {
        self.reach(false).await?;
        let ticket = {
            let mut state = self.0.scene.lock();
            if !state.plan.leases {
                return Ok(Leased::Unknown);
            }
            let now = Instant::now();
            let place = &mut state.place;
            if place.lease.as_ref().is_some_and(|holder| holder.free.is_none_or(|free| now < free)) {
                None
            } else {
                place.tickets += 1;
                place.lease = Some(Holder { by: self.0.number, ticket: place.tickets, free: None });
                Some(place.tickets)
            }
        };
        let guard = ticket.map(|ticket| Guard { life: self.0.clone(), ticket });
        self.back().await;
        Ok(guard.map_or(Leased::Taken, |guard| Leased::Held(Lease::new(guard))))
    }
}

/// Writes a record, if that is allowed; else gives what stands there.
fn write(state: &mut State, by: usize, text: String, seen: Option<Version>) -> Result<Option<String>, Error> {
    let record = Record::from_json(&text)?;
    if let Some(current) = &state.place.record
        && !record.may_replace(&Record::from_json(current)?, seen, now())
    {
        return Ok(Some(current.clone()));
    }
    oracle::saved(state, by, &record);
    state.place.before = state.place.record.replace(text);
    Ok(None)
}

struct Guard {
    life: Life,
    ticket: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.life.scene.lock();
        let free = state.lives[self.life.number].stopped;
        let place = &mut state.place;
        match (&mut place.lease, free) {
            (Some(holder), Some(_)) if holder.ticket == self.ticket => holder.free = free,
            (Some(holder), None) if holder.ticket == self.ticket => place.lease = None,
            _ => {}
        }
    }
}

/// The record with all times of day moved by so many hours.
pub(crate) fn shifted(text: &str, hours: i64) -> String {
    if hours == 0 {
        return text.to_owned();
    }
    let mut record = serde_json::from_str(text).expect("a record");
    shift(&mut record, hours as f64 * 3600.0);
    record.to_string()
}

fn shift(value: &mut Value, by: f64) {
    let moved = |time: &Value| time.as_f64().map(|time| Value::from(((time + by) * 1000.0).round() / 1000.0));
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| shift(value, by)),
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "created" | "used" | "issued_at" | "expires_at" | "since" | "until" | "at" => {
                        if let Some(time) = moved(value) {
                            *value = time;
                        }
                    }
                    "sends" => {
                        let sends = value.as_array_mut().expect("a list");
                        sends.iter_mut().for_each(|time| *time = moved(time).expect("a time"));
                    }
                    _ => shift(value, by),
                }
            }
        }
        _ => {}
    }
}
