//! The API that the processes call.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Full;
use tower::Service;

use super::{life::Life, oracle};
use crate::issuer::{Broken, json, number, wait};

#[derive(Clone)]
pub(crate) struct Resource(pub(crate) Life);

impl Service<Request<Full<Bytes>>> for Resource {
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Response<Full<Bytes>>, Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let header = request.headers()[AUTHORIZATION].to_str().expect("a text");
        let pair = number(header.strip_prefix("Bearer ").expect("a token of the issuer"));
        let life = self.0.clone();
        Box::pin(async move {
            life.pass().await;
            oracle::sent(&mut life.scene.lock(), life.number, pair);
            let (before, after) = {
                let mut state = life.scene.lock();
                let most = state.plan.resource_delay;
                (state.delay(most), state.delay(most))
            };
            wait(before).await;
            let is_good = {
                let mut state = life.scene.lock();
                let is_good = state.is_good(pair);
                state.pairs[pair].rejected |= !is_good;
                is_good
            };
            wait(after).await;
            life.pass().await;
            Ok(json(if is_good { 200 } else { 401 }, String::new()))
        })
    }
}
