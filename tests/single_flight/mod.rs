//! Cases 11, 12, 14 to 19 and 21: one token request for everyone, which outlives whoever asked for it.

mod callers;
mod crowds;
mod failures;
mod users;

use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use tokio::{
    spawn,
    task::{JoinHandle, yield_now},
};
use tower::ServiceExt;
use tower_reauth::{Error, ForceRenewal, RenewalFailed, ResponseBody};

const CROWD: usize = 1000;
/// Longer than any pause that follows a first failure.
const AFTER_BACKOFF: Duration = Duration::from_secs(10);

type Answered = Result<Response<ResponseBody<Full<Bytes>>>, Error>;

/// Starts so many calls, each on a clone of its own, and lets all of them come as far as they can.
async fn crowd(world: &World, path: &'static str, count: usize) -> Vec<JoinHandle<Answered>> {
    let api = world.api();
    let calls = (0..count).map(|number| spawn(api.clone().oneshot(post(path, number.to_string())))).collect();
    settle().await;
    calls
}

/// Lets everything run that can run without the clock.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

async fn answers(calls: Vec<JoinHandle<Answered>>) -> Vec<Answered> {
    join_all(calls).await.into_iter().map(|joined| joined.expect("no call panics")).collect()
}

async fn all_accepted(calls: Vec<JoinHandle<Answered>>) {
    for answer in answers(calls).await {
        assert_eq!(answer.expect("an answer").status(), 200);
    }
}

fn failure(response: &Response<ResponseBody<Full<Bytes>>>) -> &Error {
    response.extensions().get::<RenewalFailed>().expect("says why it was not healed").error()
}

fn forced(path: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.extensions_mut().insert(ForceRenewal);
    request
}
