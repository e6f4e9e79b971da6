//! What the tests share: the servers of `tower_reauth::testing`, and the table of credentials.
//!
//! Everything is a tower service in this process, without sockets, on tokio's paused clock. Counters prove "once", gates
//! say when something goes on, and `arrived(n)` waits for it: no test sleeps in real time.
//!
//! ```ignore
//! use crate::support::*;
//!
//! #[tokio::test(start_paused = true)]
//! async fn rejection_is_healed_by_one_renewal() {
//!     for_every_credential(async |world| {
//!         world.get("/orders").await.unwrap();
//!         world.issuer.revoke_all();
//!         assert_eq!(world.get("/orders").await.unwrap().status(), 200);
//!         assert_eq!(world.issuer.token_requests(), 2);
//!         assert_eq!(world.resource.count(), 3);
//!     })
//!     .await;
//! }
//! ```
//!
//! 1. A [`World`] is one kind of credential with an [`Issuer`], a [`Resource`] that takes its tokens, and a session.
//! 2. The issuer answers every token request with good tokens until [`Issuer::next`] or [`Issuer::always`] says otherwise.
//!    As on WSO2, new tokens kill the older ones of the same owner and scope; see [`Regime`] for the other rules.
//! 3. A [`Gate`] holds requests: at the issuer ([`Answer::behind`], [`Answer::delivered_behind`]), or at the resource
//!    ([`Resource::hold`]), which judges the token only when the gate lets the request through.
//! 4. [`never_hangs`] turns a hang into a failure: on the paused clock a day is over as soon as nothing moves.
//! 5. A [`Trace`] holds what was said to `tracing`, by every crate and at every level; every test of a binary has one, or none.

// Every test binary compiles this module, and none uses all of it.
#![allow(dead_code, unused_imports, unreachable_pub)]

mod memory_store;
mod trace;
mod world;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

pub use tower_reauth::testing::{Answer, Gate, Issuer, Regime, Resource, Seen, TokenRequest};

pub use self::{
    memory_store::{Fails, MemoryStore, Messages, Step},
    trace::Trace,
    world::{Kind, World, for_every_credential, never_hangs},
};

pub const TOKEN_URI: &str = Issuer::TOKEN_URI;
pub const REVOCATION_URI: &str = Issuer::REVOCATION_URI;
pub const CLIENT_ID: &str = Issuer::CLIENT_ID;
pub const CLIENT_SECRET: &str = Issuer::CLIENT_SECRET;
pub const USERNAME: &str = "alice";
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// The origin that the layers of the tests are given.
pub const ORIGIN: &str = "https://api.example";

/// The error of a connection that breaks.
#[derive(Clone, Copy, Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection broke")
    }
}

impl std::error::Error for Broken {}

/// What the servers of `testing` say of one.
impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// A GET of this path at [`ORIGIN`], or of this whole URI.
pub fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(uri(path)).body(Full::default()).expect("a valid path")
}

/// A POST to this path at [`ORIGIN`], or to this whole URI.
pub fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(uri(path)).body(Full::new(body.into())).expect("a valid path")
}

/// Calls this very service, once it is ready: for what happens from call to call on one clone.
pub async fn call<S: Service<Request<Full<Bytes>>>>(
    service: &mut S,
    request: Request<Full<Bytes>>,
) -> Result<S::Response, S::Error> {
    service.ready().await?.call(request).await
}

/// The body of a response, read to its end.
pub async fn text<B: http_body::Body<Error: std::fmt::Debug>>(response: Response<B>) -> String {
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("a text")
}

fn uri(path: &str) -> String {
    if path.starts_with('/') { format!("{ORIGIN}{path}") } else { path.to_owned() }
}
