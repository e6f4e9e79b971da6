//! A token store for [`tower_reauth`] in Redis or Valkey: replicas share one login, and one of them renews.

mod builder;
mod connection;
mod content;
mod failure;
mod lease;
mod names;
mod news;
mod script;
mod store;

pub use self::{builder::RedisStoreBuilder, store::RedisStore};
