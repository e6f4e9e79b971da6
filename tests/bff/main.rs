//! The backend-for-frontend of the examples, without a browser: cookies, logins, what it lets pass and what it does not.
#![allow(dead_code, reason = "what only its main function uses")]
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

#[path = "../../examples/axum_bff/app.rs"]
mod app;
#[path = "../../examples/axum_bff/arguments.rs"]
mod arguments;
#[path = "../../examples/axum_bff/code_grant.rs"]
mod code_grant;
#[path = "../../examples/axum_bff/cookie_store.rs"]
mod cookie_store;
#[path = "../../examples/axum_bff/events.rs"]
mod events;
#[path = "../../examples/support/fields.rs"]
mod fields;
#[path = "../../examples/axum_bff/gateway.rs"]
mod gateway;
#[path = "../../examples/axum_bff/headers.rs"]
mod headers;
#[path = "../../examples/axum_bff/layer_events.rs"]
mod layer_events;
#[path = "../../examples/axum_bff/login/mod.rs"]
mod login;
#[path = "../../examples/axum_bff/pages.rs"]
mod pages;
#[path = "../../examples/axum_bff/problem.rs"]
mod problem;
#[path = "../../examples/axum_bff/proxy.rs"]
mod proxy;
#[path = "../../examples/axum_bff/router.rs"]
mod router;
#[path = "../../examples/axum_bff/story.rs"]
mod story;
#[path = "../../examples/support/mod.rs"]
mod support;
#[path = "../../examples/axum_bff/target.rs"]
mod target;
#[path = "../../examples/axum_bff/throttle.rs"]
mod throttle;
#[path = "../../examples/axum_bff/visitor.rs"]
mod visitor;

mod browser;
mod cookie;
mod door;
mod end;
mod instances;
mod passing;
mod seen;
mod telling;
