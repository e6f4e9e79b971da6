//! Headless browsers in front of `examples/axum_bff` and `examples/dashboard`: each with a profile of its own, as each device of a
//! user has one.

mod browser;
mod fleet;
mod process;
mod server;
mod visitor;

pub use self::{
    browser::{Browser, Look, Scheme},
    fleet::Fleet,
    server::{Dashboard, Login, Server},
    visitor::{Answer, Visitor},
};

use std::time::Duration;

/// How long anything is waited for. It ends a test that would fail; no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
