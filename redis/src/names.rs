//! Where the parts of a record stand in Redis.

use std::sync::Arc;

use tower_reauth::{StoreKey, StoreSecret, Version};

/// The keys of one record. What stands in braces decides where a cluster keeps them: all of them in one place.
#[derive(Clone)]
pub(crate) struct Names {
    /// The sealed record is bound to it.
    pub(crate) record: String,
    pub(crate) lease: String,
    pub(crate) channel: Arc<str>,
}

impl Names {
    pub(crate) fn of(prefix: &str, naming: &StoreSecret, key: &StoreKey) -> Self {
        let name = naming.name(key);
        let record = format!("{prefix}:{{{name}}}");
        Self { lease: format!("{record}:lease"), channel: format!("{record}:news").into(), record }
    }
}

/// The version as 60 decimal digits, which compare as the version does: Lua's numbers would lose some, and its texts compare by the
/// locale that Redis runs in, where pairs of letters may count as one.
pub(crate) fn digits(version: Version) -> String {
    let (epoch, number, random) = (version.epoch(), version.number(), version.random());
    format!("{epoch:020}{number:020}{random:020}")
}

pub(crate) fn version(digits: &str) -> Option<Version> {
    let part = |from: usize| digits.get(from..from + 20)?.parse().ok();
    (digits.len() == 60).then_some(Version::from_parts(part(0)?, part(20)?, part(40)?))
}
