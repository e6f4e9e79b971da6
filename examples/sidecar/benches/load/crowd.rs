//! The crowd: each of its connections sends a request as soon as it has the answer to the last one.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::upstream::Upstream;

/// What one turn brought.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) times: Vec<Duration>,
    pub(crate) failures: Vec<String>,
    pub(crate) took: Duration,
}

/// Loads for so long; in the middle the token is killed.
pub(crate) async fn load(address: SocketAddr, connections: u32, turn: Duration, kill: Option<&Upstream>) -> Answers {
    let mut crowd = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..connections {
        crowd.spawn(one(address, begin + turn));
    }
    if let Some(upstream) = kill {
        sleep(turn / 2).await;
        upstream.kill_token();
    }
    let mut answers = Answers::default();
    while let Some(one) = crowd.join_next().await {
        let one = one.unwrap();
        answers.times.extend(one.times);
        answers.failures.extend(one.failures);
    }
    answers.took = begin.elapsed();
    answers
}

async fn one(address: SocketAddr, end: Instant) -> Answers {
    let mut answers = Answers::default();
    let failure = async {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        while Instant::now() < end {
            let request = Request::get("/orders").header(HOST, address.to_string()).body(Full::<Bytes>::default());
            let sent = Instant::now();
            let response = sender.send_request(request.unwrap()).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
            if status != StatusCode::OK || body.len() != 1024 {
                return Err(format!("{status}, {} bytes", body.len()));
            }
            answers.times.push(sent.elapsed());
        }
        Ok::<_, String>(())
    };
    if let Err(failure) = failure.await {
        answers.failures.push(failure);
    }
    answers
}
