//! What a folder of tokens does, whatever becomes of it: damaged files, other people's folders, killed and stopped processes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

mod child;
mod damage;
mod disk;
mod encryption;
mod folder;
mod housekeeping;
mod memory;
mod modes;
mod processes;
mod suite;
