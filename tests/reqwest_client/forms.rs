//! Multipart forms, of which reqwest makes a stream even where they are in memory.

use futures::{StreamExt, stream};
use http::StatusCode;
use reqwest::{
    Body, Response,
    multipart::{Form, Part},
};
use tower_reauth::{ErrorKind, ReauthLayer, RenewalFailed, SendThrough};

use super::{Seen, World, api, client, server, status};

const KIB: usize = 1024;

impl World {
    async fn send_form(&self, api: &ReauthLayer, part: Part) -> Response {
        let form = Form::new().text("fruit", "pear").part("picture", part);
        self.client.post(self.orders()).multipart(form).send_through(api).await.unwrap()
    }
}

fn picture(bytes: usize) -> Part {
    Part::bytes(vec![7; bytes]).file_name("pear.png")
}

/// A part that reqwest must read to know how long it is.
fn streamed(bytes: usize) -> Part {
    Part::stream(Body::wrap_stream(stream::iter(vec![vec![7; KIB]; bytes / KIB]).map(Ok::<_, std::io::Error>)))
}

/// That the gateway got the form whole, with the picture in it.
async fn assert_whole(response: Response, bytes: usize) {
    assert_eq!(response.status(), StatusCode::CREATED);
    let echo = response.bytes().await.unwrap();
    assert_eq!(echo.iter().filter(|byte| **byte == 7).count(), bytes);
    assert!(echo.windows(4).any(|word| word == b"pear") && echo.ends_with(b"--\r\n"));
}

fn assert_rejected(response: &Response) {
    let cause = response.extensions().get::<RenewalFailed>().unwrap().error().kind();
    assert_eq!((response.status(), cause), (StatusCode::UNAUTHORIZED, ErrorKind::NotReplayable));
}

#[tokio::test]
async fn form_in_memory_is_replayed() {
    let world = World::with_a_dead_token().await;
    assert_whole(world.send_form(&world.api, picture(100 * KIB)).await, 100 * KIB).await;
    world.gateway.gateway().revoke_all();
    let most = 1024 * KIB - KIB;
    assert_whole(world.send_form(&world.api, picture(most)).await, most).await;
    assert_eq!(world.placed_and_rejected(), (2, 2));
}

#[tokio::test]
async fn form_of_a_file_is_replayed() {
    let file = std::env::temp_dir().join(format!("tower-reauth-form-{}", std::process::id()));
    std::fs::write(&file, vec![7; 100 * KIB]).unwrap();
    let form = Form::new().part("picture", Part::file(&file).await.unwrap());
    std::fs::remove_file(&file).unwrap();
    let seen = Seen::default();
    let server =
        server(&seen, |head| status(if head.headers["authorization"] == "Bearer token-1" { 401 } else { 200 }));
    let request = client().post("https://orders.example/").multipart(form);
    request.send_through(&(api(), server)).await.unwrap().error_for_status().unwrap();
    let bodies = seen.bodies();
    assert!(bodies.len() == 2 && bodies[0] == bodies[1] && bodies[0].len() > 100 * KIB);
}

#[tokio::test]
async fn form_over_a_mebibyte_is_replayed_within_the_replay_limit_alone() {
    let world = World::with_a_dead_token().await;
    assert_rejected(&world.send_form(&world.api, picture(1024 * KIB)).await);
    world.gateway.gateway().revoke_all();
    let api = world.api.clone().replay_limit(2048 * KIB);
    assert_whole(world.send_form(&api, picture(1024 * KIB)).await, 1024 * KIB).await;
}

#[tokio::test]
async fn form_of_unknown_length_is_replayed_within_the_replay_limit_alone() {
    let world = World::with_a_dead_token().await;
    assert_whole(world.send_form(&world.api, streamed(60 * KIB)).await, 60 * KIB).await;
    world.gateway.gateway().revoke_all();
    assert_rejected(&world.send_form(&world.api, streamed(100 * KIB)).await);
}

#[tokio::test]
async fn form_that_is_longer_than_it_says_is_not_read_without_end() {
    let world = World::new().await;
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(vec![7; KIB]));
    let part = Part::stream_with_length(Body::wrap_stream(endless), 10);
    let form = Form::new().part("picture", part);
    let error = world.client.post(world.orders()).multipart(form).send_through(&world.api).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    assert_eq!((world.gateway.counters().all_token_requests(), world.placed_and_rejected()), (0, (0, 0)));
}
