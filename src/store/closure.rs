//! A store of two closures.

use std::{fmt, future::Future, time::SystemTime};

use tokio::sync::Mutex;
use tower::BoxError;

use super::{Record, Saved, StoreKey, TokenStore, Version};
use crate::error::Error;

/// A store of two closures, made by [`store_fn`].
pub struct StoreFn<L, S> {
    load: L,
    save: S,
    // One at a time: what was loaded must still be there when it is compared with.
    saving: Mutex<()>,
}

/// A [`TokenStore`] of two closures: `load` gives the record that stands under a key, `save` puts one there. A session tells
/// `save` of each new token set, and hands that out when `save` is done.
///
/// It is for a place that one process uses at a time: comparing and writing are two steps here, and there are no leases. If
/// several processes share the place, implement [`TokenStore`] instead, or use a store that knows leases.
///
/// [`Record::to_json`] and [`Record::from_json`] turn a record into text and back. After a logout `save` gets a record that
/// [`is_logged_out`](Record::is_logged_out). It holds no secrets; a program may delete what stands under the key instead.
///
/// ```
/// use std::{fs, io};
/// use secrecy::ExposeSecret;
/// use tower_reauth::{Record, StoreKey, store_fn};
///
/// # let folder = std::env::temp_dir();
/// let path = folder.join("tokens.json");
/// let (from, to) = (path.clone(), path);
/// let store = store_fn(
///     move |_key: StoreKey| {
///         let path = from.clone();
///         async move {
///             match fs::read_to_string(path) {
///                 Ok(text) => Ok(Some(Record::from_json(&text)?)),
///                 Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
///                 Err(error) => Err(error.into()),
///             }
///         }
///     },
///     move |_key, record| {
///         let path = to.clone();
///         async move { Ok(fs::write(path, record.to_json().expose_secret())?) }
///     },
/// );
/// ```
pub fn store_fn<L, LF, S, SF>(load: L, save: S) -> StoreFn<L, S>
where
    L: Fn(StoreKey) -> LF + Send + Sync + 'static,
    LF: Future<Output = Result<Option<Record>, BoxError>> + Send,
    S: Fn(StoreKey, Record) -> SF + Send + Sync + 'static,
    SF: Future<Output = Result<(), BoxError>> + Send,
{
    StoreFn { load, save, saving: Mutex::new(()) }
}

impl<L, LF, S, SF> TokenStore for StoreFn<L, S>
where
    L: Fn(StoreKey) -> LF + Send + Sync + 'static,
    LF: Future<Output = Result<Option<Record>, BoxError>> + Send,
    S: Fn(StoreKey, Record) -> SF + Send + Sync + 'static,
    SF: Future<Output = Result<(), BoxError>> + Send,
{
    async fn load(&self, key: &StoreKey) -> Result<Option<Record>, Error> {
        (self.load)(key.clone()).await.map_err(|error| failed("the record could not be loaded", error))
    }

    async fn save(&self, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<Saved, Error> {
        let _alone = self.saving.lock().await;
        if let Some(current) = self.load(key).await?
            && !record.may_replace(&current, seen, SystemTime::now())
        {
            return Ok(Saved::Overtaken(Box::new(current)));
        }
        let saved = (self.save)(key.clone(), record.clone()).await;
        saved.map(|()| Saved::Saved).map_err(|error| failed("the record could not be saved", error))
    }
}

/// An error of ours, as `Record::from_json` gives one, stays what it is.
fn failed(what: &'static str, error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(own) => *own,
        Err(error) => Error::store(what).with_source(error),
    }
}

impl<L, S> fmt::Debug for StoreFn<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreFn")
    }
}
