//! What a call that waits for a renewal leaves occupied at the server.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not their fixtures")]

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::{join, join_all};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use tokio::sync::Semaphore;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_reauth::{ErrorKind, NoReplay, RenewalFailed};

use crate::support::{Answer, Gate, Kind, World, get, never_hangs, text};

const PAGE: &str = "the whole page that says what is wrong with the token";

/// A body of a length that nobody knows beforehand; it tells when it was read to its end.
struct Watched {
    body: Full<Bytes>,
    ended: Arc<Semaphore>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(None) = frame {
            self.ended.add_permits(1);
        }
        frame
    }
}

/// Many calls with a dead token, whose callers read what they get, to a server whose workers stay with their connections
/// until each rejection has been read: only then is there one for the renewal.
async fn calls_to_busy_server(
    world: &World,
    requests: Vec<Request<Full<Bytes>>>,
    renewal: Answer,
) -> Vec<Response<String>> {
    world.session.token().await.unwrap();
    world.issuer.revoke_all();
    let gate = Gate::closed();
    world.issuer.next(renewal.behind(&gate));
    world.resource.reject_with(|| Response::builder().status(401).body(PAGE.into()).unwrap());
    let calls = requests.len() as u32;
    let ended = Arc::new(Semaphore::new(0));
    let watch = ended.clone();
    let server = ServiceBuilder::new().map_response(move |response: Response<Full<Bytes>>| {
        let ended = watch.clone();
        response.map(|body| Watched { body, ended })
    });
    let api = world.layer().layer(server.service(world.resource.clone()));
    let workers = async {
        let _all = ended.acquire_many(calls).await.unwrap();
        gate.open();
    };
    let answers = join_all(requests.into_iter().map(|request| {
        let call = api.clone().oneshot(request);
        async {
            let (head, body) = call.await.unwrap().into_parts();
            Response::from_parts(head, text(Response::new(body)).await)
        }
    }));
    never_hangs(join(answers, workers)).await.0
}

#[tokio::test(start_paused = true)]
async fn renewal_does_not_wait_for_connections_that_wait_for_it() {
    let world = World::new(Kind::Password);
    for answer in calls_to_busy_server(&world, vec![get("/orders"); 100], Answer::tokens()).await {
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(world.issuer.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn rejection_that_was_read_ahead_is_whole_when_the_renewal_fails() {
    let world = World::new(Kind::Password);
    for answer in calls_to_busy_server(&world, vec![get("/orders"); 3], Answer::status(503, "")).await {
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.extensions().get::<RenewalFailed>().unwrap().error().kind(), ErrorKind::Unavailable);
        assert_eq!(answer.body(), PAGE);
    }
}

#[tokio::test(start_paused = true)]
async fn renewal_does_not_wait_for_connections_of_calls_that_are_not_replayed() {
    let world = World::new(Kind::Password);
    let mut request = get("/orders");
    request.extensions_mut().insert(NoReplay);
    for answer in calls_to_busy_server(&world, vec![request; 100], Answer::tokens()).await {
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.body(), PAGE);
    }
    assert!(world.session.shutdown(std::time::Duration::from_secs(1)).await);
    assert_eq!(world.get("/orders").await.unwrap().status(), 200);
    assert_eq!(world.issuer.token_requests(), 2);
}
