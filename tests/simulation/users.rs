//! The callers: they call, ask for tokens and for renewals, and leave at any await.

use std::{future::Future, future::poll_fn, pin::pin, task::Poll, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt, limit::ConcurrencyLimit};
use tower_reauth::{ForceRenewal, NoReplay, Reauth, RenewalFailed, ResponseBody, Session, WithoutAuth};

use crate::{
    issuer::wait,
    oracle,
    resource::{CALL, Resource, SEND, body_of},
    script::{Call, FOREIGN, ORIGINS, Script},
};

pub(crate) type Api = Reauth<ConcurrencyLimit<Resource>>;

/// One caller with a service of its own.
pub(crate) struct User {
    pub(crate) script: Script,
    pub(crate) number: usize,
    pub(crate) session: Session,
    pub(crate) api: Api,
    /// The longest pause between two calls, in milliseconds.
    pub(crate) pause: u64,
}

/// When a caller leaves.
#[derive(Clone, Copy)]
enum Stay {
    ToTheEnd,
    Polls(u32),
    For(Duration),
}

impl User {
    pub(crate) async fn live(mut self, calls: usize) {
        for _ in 0..calls {
            let pause = self.script.lock().rng.u64(..=self.pause);
            wait(pause).await;
            let turn = self.script.lock().rng.u32(..100);
            match turn {
                0..2 => self.token().await,
                2..4 => self.renew().await,
                _ => self.call(turn).await,
            }
        }
    }

    async fn call(&mut self, turn: u32) {
        // A clone for each call, or always the same service: both are common.
        if turn < 50 {
            let mut api = self.api.clone();
            self.call_through(&mut api, turn).await;
        } else {
            let mut api = self.api.clone();
            std::mem::swap(&mut api, &mut self.api);
            self.call_through(&mut api, turn).await;
            self.api = api;
        }
    }

    async fn call_through(&self, api: &mut Api, turn: u32) {
        let api = api.ready().await.expect("always ready");
        let (call, request) = self.request(turn);
        let stay = self.stay();
        let Some(result) = stay.run(api.call(request)).await else {
            let mut state = self.script.lock();
            state.note(|| format!("call {call} is cut off"));
            state.calls[call].over = true;
            for outcome in ["calls", "cut"] {
                state.count(outcome);
            }
            return;
        };
        self.ended(call, result).await;
    }

    fn request(&self, turn: u32) -> (usize, Request<Full<Bytes>>) {
        let mut state = self.script.lock();
        let call = state.calls.len();
        let (foreign, bare) = (turn == 4, turn == 5);
        let origin = usize::from(turn.is_multiple_of(5));
        let uri = if foreign { FOREIGN } else { ORIGINS[origin] };
        let mut request = Request::post(format!("{uri}/orders"))
            .header(CALL, call)
            .body(Full::from(body_of(call)))
            .expect("a valid request");
        let (no_replay, forced) = (turn % 17 == 6, turn % 23 == 7);
        let extensions = request.extensions_mut();
        if no_replay {
            extensions.insert(NoReplay);
        }
        if bare {
            extensions.insert(WithoutAuth);
        }
        if forced {
            extensions.insert(ForceRenewal);
        }
        let login = state.sessions[self.number];
        if let (true, Some(login)) = (forced, login) {
            (state.logins[login].wanted, state.logins[login].asked_for) = (true, true);
            state.logins[login].renewals_asked.push(Instant::now());
        }
        let origin = (!foreign && !bare).then_some(origin);
        state.note(|| format!("call {call} of session {} and login {login:?} begins", self.number));
        state.calls.push(Call {
            login,
            origin,
            began: Instant::now(),
            no_replay,
            forced,
            over: false,
            sends: Vec::new(),
        });
        (call, request)
    }

    /// Calls when all is well: nothing may fail now.
    pub(crate) async fn probe(&mut self) {
        let mut api = self.api.clone();
        let api = api.ready().await.expect("always ready");
        let (call, request) = self.request(98);
        let result = api.call(request).await;
        let status = result.as_ref().map(|response| response.status().as_u16());
        let healthy = matches!(status, Ok(200));
        let session = self.number;
        let told = format!("session {session} does not serve when all is well: {status:?}");
        self.script.lock().check(healthy, || told);
        self.ended(call, result).await;
    }

    async fn ended(&self, call: usize, result: Result<Response<ResponseBody<Full<Bytes>>>, tower_reauth::Error>) {
        match result {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let send = head.headers[SEND].to_str().ok().and_then(|send| send.parse().ok()).expect("a number");
                let error = head.extensions.get::<RenewalFailed>().map(RenewalFailed::error);
                oracle::ended(&mut self.script.lock(), call, Ok((head.status.as_u16(), send, error)));
                let body = body.collect().await.expect("a whole body").to_bytes();
                let whole = body == format!("answer to call {call}");
                self.script.lock().check(whole, || format!("call {call} got another body"));
            }
            Err(error) => oracle::ended(&mut self.script.lock(), call, Err(&error)),
        }
    }

    async fn token(&self) {
        let (login, began) = (self.script.lock().sessions[self.number], Instant::now());
        if let Some(result) = self.stay().run(self.session.token()).await {
            let result = result.as_ref().map(number);
            oracle::given(&mut self.script.lock(), login, self.number, began, result);
        }
    }

    async fn renew(&self) {
        let Ok(token) = self.session.token().await else { return };
        let pause = self.script.lock().rng.u64(..2000);
        wait(pause).await;
        let (login, began) = {
            let mut state = self.script.lock();
            let login = state.sessions[self.number];
            if let Some(login) = login.map(|login| &mut state.logins[login])
                && login.latest() == Some(number(&token))
            {
                (login.wanted, login.asked_for) = (true, true);
            }
            (login, Instant::now())
        };
        if let Some(result) = self.stay().run(self.session.renew(token.generation())).await {
            let result = result.as_ref().map(number);
            oracle::given(&mut self.script.lock(), login, self.number, began, result);
        }
    }

    fn stay(&self) -> Stay {
        let mut state = self.script.lock();
        match state.rng.u32(..100) {
            0..8 => Stay::Polls(state.rng.u32(..4)),
            8..14 => Stay::For(Duration::from_millis(state.rng.u64(..4000))),
            _ => Stay::ToTheEnd,
        }
    }
}

impl Stay {
    async fn run<F: Future>(self, future: F) -> Option<F::Output> {
        match self {
            Self::ToTheEnd => Some(future.await),
            Self::For(time) => timeout(time, future).await.ok(),
            Self::Polls(mut left) => {
                let mut future = pin!(future);
                poll_fn(|cx| match future.as_mut().poll(cx) {
                    Poll::Ready(output) => Poll::Ready(Some(output)),
                    Poll::Pending if left == 0 => Poll::Ready(None),
                    Poll::Pending => {
                        left -= 1;
                        Poll::Pending
                    }
                })
                .await
            }
        }
    }
}

fn number(token: &tower_reauth::Token) -> usize {
    use secrecy::ExposeSecret;

    let text = token.token_set().access_token().expose_secret();
    text.get(1..).and_then(|number| number.parse().ok()).expect("a token of the issuer")
}
