//! An API behind nginx (`auth_request`) and behind Apache (mod_oauth2): the gateway checks the token, the API does not.
//!
//! nginx answers an upload with a dead token in the middle and closes the connection some time after that; Apache reads
//! it to its end.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures::{future::join_all, poll, stream};
use http::{Request, StatusCode, header::WWW_AUTHENTICATE};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use tower_reauth::{ErrorKind, RenewalFailed};

use super::peer::{BoxError, Peer, Stream};

const UPLOAD: usize = 20_000_000;

/// Larger than what the layer buffers and than what the sockets swallow.
fn upload() -> Bytes {
    (0..UPLOAD as u32).map(|n| (n.wrapping_mul(n) >> 8) as u8).collect()
}

/// The same bytes as a stream of unknown length, which is ready for as long as somebody reads it.
fn streamed(upload: &Bytes) -> Stream {
    let upload = upload.clone();
    let piece = 64 * 1024;
    let pieces = (0..upload.len()).step_by(piece).map(move |at| upload.slice(at..upload.len().min(at + piece)));
    StreamBody::new(stream::iter(pieces.map(|piece| Ok::<_, BoxError>(Frame::data(piece))))).boxed()
}

fn post(uri: &str, body: Stream) -> Request<Stream> {
    Request::post(uri).body(body).unwrap()
}

#[tokio::test]
async fn upload_of_20_mb_arrives_whole_after_its_rejection() {
    let peer = Peer::new();
    let upload = upload();
    let expected = peer.post_bare(&peer.orders_without_gateway(), upload.clone()).await;
    assert!(expected.starts_with(b"{\"bytes\": 20000000,"));
    for uri in peer.orders_behind_gateways() {
        let tablet = peer.device();
        let (access_token, _) = tablet.tokens().await;
        peer.expire(&access_token).await;

        let response = tablet.post(&uri, upload.clone()).await.unwrap();

        assert_eq!(response.status(), StatusCode::OK, "{uri}");
        assert_eq!(response.body(), &expected, "{uri}");
        assert_eq!(tablet.asked(), ["password", "refresh_token"], "{uri}");
    }
}

#[tokio::test]
async fn streamed_upload_within_the_limit_arrives_whole_after_its_rejection() {
    let peer = Peer::new();
    let upload = upload();
    let expected = peer.post_bare(&peer.orders_without_gateway(), upload.clone()).await;
    for uri in peer.orders_behind_gateways() {
        let tablet = peer.streaming_device(2 * UPLOAD);
        let (access_token, _) = tablet.tokens().await;
        peer.expire(&access_token).await;

        let response = tablet.send(post(&uri, streamed(&upload))).await.unwrap();

        assert_eq!(response.status(), StatusCode::OK, "{uri}");
        assert_eq!(response.body(), &expected, "{uri}");
        assert_eq!(tablet.asked(), ["password", "refresh_token"], "{uri}");
    }
}

#[tokio::test]
async fn streamed_upload_over_the_limit_gets_its_rejection_and_the_next_call_the_new_token() {
    let peer = Peer::new();
    let upload = upload();
    for uri in peer.orders_behind_gateways() {
        let tablet = peer.streaming_device(64 * 1024);
        let (access_token, _) = tablet.tokens().await;
        peer.expire(&access_token).await;

        let response = tablet.send(post(&uri, streamed(&upload))).await.unwrap();

        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{uri}");
        let why = response.extensions().get::<RenewalFailed>().unwrap().error();
        assert_eq!(why.kind(), ErrorKind::NotReplayable, "{uri}");
        assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"), "{uri}");
        assert!(response.body().trim_ascii_end().ends_with(b"</html>"), "{uri}");

        // The renewal goes on behind the rejection.
        assert!(tablet.session.shutdown(Duration::from_secs(30)).await, "{uri}");
        let response = tablet.send(post(&uri, streamed(&upload))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{uri}");
        assert!(response.body().starts_with(b"{\"bytes\": 20000000,"), "{uri}");
        assert_eq!(tablet.asked(), ["password", "refresh_token"], "{uri}");
    }
}

#[tokio::test]
async fn token_that_was_revoked_is_replaced_behind_every_gateway() {
    let peer = Peer::new();
    for uri in peer.orders_behind_gateways() {
        let tablet = peer.device();
        let (access_token, _) = tablet.tokens().await;
        assert_eq!(tablet.get(&uri).await.unwrap(), StatusCode::OK, "{uri}");

        peer.revoke(&access_token).await;

        assert_eq!(tablet.get(&uri).await.unwrap(), StatusCode::OK, "{uri}");
        assert_eq!(tablet.asked(), ["password", "refresh_token", "password"], "{uri}");
    }
}

#[tokio::test]
async fn refresh_under_100_concurrent_callers_of_a_gateway_is_one_token_request() {
    let peer = Peer::new();
    for uri in peer.orders_behind_gateways() {
        let tablet = peer.device();
        let (access_token, _) = tablet.tokens().await;
        peer.expire(&access_token).await;

        let answers = join_all((0..100).map(|_| tablet.post(&uri, Bytes::from_static(b"one order")))).await;

        for answer in answers {
            let answer = answer.expect(&uri);
            assert_eq!(answer.status(), StatusCode::OK, "{uri}");
            assert!(answer.body().starts_with(b"{\"bytes\": 9,"), "{uri}");
        }
        assert_eq!(tablet.asked(), ["password", "refresh_token"], "{uri}");
        assert_eq!(peer.status_of(&tablet.tokens().await.0).await, StatusCode::OK, "{uri}");
    }
}

#[tokio::test]
async fn rejection_costs_no_connection() {
    let peer = Peer::new();
    for uri in peer.orders_behind_gateways() {
        let tablet = peer.device();
        for order in 0..5 {
            let (access_token, _) = tablet.tokens().await;
            peer.expire(&access_token).await;
            let body = Bytes::from(vec![b'x'; order * 1000]);
            assert_eq!(tablet.post(&uri, body).await.unwrap().status(), StatusCode::OK, "{uri}");
            peer.expire(&tablet.tokens().await.0).await;
            assert_eq!(tablet.get(&uri).await.unwrap(), StatusCode::OK, "{uri}");
        }
        assert_eq!(tablet.asked().len(), 11, "{uri}");
        assert_eq!(peer.connections_to(&uri), 1, "{uri}");
    }
}

#[tokio::test]
async fn rejection_that_comes_after_the_renewal_costs_no_connection() {
    let peer = Peer::new();
    for uri in peer.orders_behind_gateways() {
        let tablet = peer.device();
        assert_eq!(tablet.get(&uri).await.unwrap(), StatusCode::OK, "{uri}");
        for _ in 0..5 {
            let token = tablet.session.token().await.unwrap();
            peer.expire(&tablet.tokens().await.0).await;
            let mut call = pin!(tablet.post(&uri, Bytes::from_static(b"one order")));
            assert!(poll!(&mut call).is_pending(), "{uri}");
            tablet.session.renew(token.generation()).await.unwrap();
            // Its replay waits for nothing, not even for the connection task to notice that the rejection was read.
            assert_eq!(call.await.unwrap().status(), StatusCode::OK, "{uri}");
        }
        assert_eq!(tablet.asked().len(), 6, "{uri}");
        assert_eq!(peer.connections_to(&uri), 1, "{uri}");
    }
}
