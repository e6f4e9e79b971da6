//! What Redis does in one step.
//!
//! 1. Nothing comes between what a script reads and what it writes.
//! 2. A script that runs twice does what it does once: one whose answer was lost may be sent again.

use std::sync::LazyLock;

use redis::{Cmd, Script, cmd};

/// Gives back the record, and the time of day in Redis.
pub(crate) static LOAD: LazyLock<Atomic> = LazyLock::new(|| Atomic::new(include_str!("load.lua")));
/// Compares and writes a record, and tells of it.
pub(crate) static SAVE: LazyLock<Atomic> = LazyLock::new(|| Atomic::new(include_str!("save.lua")));
/// Takes a lease, or extends it.
pub(crate) static HOLD: LazyLock<Atomic> = LazyLock::new(|| Atomic::new(include_str!("hold.lua")));
/// Gives a lease back, and tells of it.
pub(crate) static RELEASE: LazyLock<Atomic> = LazyLock::new(|| Atomic::new(include_str!("release.lua")));

pub(crate) struct Atomic {
    code: &'static str,
    hash: String,
}

impl Atomic {
    fn new(code: &'static str) -> Self {
        Self { code, hash: Script::new(code).get_hash().to_owned() }
    }

    /// The script by its hash, which Redis may not know, and whole.
    pub(crate) fn commands(&self, keys: &[&str], arguments: &[&[u8]]) -> [Cmd; 2] {
        [("EVALSHA", &*self.hash), ("EVAL", self.code)].map(|(name, script)| {
            let mut command = cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        })
    }
}
