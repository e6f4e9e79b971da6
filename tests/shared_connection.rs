//! Case 74: calls and token requests on one HTTP/2 connection. What waits for the token leaves it room to come.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{sync::watch, task::yield_now};
use tower::{Layer, ServiceExt};
use tower_reauth::{ClientCredentialsGrant, ErrorKind, NoReplay, ReauthLayer, Session, TokenEndpoint};

use crate::http_support::{
    answer, is_live, layer,
    server::{Protocol::Http2, Server},
    soon, why,
};

type Http = Client<HttpConnector, Full<Bytes>>;

const KIB: usize = 1024;
/// RFC 9113, section 6.9.2.
const OF_THE_SPECIFICATION: Option<u32> = Some(65_535);
const HYPERS_DEFAULT: Option<u32> = None;

/// Tokens and answers come from one server.
struct Scene {
    server: Server,
    client: Http,
    session: Session,
    page: usize,
}

/// What a call was answered with: the status, how long the page was, and why it was not healed.
type Outcome = (StatusCode, usize, Option<ErrorKind>);

impl Scene {
    /// The second token, the live one, is given out when so many rejections with pages of this length are on their way,
    /// and fill the connection's window if nobody reads them.
    async fn new(window: Option<u32>, calls: usize, page: usize, renewal: StatusCode) -> Self {
        let (rejections, tokens) = (watch::Sender::new(0), Arc::new(AtomicUsize::new(0)));
        let server = Server::start(Http2, move |request: Request<Incoming>, _| {
            let (rejections, tokens) = (rejections.clone(), tokens.clone());
            async move {
                if request.uri().path() != "/token" {
                    if is_live(&request) {
                        return answer(StatusCode::OK, "orders");
                    }
                    rejections.send_modify(|rejections| *rejections += 1);
                    return answer(StatusCode::UNAUTHORIZED, vec![b'x'; page]);
                }
                let number = tokens.fetch_add(1, Ordering::SeqCst) + 1;
                if number == 2 {
                    rejections.subscribe().wait_for(|rejections| *rejections >= calls).await.unwrap();
                    // The rejections go out, as far as they can.
                    for _ in 0..200 {
                        yield_now().await;
                    }
                    if renewal != StatusCode::OK {
                        return answer(renewal, "");
                    }
                }
                answer(StatusCode::OK, format!(r#"{{"access_token":"token-{number}","token_type":"Bearer"}}"#))
            }
        })
        .await;
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .http2_initial_stream_window_size(window)
            .http2_initial_connection_window_size(window)
            .build_http();
        let session = session(&client, &server);
        // The connection is there, and everybody uses it.
        session.token().await.unwrap();
        Self { server, client, session, page }
    }

    fn layer(&self) -> ReauthLayer {
        layer(&self.session, &self.server.origin)
    }

    async fn calls(&self, layer: &ReauthLayer, calls: usize, replay: bool) -> Vec<Outcome> {
        let api = layer.layer(self.client.clone());
        let all = soon(join_all((0..calls).map(|_| {
            let mut request = Request::get(self.server.uri("/orders")).body(Full::default()).unwrap();
            if !replay {
                request.extensions_mut().insert(NoReplay);
            }
            let call = api.clone().oneshot(request);
            async {
                let response = call.await.unwrap();
                let (status, why) = (response.status(), why(&response));
                (status, response.into_body().collect().await.unwrap().to_bytes().len(), why)
            }
        })))
        .await;
        assert_eq!(self.server.connections(), 1);
        all
    }

    /// Calls after which everything is as it should be.
    async fn is_renewed(&self) {
        self.session.token().await.unwrap();
        soon(async {
            // The last renewal may still be on its way.
            while self.calls(&self.layer(), 1, true).await != [(StatusCode::OK, 6, None)] {}
        })
        .await;
    }

    fn rejected(&self, why: ErrorKind) -> Outcome {
        (StatusCode::UNAUTHORIZED, self.page, Some(why))
    }
}

fn session(client: &Http, server: &Server) -> Session {
    Session::new(ClientCredentialsGrant::new(TokenEndpoint::new(client.clone(), &server.uri("/token")).unwrap()))
}

#[tokio::test]
async fn all_calls_heal_however_many_rejections_wait_on_the_connection_of_the_token() {
    for (window, calls, page) in [
        (OF_THE_SPECIFICATION, 1, 200 * KIB),
        (OF_THE_SPECIFICATION, 8, 32 * KIB),
        // With 150, h2's guard against small frames ends the connection, without the layer as well.
        (OF_THE_SPECIFICATION, 100, 64 * KIB),
        (Some(4 * 65_535), 150, 64 * KIB),
        (HYPERS_DEFAULT, 150, 64 * KIB),
        (HYPERS_DEFAULT, 10, 3000 * KIB),
    ] {
        let scene = Scene::new(window, calls, page, StatusCode::OK).await;
        for outcome in scene.calls(&scene.layer(), calls, true).await {
            assert_eq!(outcome, (StatusCode::OK, 6, None), "{calls} calls, {page} bytes");
        }
    }
}

#[tokio::test]
async fn rejections_that_waited_are_whole_when_the_renewal_fails() {
    let scene = Scene::new(OF_THE_SPECIFICATION, 100, 64 * KIB, StatusCode::SERVICE_UNAVAILABLE).await;
    for outcome in scene.calls(&scene.layer(), 100, true).await {
        assert_eq!(outcome, scene.rejected(ErrorKind::Unavailable));
    }
}

#[tokio::test]
async fn all_calls_heal_whatever_the_drain_limit() {
    let scene = Scene::new(OF_THE_SPECIFICATION, 8, 32 * KIB, StatusCode::OK).await;
    for outcome in scene.calls(&scene.layer().drain_limit(0), 8, true).await {
        assert_eq!(outcome, (StatusCode::OK, 6, None));
    }
}

#[tokio::test]
async fn rejections_that_can_not_be_kept_go_to_their_callers_and_leave_the_window_to_the_token() {
    // Too long for a call, for the layer, and of requests that can't be replayed.
    for (page, limit, replay) in
        [(400 * KIB, Some(KIB * KIB), true), (64 * KIB, Some(KIB), true), (64 * KIB, None, false)]
    {
        let scene = Scene::new(OF_THE_SPECIFICATION, 8, page, StatusCode::OK).await;
        let layer = limit.map_or(scene.layer(), |limit| scene.layer().parked_limit(limit));
        for outcome in scene.calls(&layer, 8, replay).await {
            assert_eq!(outcome, scene.rejected(ErrorKind::NotReplayable));
        }
        scene.is_renewed().await;
    }
}

#[tokio::test]
async fn calls_that_fit_into_the_budget_heal_beside_those_that_do_not() {
    let scene = Scene::new(HYPERS_DEFAULT, 150, 64 * KIB, StatusCode::OK).await;
    let outcomes = scene.calls(&scene.layer().parked_limit(KIB * KIB), 150, true).await;
    let healed = outcomes.iter().filter(|outcome| **outcome == (StatusCode::OK, 6, None)).count();
    let passed = outcomes.iter().filter(|outcome| **outcome == scene.rejected(ErrorKind::NotReplayable)).count();
    assert_eq!(healed + passed, 150, "{outcomes:?}");
    assert!(healed > 0 && passed > 0, "{healed} healed");
}
