//! A store in memory that keeps all rules but one.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use secrecy::ExposeSecret;
use tower_reauth::{Ear, Error, Lease, Leased, Listening, News, Record, Saved, StoreKey, TokenStore, Version};

/// The rule that is not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Bug {
    #[default]
    None,
    FindsWhatWasNeverSaved,
    LosesExtras,
    OneRecordForAllKeys,
    KeysAreTexts,
    IgnoresSeen,
    SeenOfNothingMatters,
    RefusesOlderNumbers,
    ForgetsMarks,
    WritesOverMarks,
    RefusesLoginsAfterMarks,
    IgnoresSpending,
    SpendingIsForEver,
    ComparesBeforeItWaits,
    TellsWhatItRefused,
    NoNews,
    LeasesAreForAll,
    OneLeaseForAllKeys,
    LeasesLast,
    LeasesOutliveTheirQuestion,
    SavesAreNotTold,
    NewsAreForAll,
    LeasesEndInSilence,
    RequestsGetLost,
    RequestsAreDenied,
    EarsAreNeverClosed,
}

#[derive(Clone, Default)]
pub(crate) struct Memory {
    bug: Bug,
    records: Arc<Mutex<HashMap<StoreKey, Record>>>,
    leased: Arc<Mutex<HashSet<StoreKey>>>,
    ears: Arc<Mutex<Vec<Place>>>,
}

struct Guard(Memory, StoreKey);

/// A key, and who listens there, known by an `Arc` of its own.
type Place = (StoreKey, Ear, Arc<()>);

struct Listener(Memory, Arc<()>);

impl Memory {
    pub(crate) fn with(bug: Bug) -> Self {
        Self { bug, ..Self::default() }
    }

    fn key(&self, key: &StoreKey) -> StoreKey {
        match self.bug {
            Bug::OneRecordForAllKeys => "all".into(),
            Bug::KeysAreTexts => String::from_utf8_lossy(key.as_bytes()).to_lowercase().into(),
            _ => key.clone(),
        }
    }

    fn tell(&self, key: &StoreKey, news: News) {
        let ear = |(other, ear, _): &Place| (other == key || self.bug == Bug::NewsAreForAll).then(|| ear.clone());
        let ears: Vec<_> = self.ears.lock().unwrap().iter().filter_map(ear).collect();
        ears.iter().for_each(|ear| ear.hear(news));
    }

    fn may_replace(&self, record: &Record, current: &Record, seen: Option<Version>) -> bool {
        let now = SystemTime::now();
        let ended = current.is_logged_out() && record.version().epoch() > current.version().epoch();
        let fresh = record.version() > current.version();
        match self.bug {
            Bug::IgnoresSeen if !current.is_logged_out() => record.may_replace(current, Some(current.version()), now),
            Bug::RefusesOlderNumbers if seen.is_some_and(|seen| seen != current.version()) => false,
            Bug::WritesOverMarks if current.is_logged_out() => fresh,
            Bug::RefusesLoginsAfterMarks if ended => false,
            Bug::IgnoresSpending => record.may_replace(&without_spending(current), seen, now),
            Bug::SpendingIsForEver => {
                record.may_replace(current, seen, SystemTime::UNIX_EPOCH) && !blocks(record, current)
            }
            _ => record.may_replace(current, seen, now),
        }
    }
}

impl TokenStore for Memory {
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        let found = self.records.lock().unwrap().get(&self.key(key)).cloned();
        Ok(match self.bug {
            Bug::FindsWhatWasNeverSaved => Some(found.unwrap_or_else(|| super::folder::record(1))),
            Bug::LosesExtras => found.map(|record| without(&record, "extra")),
            _ => found,
        })
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        let key = self.key(key);
        let refused = |current: &Option<Record>| match current {
            Some(current) => !self.may_replace(record, current, seen),
            None => self.bug == Bug::SeenOfNothingMatters && seen.is_some(),
        };
        let told = |current: Option<Record>| {
            let current = current.filter(|_| self.bug != Bug::TellsWhatItRefused);
            Ok(Saved::Overtaken(Box::new(current.unwrap_or_else(|| record.clone()))))
        };
        if self.bug == Bug::ComparesBeforeItWaits {
            let current = self.records.lock().unwrap().get(&key).cloned();
            if refused(&current) {
                return told(current);
            }
            tokio::task::yield_now().await;
        }
        let mut records = self.records.lock().unwrap();
        let current = records.get(&key).cloned();
        if self.bug != Bug::ComparesBeforeItWaits && refused(&current) {
            return told(current);
        }
        if self.bug == Bug::ForgetsMarks && record.is_logged_out() {
            records.remove(&key);
        } else {
            records.insert(key.clone(), record.clone());
        }
        drop(records);
        if self.bug != Bug::SavesAreNotTold {
            self.tell(&key, News::Saved(record.version()));
        }
        Ok(Saved::Saved)
    }

    async fn lease(&self, key: &StoreKey) -> Result<Leased, Error> {
        let key = if self.bug == Bug::OneLeaseForAllKeys { "all".into() } else { key.clone() };
        let is_free = self.leased.lock().unwrap().insert(key.clone());
        if self.bug == Bug::LeasesOutliveTheirQuestion {
            tokio::task::yield_now().await;
        }
        Ok(if is_free || self.bug == Bug::LeasesAreForAll {
            Leased::Held(Lease::new(Guard(self.clone(), key)))
        } else {
            Leased::Taken
        })
    }

    async fn changed(&self, key: &StoreKey, seen: Option<Version>) -> Result<bool, Error> {
        let found = self.records.lock().unwrap().get(&self.key(key)).map(Record::version);
        Ok(self.bug != Bug::NoNews && found != seen)
    }

    fn listen(&self, key: &StoreKey, ear: Ear) -> Option<Listening> {
        let listener = Arc::new(());
        self.ears.lock().unwrap().push((self.key(key), ear, listener.clone()));
        Some(Listening::new(Listener(self.clone(), listener)))
    }

    async fn ask(&self, key: &StoreKey, dead: Version) -> Result<bool, Error> {
        if self.bug != Bug::RequestsGetLost {
            self.tell(&self.key(key), News::Wanted(dead));
        }
        Ok(self.bug != Bug::RequestsAreDenied)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.bug != Bug::LeasesLast {
            self.0.leased.lock().unwrap().remove(&self.1);
        }
        if self.0.bug != Bug::LeasesEndInSilence {
            self.0.tell(&self.1, News::Free);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.0.bug != Bug::EarsAreNeverClosed {
            self.0.ears.lock().unwrap().retain(|(.., listener)| !Arc::ptr_eq(listener, &self.1));
        }
    }
}

/// The record, by way of its JSON, as users would do it.
fn without(record: &Record, member: &str) -> Record {
    let mut members: serde_json::Value = serde_json::from_str(record.to_json().expose_secret()).unwrap();
    members.as_object_mut().unwrap().remove(member);
    Record::from_json(&members.to_string()).unwrap()
}

fn without_spending(record: &Record) -> Record {
    without(record, "spending")
}

/// Whether the other record has a token request that this one does not know of.
fn blocks(record: &Record, current: &Record) -> bool {
    let by = |record: &Record| {
        let members: serde_json::Value = serde_json::from_str(record.to_json().expose_secret()).unwrap();
        members["spending"]["by"].clone()
    };
    !by(current).is_null() && by(current) != by(record) && record.version() == current.version()
}
