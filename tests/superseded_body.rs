//! What a server sees of a request whose body was superseded by a replay: never a complete request.

use std::error::Error;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
};
use tower_reauth::Replay;

type BoxError = Box<dyn Error + Send + Sync>;
type Body = BoxBody<Bytes, BoxError>;

/// A stream that the test feeds.
fn stream() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel(8);
    let frames = futures::stream::unfold(receiver, async |mut receiver: mpsc::Receiver<Bytes>| {
        let chunk = receiver.recv().await?;
        Some((Ok(Frame::data(chunk)), receiver))
    });
    (sender, BoxBody::new(BodyExt::map_err(StreamBody::new(Box::pin(frames)), |error: BoxError| error)))
}

/// Sends the body over HTTP/1.1 and hands out the server's end of the connection.
async fn send(body: Body) -> Result<DuplexStream, BoxError> {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await?;
    tokio::spawn(connection);
    let request = Request::post("/").header("host", "api.example").body(body)?;
    tokio::spawn(async move { sender.send_request(request).await.map(drop) });
    Ok(server)
}

async fn read_until(server: &mut DuplexStream, end: &str) -> Result<String, BoxError> {
    let mut text = String::new();
    while !text.contains(end) {
        let mut buffer = [0; 1024];
        let length = server.read(&mut buffer).await?;
        if length == 0 {
            break;
        }
        text.push_str(std::str::from_utf8(&buffer[..length])?);
    }
    Ok(text)
}

#[tokio::test]
async fn superseded_chunked_request_is_cut_off_and_its_replay_is_whole() -> Result<(), BoxError> {
    let (chunks, mut first) = stream();
    let mut kept = first.keep(1024).ok_or("a stream is kept")?;
    let mut first_server = send(first).await?;
    chunks.send("one".into()).await?;
    let seen = read_until(&mut first_server, "one\r\n").await?;
    assert!(seen.contains("transfer-encoding: chunked"), "{seen}");

    let second = Body::again(&mut kept).ok_or("a stream within the limit is replayed")?;
    // The first body waits for its stream: it is woken, and its connection is closed without the last chunk.
    let rest = read_until(&mut first_server, "0\r\n\r\n").await?;
    assert_eq!(rest, "");

    let mut second_server = send(second).await?;
    chunks.send("two".into()).await?;
    drop(chunks);
    let seen = read_until(&mut second_server, "0\r\n\r\n").await?;
    assert!(seen.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), "{seen}");
    second_server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    Ok(())
}
