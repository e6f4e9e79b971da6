//! What a session and a layer withstand: code of others that runs at a bad moment, waiting in all its forms, origins and
//! servers that never accept.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

mod refusals;
mod user_code;
mod waiting;
