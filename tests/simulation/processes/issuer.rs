//! An issuer that rotates refresh tokens, and ends the whole login when one comes twice.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::oneshot;
use tower::Service;

use super::{
    life::Life,
    oracle,
    scene::{Over, Scene},
};
use crate::issuer::{Broken, TOKEN_URI, json, number, wait};

/// As one process reaches it.
#[derive(Clone)]
pub(crate) struct Issuer(pub(crate) Life);

impl Service<Request<Full<Bytes>>> for Issuer {
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Response<Full<Bytes>>, Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let is_token = *request.uri() == TOKEN_URI;
        let body =
            request.into_body().collect().now_or_never().expect("a body at hand").expect("infallible").to_bytes();
        let form: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
        let parameter = |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        let life = self.0.clone();
        if is_token {
            let pair = parameter("refresh_token").map(|token| number(&token));
            Box::pin(ask(life, pair))
        } else {
            let token = parameter("token").expect("a token");
            Box::pin(async move {
                life.pass().await;
                let scene = life.scene.clone();
                let mut state = scene.lock();
                state.note(|| format!("life {} revokes {token}", life.number));
                let pair = number(&token);
                let family = state.pairs[pair].family;
                state.pairs[pair].lives = false;
                state.families[family].lives &= token.starts_with('a');
                Ok(json(200, String::new()))
            })
        }
    }
}

async fn ask(life: Life, pair: Option<usize>) -> Result<Response<Full<Bytes>>, Broken> {
    life.pass().await;
    let spend = oracle::token_request(&mut life.scene.lock(), life.number, pair);
    let (tell, told) = oneshot::channel();
    // Whatever becomes of whoever asked.
    tokio::spawn(serve(life.clone(), pair, spend, tell));
    let answer = told.await;
    life.pass().await;
    answer.unwrap_or(Err(Broken))
}

type Answer = oneshot::Sender<Result<Response<Full<Bytes>>, Broken>>;

async fn serve(life: Life, pair: Option<usize>, spend: usize, tell: Answer) {
    let (before, after, lost) = {
        let mut state = life.scene.lock();
        let most = state.plan.issuer_delay;
        (state.delay(most), state.delay(most), state.rng.bool())
    };
    wait(before).await;
    if lost && life.is_over() {
        return;
    }
    let (answer, over) = decide(&life.scene, life.number, pair);
    wait(after).await;
    life.scene.lock().spends[spend].over = Some(over);
    let _ = tell.send(answer);
}

fn decide(scene: &Scene, by: usize, pair: Option<usize>) -> (Result<Response<Full<Bytes>>, Broken>, Over) {
    let mut state = scene.lock();
    let (fails, breaks) = (state.plan.fails, state.plan.breaks);
    if state.chance(fails) {
        state.trouble(|| "the issuer fails".to_owned());
        return (Ok(json(500, String::new())), Over::Failed);
    }
    let issued = match pair {
        Some(pair) if state.is_redeemable(pair) => {
            state.pairs[pair].spent = true;
            let family = state.pairs[pair].family;
            Some(state.issue(family))
        }
        Some(pair) => {
            let family = state.pairs[pair].family;
            if state.families[family].lives {
                oracle::reused(&mut state, by, pair);
            }
            state.families[family].lives = false;
            None
        }
        None => {
            let family = state.new_family();
            Some(state.issue(family))
        }
    };
    state.note(|| format!("life {by} gets {issued:?} for {pair:?}"));
    if state.chance(breaks) {
        state.trouble(|| "its answer is lost".to_owned());
        return (Err(Broken), Over::Failed);
    }
    let lifetime = state.plan.lifetime;
    let answer = match issued {
        Some(pair) => json(
            200,
            format!(
                r#"{{"access_token":"a{pair}","token_type":"Bearer","expires_in":{lifetime},"refresh_token":"r{pair}"}}"#
            ),
        ),
        None => json(400, r#"{"error":"invalid_grant"}"#.to_owned()),
    };
    (Ok(answer), Over::Answered)
}
