//! A store of any type, as a session holds it.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use super::{Ear, Leased, Listening, Record, Saved, StoreKey, TokenStore, Version};
use crate::error::Error;

/// A store that sessions share.
pub(crate) type SharedStore = Arc<dyn DynStore>;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// [`TokenStore`] in a form that can be a trait object.
pub(crate) trait DynStore: Send + Sync {
    fn load<'a>(&'a self, key: &'a StoreKey) -> Answer<'a, Option<Record>>;
    fn save<'a>(&'a self, key: &'a StoreKey, record: &'a Record, seen: Option<Version>) -> Answer<'a, Saved>;
    fn lease<'a>(&'a self, key: &'a StoreKey) -> Answer<'a, Leased>;
    fn changed<'a>(&'a self, key: &'a StoreKey, seen: Option<Version>) -> Answer<'a, bool>;
    fn news_every(&self) -> Duration;
    fn listen(&self, key: &StoreKey, ear: Ear) -> Option<Listening>;
    fn ask<'a>(&'a self, key: &'a StoreKey, dead: Version) -> Answer<'a, bool>;
}

impl<T: TokenStore> DynStore for T {
    fn load<'a>(&'a self, key: &'a StoreKey) -> Answer<'a, Option<Record>> {
        Box::pin(TokenStore::load(self, key))
    }

    fn save<'a>(&'a self, key: &'a StoreKey, record: &'a Record, seen: Option<Version>) -> Answer<'a, Saved> {
        Box::pin(TokenStore::save(self, key, record, seen))
    }

    fn lease<'a>(&'a self, key: &'a StoreKey) -> Answer<'a, Leased> {
        Box::pin(TokenStore::lease(self, key))
    }

    fn changed<'a>(&'a self, key: &'a StoreKey, seen: Option<Version>) -> Answer<'a, bool> {
        Box::pin(TokenStore::changed(self, key, seen))
    }

    fn news_every(&self) -> Duration {
        TokenStore::news_every(self)
    }

    fn listen(&self, key: &StoreKey, ear: Ear) -> Option<Listening> {
        TokenStore::listen(self, key, ear)
    }

    fn ask<'a>(&'a self, key: &'a StoreKey, dead: Version) -> Answer<'a, bool> {
        Box::pin(TokenStore::ask(self, key, dead))
    }
}

/// A store that several sessions use.
impl<T: TokenStore> TokenStore for Arc<T> {
    fn load(&self, key: &StoreKey) -> impl Future<Output = Result<Option<Record>, Error>> + Send {
        T::load(self, key)
    }

    fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        seen: Option<Version>,
    ) -> impl Future<Output = Result<Saved, Error>> + Send {
        T::save(self, key, record, seen)
    }

    fn lease(&self, key: &StoreKey) -> impl Future<Output = Result<Leased, Error>> + Send {
        T::lease(self, key)
    }

    fn changed(&self, key: &StoreKey, seen: Option<Version>) -> impl Future<Output = Result<bool, Error>> + Send {
        T::changed(self, key, seen)
    }

    fn news_every(&self) -> Duration {
        T::news_every(self)
    }

    fn listen(&self, key: &StoreKey, ear: Ear) -> Option<Listening> {
        T::listen(self, key, ear)
    }

    fn ask(&self, key: &StoreKey, dead: Version) -> impl Future<Output = Result<bool, Error>> + Send {
        T::ask(self, key, dead)
    }
}
