//! Several who use a store at a time.

use std::time::Duration;

use futures_util::{FutureExt, future::join};

use super::{Check, answer, is_same, said, save, tokens, version};
use crate::store::{Leased, Saved, StoreKey, TokenStore, Version};

const ROUNDS: u64 = 50;
/// A lease may be given back behind the scenes.
const LOOKS: usize = 200;
const PAUSE: Duration = Duration::from_millis(10);

impl<S: TokenStore> Check<'_, S> {
    pub(super) async fn races(&self) -> Result<(), String> {
        let rule = "of two saves at the same time one wins, and the other one is told what won";
        let key = self.key("races");
        let mut seen = None;
        for number in 1..=ROUNDS {
            let [left, right] = [1, 2].map(|random| tokens(Version::from_parts(1, number, random)));
            let (one, other) = join(self.one.save(&key, &left, seen), self.other.save(&key, &right, seen)).await;
            let (won, told) = match (answer(rule, one)?, answer(rule, other)?) {
                (Saved::Saved, Saved::Overtaken(told)) => (left, told),
                (Saved::Overtaken(told), Saved::Saved) => (right, told),
                (one, other) => {
                    return Err(format!("{rule}: in round {number} they said {} and {}", said(&one), said(&other)));
                }
            };
            if !is_same(&won, &told) {
                return Err(format!(
                    "{rule}: in round {number} it was told of {:?} instead of {:?}",
                    told.version, won.version
                ));
            }
            self.stands(rule, &key, Some(&won)).await?;
            seen = Some(won.version);
        }
        Ok(())
    }

    pub(super) async fn news(&self) -> Result<(), String> {
        let rule = "a change is told of";
        let key = self.key("news");
        let mut last = None;
        for number in 1..=ROUNDS {
            let record = tokens(version(1, number));
            let (writer, reader) = if number % 2 == 0 { (self.one, self.other) } else { (self.other, self.one) };
            // The reader's last look is at what stands there now.
            answer(rule, reader.load(&key).await)?;
            save(rule, writer, &key, &record, last).await?;
            for store in [reader, writer] {
                if !answer(rule, store.changed(&key, last).await)? {
                    return Err(format!("{rule}: `changed` was false after a save by {}", self.who(writer, store)));
                }
            }
            last = Some(record.version);
        }
        let key = self.key("news of nothing");
        for store in [self.one, self.other] {
            if !answer(rule, store.changed(&key, last).await)? {
                return Err(format!("{rule}: `changed` was false for a record that is not there"));
            }
        }
        Ok(())
    }

    pub(super) async fn leases(&self) -> Result<(), String> {
        let key = self.key("lease");
        let rule = "a lease that nobody holds is given";
        let lease = match answer(rule, self.one.lease(&key).await)? {
            Leased::Held(lease) => lease,
            Leased::Taken => return Err(format!("{rule}: it was taken")),
            Leased::Unknown => return Ok(()),
        };
        for (store, another) in [(self.one, "another lease"), (self.other, "a third lease")] {
            let rule = "a lease is held by one at a time";
            if !matches!(answer(rule, store.lease(&key).await)?, Leased::Taken) {
                return Err(format!("{rule}: {} got it as well", self.who(self.one, store)));
            }
            self.is_given("a lease is of one key", store, &self.key(another)).await?;
        }
        drop(lease);
        for store in [self.other, self.one] {
            self.is_given("a lease that was dropped is free", store, &key).await?;
            // Dropped while it asks.
            drop(store.lease(&key).now_or_never());
            self.is_given("a lease is free if whoever asked for it did not wait for the answer", store, &key).await?;
        }
        let rule = "of two who ask for a lease at the same time one gets it at most";
        for round in 1..=ROUNDS {
            let (one, other) = join(self.one.lease(&key), self.other.lease(&key)).await;
            if let (Leased::Held(_), Leased::Held(_)) = (&answer(rule, one)?, &answer(rule, other)?) {
                return Err(format!("{rule}: both got it in round {round}"));
            }
        }
        Ok(())
    }

    async fn is_given(&self, rule: &str, store: &S, key: &StoreKey) -> Result<(), String> {
        for _ in 0..LOOKS {
            if matches!(answer(rule, store.lease(key).await)?, Leased::Held(_)) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(format!("{rule}: it stayed taken"))
    }
}
