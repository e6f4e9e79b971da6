//! The resource server: takes the tokens that are alive when it looks, early or late, and breaks at times.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::Service;

use crate::{
    issuer::{Broken, wait},
    oracle,
    script::Script,
};

pub(crate) const CALL: &str = "x-call";
pub(crate) const SEND: &str = "x-send";

#[derive(Clone)]
pub(crate) struct Resource(pub(crate) Script);

impl Service<Request<Full<Bytes>>> for Resource {
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Response<Full<Bytes>>, Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let script = self.0.clone();
        let text = |name| request.headers().get(name).map(|value| value.to_str().expect("a text").to_owned());
        let call: usize = text(CALL).and_then(|call| call.parse().ok()).expect("the call's number");
        let pair = text(AUTHORIZATION.as_str()).map(|value| {
            let number = value.strip_prefix("Bearer t").and_then(|number| number.parse().ok());
            number.expect("a token of the issuer")
        });
        let (parts, body) = request.into_parts();
        let body = body.collect().now_or_never().expect("a body at hand").expect("infallible").to_bytes();
        let send = {
            let mut state = script.lock();
            // Invariant 11.
            state.check(body == body_of(call).as_bytes(), || format!("call {call} was sent with another body"));
            oracle::sent(&mut state, call, pair, &parts.uri)
        };
        Box::pin(serve(script, call, send, pair))
    }
}

async fn serve(script: Script, call: usize, send: usize, pair: Option<usize>) -> Result<Response<Full<Bytes>>, Broken> {
    let (before, after, breaks, trouble) = {
        let mut state = script.lock();
        let (most, breaks) = (state.temper.resource_delay, state.temper.resource_breaks);
        let before = state.rng.u64(..=most);
        (before, state.rng.u64(..=most), state.chance(breaks), state.chance(breaks))
    };
    wait(before).await;
    let is_good = {
        let state = script.lock();
        let now = Instant::now();
        let broken = state.calls[call].origin.is_some_and(|origin| state.broken_origins[origin]);
        let pair = pair.map(|pair| &state.pairs[pair]);
        !broken && pair.is_none_or(|pair| pair.lives && pair.expires.is_none_or(|end| now < end))
    };
    wait(after).await;
    let status = if trouble {
        503
    } else if is_good {
        200
    } else {
        401
    };
    oracle::answered(&mut script.lock(), call, send, (!breaks).then_some(status));
    if breaks {
        return Err(Broken);
    }
    let mut response = Response::new(Full::from(format!("answer to call {call}")));
    *response.status_mut() = status.try_into().expect("a valid status");
    response.headers_mut().insert(SEND, send.into());
    Ok(response)
}

pub(crate) fn body_of(call: usize) -> String {
    format!("body of call {call}")
}
