//! What a store that carries news tells those who listen.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Check, answer, save, tokens, version};
use crate::store::{Ear, Leased, Listening, News, StoreKey, TokenStore};

/// News may be lost: what is told of is done so often.
const ATTEMPTS: u64 = 20;
const LOOKS: usize = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// Somebody who listens, and what was told.
struct Listener {
    heard: Arc<Mutex<Vec<News>>>,
    listening: Listening,
}

impl Listener {
    fn new(store: &impl TokenStore, key: &StoreKey) -> Option<Self> {
        let heard = Arc::<Mutex<Vec<News>>>::default();
        let book = heard.clone();
        let ear = Ear::new(move |news| book.lock().unwrap_or_else(PoisonError::into_inner).push(news));
        Some(Self { listening: store.listen(key, ear)?, heard })
    }

    fn has_heard(&self, news: News) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).contains(&news)
    }

    /// Whether this is told within half a second.
    async fn hears(&self, news: News) -> bool {
        for _ in 0..LOOKS {
            if self.has_heard(news) {
                return true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }
}

impl<S: TokenStore> Check<'_, S> {
    pub(super) async fn messages(&self) -> Result<(), String> {
        for (name, listener, actor) in [("messages", self.one, self.other), ("more messages", self.other, self.one)] {
            let key = self.key(name);
            let Some(one) = Listener::new(listener, &key) else { return Ok(()) };
            self.saves_are_told(&one, actor, &key).await?;
            self.ends_of_leases_are_told(&one, actor, &key).await?;
            self.requests_are_told(&one, actor, &key).await?;
            self.nothing_is_told_afterwards(one, (listener, actor), &key).await?;
        }
        Ok(())
    }

    async fn saves_are_told(&self, one: &Listener, actor: &S, key: &StoreKey) -> Result<(), String> {
        let rule = "whoever listens is told of a save";
        self.save_until(rule, one, actor, key, 1).await?;
        let rule = "whoever listens is told of one key alone";
        let (another, foreign) = (StoreKey::new([key.as_bytes(), b"another"].concat()), version(7, 7));
        save(rule, actor, &another, &tokens(foreign), None).await?;
        // What is told later comes later.
        self.save_until(rule, one, actor, key, 2).await?;
        if one.has_heard(News::Saved(foreign)) {
            return Err(format!("{rule}: it was told of a save under another key"));
        }
        Ok(())
    }

    async fn ends_of_leases_are_told(&self, one: &Listener, actor: &S, key: &StoreKey) -> Result<(), String> {
        let rule = "whoever listens is told that a lease has ended";
        for _ in 0..ATTEMPTS {
            match answer(rule, actor.lease(key).await)? {
                Leased::Unknown => return Ok(()),
                Leased::Taken => tokio::time::sleep(PAUSE).await,
                Leased::Held(lease) => {
                    drop(lease);
                    if one.hears(News::Free).await {
                        return Ok(());
                    }
                }
            }
        }
        Err(format!("{rule}: nothing was told"))
    }

    async fn requests_are_told(&self, one: &Listener, actor: &S, key: &StoreKey) -> Result<(), String> {
        let rule = "whoever listens is told what is asked for, and whoever asks is told that somebody listens";
        // As a session that asks does.
        let _asker = Listener::new(actor, key);
        let mut told = false;
        for number in 1..=ATTEMPTS {
            let dead = version(5, number);
            told |= answer(rule, actor.ask(key, dead).await)?;
            if one.hears(News::Wanted(dead)).await {
                return if told { Ok(()) } else { Err(format!("{rule}: `ask` said that nobody had heard it")) };
            }
        }
        // A place that carries no requests says so.
        if told { Err(format!("{rule}: nothing was told")) } else { Ok(()) }
    }

    async fn nothing_is_told_afterwards(
        &self,
        former: Listener,
        (listener, actor): (&S, &S),
        key: &StoreKey,
    ) -> Result<(), String> {
        let rule = "nothing is told to whoever does not listen any more";
        let Some(present) = Listener::new(listener, key) else {
            return Err(format!("{rule}: nobody may listen again"));
        };
        let Listener { heard, listening } = former;
        drop(listening);
        self.save_until(rule, &present, actor, key, 3).await?;
        tokio::time::sleep(PAUSE).await;
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        match heard.iter().find(|news| matches!(news, News::Saved(version) if version.epoch() == 3)) {
            Some(news) => Err(format!("{rule}: it was told {news:?}")),
            None => Ok(()),
        }
    }

    /// Saves one version of this login after the other until one is told of.
    async fn save_until(
        &self,
        rule: &str,
        one: &Listener,
        actor: &S,
        key: &StoreKey,
        epoch: u64,
    ) -> Result<(), String> {
        for number in 1..=ATTEMPTS {
            let record = tokens(version(epoch, number));
            save(rule, actor, key, &record, Some(record.version)).await?;
            if one.hears(News::Saved(record.version)).await {
                return Ok(());
            }
        }
        Err(format!("{rule}: nothing was told"))
    }
}
