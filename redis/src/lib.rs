//! A token store for [`tower_reauth`] in Redis or Valkey: replicas share one login, and one of them renews.
//!
//! ```text
//! user orders on >secret resetchannels &tower-reauth:* ~tower-reauth:* -@all +eval +evalsha +time +exists +hmget +hget +hset +hdel +pexpire +pttl +get +set +del +publish +subscribe +unsubscribe +ping +info
//! ```

mod builder;
mod connection;
mod content;
mod failure;
mod lease;
mod names;
mod news;
mod place;
mod policy;
mod script;
mod store;
mod wire;

pub use self::{builder::RedisStoreBuilder, store::RedisStore};
