//! A connection that hears news.

use std::{io, time::Duration};

use futures_util::StreamExt;
use redis::{
    RedisError, RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::time::timeout;

use crate::place::Place;

/// How long connecting, or subscribing to one portion, may take.
const BOUND: Duration = Duration::from_secs(2);
/// So many channels of a cluster are subscribed to at a time; each takes a command.
#[cfg(feature = "cluster")]
const AT_ONCE: usize = 64;

pub(crate) enum Wire {
    One(Box<(PubSubSink, PubSubStream)>),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection, tokio::sync::mpsc::UnboundedReceiver<redis::PushInfo>),
}

pub(crate) enum Event {
    /// What was published, and where.
    Message(String, Vec<u8>),
    /// Redis does not tell of this channel any more, whether or not somebody asked for that.
    #[cfg(feature = "cluster")]
    Gone(String),
}

impl Wire {
    pub(crate) async fn to(place: &Place) -> RedisResult<Self> {
        soon(async {
            match place.client().await? {
                Some(client) => Ok(Self::One(Box::new(client.get_async_pubsub().await?.split()))),
                #[cfg(not(feature = "cluster"))]
                None => Err(lost()),
                #[cfg(feature = "cluster")]
                None => {
                    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
                    let builder = place.cluster()?.use_protocol(redis::ProtocolVersion::RESP3).push_sender(sender);
                    Ok(Self::Cluster(builder.build()?.get_async_connection().await?, receiver))
                }
            }
        })
        .await
    }

    /// # Cancel safety
    /// May be dropped at any point.
    pub(crate) async fn next(&mut self) -> RedisResult<Event> {
        match self {
            Self::One(parts) => {
                let message = parts.1.next().await.ok_or_else(lost)?;
                Ok(Event::Message(message.get_channel_name().to_owned(), message.get_payload_bytes().to_vec()))
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(_, pushes) => loop {
                let push = pushes.recv().await.ok_or_else(lost)?;
                let text = |at: usize| match push.data.get(at) {
                    Some(redis::Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
                    _ => String::new(),
                };
                match push.kind {
                    redis::PushKind::SMessage => return Ok(Event::Message(text(0), text(1).into_bytes())),
                    redis::PushKind::SUnsubscribe => return Ok(Event::Gone(text(0))),
                    redis::PushKind::Disconnection => return Err(lost()),
                    _ => {}
                }
            },
        }
    }

    pub(crate) async fn subscribe(&mut self, channels: &[&str]) -> RedisResult<()> {
        match self {
            Self::One(parts) => soon(parts.0.subscribe(channels)).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(connection, _) => each(connection, channels, true).await,
        }
    }

    pub(crate) async fn unsubscribe(&mut self, channels: &[&str]) -> RedisResult<()> {
        match self {
            Self::One(parts) => soon(parts.0.unsubscribe(channels)).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(connection, _) => each(connection, channels, false).await,
        }
    }

    /// Whether it still lives.
    pub(crate) async fn ping(&mut self) -> RedisResult<()> {
        match self {
            Self::One(parts) => soon(parts.0.ping::<redis::Value>()).await.map(drop),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection, _) => {
                soon(redis::cmd("PING").query_async::<redis::Value>(connection)).await.map(drop)
            }
        }
    }
}

/// Channels of a cluster stand on many nodes: each is a command.
#[cfg(feature = "cluster")]
async fn each(connection: &redis::cluster_async::ClusterConnection, channels: &[&str], on: bool) -> RedisResult<()> {
    let works = channels.iter().map(|channel| {
        let (mut connection, channel) = (connection.clone(), (*channel).to_owned());
        async move { if on { connection.ssubscribe(channel).await } else { connection.sunsubscribe(channel).await } }
    });
    let works: Vec<_> = works.map(soon).collect();
    let mut works = futures_util::stream::iter(works).buffer_unordered(AT_ONCE);
    while let Some(done) = works.next().await {
        done?;
    }
    Ok(())
}

async fn soon<T>(work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(BOUND, work).await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

fn lost() -> RedisError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}
