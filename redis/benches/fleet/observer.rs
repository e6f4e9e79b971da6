//! What redis-server says of itself.

use std::{collections::BTreeMap, fs, time::Duration};

use redis::{AsyncConnectionConfig, Client, FromRedisValue, aio::MultiplexedConnection, cmd};

use crate::server::Server;

/// What clients send. The others are what scripts do inside.
const SENT: [&str; 4] = ["evalsha", "eval", "hget", "subscribe"];
const OURS: [&str; 3] = ["info", "config|resetstat", "pubsub|numsub"];

pub(crate) struct Observer {
    connection: MultiplexedConnection,
    process: u32,
}

/// Commands since the last [`Observer::begin`].
#[derive(Default)]
pub(crate) struct Commands {
    pub(crate) scripts: u64,
    pub(crate) looks: u64,
    /// By scripts.
    pub(crate) inside: u64,
    pub(crate) published: u64,
}

impl Observer {
    pub(crate) async fn of(server: &Server) -> Self {
        let client = Client::open(server.url()).unwrap();
        // Redis may take long to forget 100,000 sessions.
        let patient = AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
        let mut observer = Self { connection, process: 0 };
        observer.process = observer.info("server", "process_id").await as u32;
        observer
    }

    async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.connection.clone()).await.unwrap()
    }

    pub(crate) async fn info(&self, section: &str, name: &str) -> u64 {
        let text: String = self.ask(&["INFO", section]).await;
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| *key == name).unwrap().1.trim().parse().unwrap()
    }

    pub(crate) async fn begin(&self) {
        self.ask::<String>(&["CONFIG", "RESETSTAT"]).await;
    }

    pub(crate) async fn commands(&self) -> Commands {
        let text: String = self.ask(&["INFO", "commandstats"]).await;
        let counts: BTreeMap<_, u64> = text
            .lines()
            .filter_map(|line| {
                let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
                Some((name, rest.split(',').next()?.parse().ok()?))
            })
            .collect();
        let count = |name| counts.get(name).copied().unwrap_or_default();
        let inside =
            counts.iter().filter(|(name, _)| !SENT.contains(name) && !OURS.contains(name)).map(|(_, count)| count);
        Commands {
            scripts: count("evalsha") + count("eval"),
            looks: count("hget"),
            inside: inside.sum(),
            published: count("publish"),
        }
    }

    /// Waits until so many subscriptions are there.
    pub(crate) async fn subscriptions(&self, least: usize) {
        for _ in 0..1200 {
            let text: String = self.ask(&["CLIENT", "LIST", "TYPE", "PUBSUB"]).await;
            let counts = text.split_whitespace().filter_map(|word| word.strip_prefix("sub="));
            if counts.map(|count| count.parse::<usize>().unwrap()).sum::<usize>() >= least {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("there are no {least} subscriptions after a minute");
    }

    pub(crate) async fn flush(&self) {
        self.ask::<String>(&["FLUSHALL"]).await;
    }

    pub(crate) async fn configure(&self, name: &str, value: &str) {
        self.ask::<String>(&["CONFIG", "SET", name, value]).await;
    }

    pub(crate) async fn memory(&self) -> u64 {
        self.info("memory", "used_memory").await
    }

    /// CPU time of redis-server, and of this process.
    pub(crate) fn cpu_times(&self) -> (Duration, Duration) {
        (cpu_time(self.process), cpu_time(std::process::id()))
    }
}

/// Of all its threads, which count in nanoseconds.
fn cpu_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let nanoseconds = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}
