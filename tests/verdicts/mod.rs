//! What becomes of a session when its token endpoint answers without tokens, in all the words that servers have for it.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

mod answers;
mod day;
mod grants;
mod passwords;
mod refresh;
mod rungs;
mod unsent;
