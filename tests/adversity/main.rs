//! What a session and a layer withstand: code of others that runs at a bad moment, waiting in all its forms, origins and
//! servers that never accept.

#[path = "../support/mod.rs"]
mod support;

mod refusals;
mod user_code;
mod waiting;
