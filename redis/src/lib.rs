//! A token store for [`tower_reauth`] in Redis or Valkey: replicas share one login, and one of them renews.
