//! Cases 75 to 78: what calls wait for, for how long, and what they hold meanwhile.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]
#![allow(clippy::significant_drop_tightening, reason = "what is held for how long is what is tested")]

mod at_once;
mod budget;
mod clock;
mod places;

use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_reauth::{Error, NoReplay, RenewalFailed};

const SECOND: Duration = Duration::from_secs(1);

/// Why the layer passed a rejection on.
fn failure<B>(response: &Response<B>) -> &Error {
    assert_eq!(response.status(), 401);
    response.extensions().get::<RenewalFailed>().expect("the layer says why").error()
}

fn not_replayable(path: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.extensions_mut().insert(NoReplay);
    request
}

/// A world whose token has just died.
async fn with_dead_token(world: &World) {
    world.session.token().await.unwrap();
    world.issuer.revoke_all();
}
