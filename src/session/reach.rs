//! Reaching for a session's record: bounded in time, and told where it fails.

use std::{future::Future, time::Duration};

use futures_util::future::FutureExt;
use tokio::time::timeout;

use super::state::Shelf;
use crate::{
    error::Error,
    events,
    identity::SessionName,
    store::{Leased, Record, Saved, Version},
};

/// Nothing waits longer for a store.
const LIMIT: Duration = Duration::from_secs(2);
/// Between two looks at what others do; and where the store tells of it.
const POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
const POLL_WITH_NEWS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

impl Shelf {
    pub(super) async fn load(&self, session: SessionName) -> Result<Option<Record>, Error> {
        self.within_limit(session, "loading the record", self.store.load(&self.key)).await
    }

    pub(super) async fn save(
        &self,
        session: SessionName,
        record: &Record,
        seen: Option<Version>,
    ) -> Result<Saved, Error> {
        // Whatever became of the record on its way: what is bound to a key says so.
        let stamped = (!record.is_logged_out() && record.dpop.is_none() && self.dpop.is_some())
            .then(|| Record { dpop: self.dpop.clone(), ..record.clone() });
        let record = stamped.as_ref().unwrap_or(record);
        self.hearing.saves(record.version());
        self.within_limit(session, "saving the record", self.store.save(&self.key, record, seen)).await
    }

    pub(super) async fn lease(&self, session: SessionName) -> Result<Leased, Error> {
        self.within_limit(session, "asking for the lease", self.store.lease(&self.key)).await
    }

    pub(super) async fn changed(&self, session: SessionName, seen: Option<Version>) -> Result<bool, Error> {
        self.within_limit(session, "looking for news", self.store.changed(&self.key, seen)).await
    }

    pub(super) async fn ask(&self, session: SessionName, dead: Version) -> Result<bool, Error> {
        self.within_limit(session, "asking other processes", self.store.ask(&self.key, dead)).await
    }

    /// The shortest and the longest pause between two looks at what others do. What they told until now is seen at the first.
    pub(super) fn begin_to_wait(&self) -> (Duration, Duration) {
        let _ = self.hearing.woken.notified().now_or_never();
        if self.hearing.carries_news() { POLL_WITH_NEWS } else { POLL }
    }

    /// Until others tell something, and no longer than this.
    pub(super) async fn pause(&self, time: Duration) {
        let _ = timeout(time, self.hearing.woken.notified()).await;
    }

    async fn within_limit<T>(
        &self,
        session: SessionName,
        step: &'static str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let slow = |_| Err(Error::store("the store did not answer within 2 s"));
        let answer = timeout(LIMIT, answer).await.unwrap_or_else(slow);
        let answer = answer.map_err(|error| Error::store(format!("{step} failed")).with_source(error));
        let is_news = self.fails(answer.is_err());
        match &answer {
            Err(error) => events::store_failed(session, error, is_news),
            Ok(_) if is_news => events::store_works_again(session),
            Ok(_) => {}
        }
        answer
    }
}
