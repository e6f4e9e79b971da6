//! Many sessions in one Redis: what they take, and how fast they renew.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::sleep};
use tower_reauth::{Ear, Record, RefreshTokenGrant, Saved, Session, StoreKey, TokenSet, TokenStore};
use tower_reauth_redis::RedisStore;

use crate::{
    Size,
    observer::Observer,
    replica::{store, trivial_endpoint},
    server::Server,
};

/// Saves under way at a time.
const AT_A_TIME: usize = 32;
/// Processes that renew.
const STORES: usize = 4;

pub(crate) async fn measure(server: &Server, observer: &Observer, size: &Size) {
    let sessions = size.sessions;
    println!("\n{sessions} sessions in one Redis.\n");
    println!("| what | bytes each | with `hash-max-listpack-value 8192` |");
    println!("| --- | --- | --- |");
    let kinds = [
        ("access and refresh token of 43 bytes", Arc::new(|number: usize| tokens(number, 43)) as Arc<Make>),
        (
            "access token of 1 KiB, refresh token of 43 bytes, scope",
            Arc::new(|number| tokens(number, 1024).with_scope("orders invoices")),
        ),
        (
            "the same, and an `id_token` of 1 KiB",
            Arc::new(|number| {
                tokens(number, 1024).with_scope("orders invoices").with_extra("id_token", text(number, 1024))
            }),
        ),
    ];
    for (what, make) in kinds {
        let mut bytes = Vec::new();
        for longest in ["64", "8192"] {
            observer.configure("hash-max-listpack-value", longest).await;
            observer.flush().await;
            let before = observer.memory().await;
            save_all(store(server).await, sessions, make.clone()).await;
            bytes.push(format!("{:.0}", (observer.memory().await - before) as f64 / sessions as f64));
        }
        println!("| {what} | {} |", bytes.join(" | "));
    }
    observer.configure("hash-max-listpack-value", "64").await;
    let before = observer.memory().await;
    let listening = listen_to_all(server, observer, sessions).await;
    println!("| a subscription | {:.0} | |", (observer.memory().await - before) as f64 / sessions as f64);
    drop(listening);
    look(server, observer, size).await;
    observer.flush().await;
    renew(server, observer, size).await;
}

type Make = dyn Fn(usize) -> TokenSet + Send + Sync;

fn tokens(number: usize, bytes: usize) -> TokenSet {
    let tokens = TokenSet::new(text(number, bytes)).unwrap().with_refresh_token(text(number, 43));
    tokens.with_lifetime(Duration::from_secs(3600))
}

fn text(number: usize, bytes: usize) -> String {
    format!("{number:0bytes$}")
}

fn key(number: usize) -> StoreKey {
    format!("user {number}").into()
}

async fn save_all(store: RedisStore, sessions: usize, make: Arc<Make>) {
    let mut tasks = JoinSet::new();
    for first in 0..AT_A_TIME {
        let (store, make) = (store.clone(), make.clone());
        tasks.spawn(async move {
            for number in (first..sessions).step_by(AT_A_TIME) {
                let saved = store.save(&key(number), &Record::new(make(number)), None).await.unwrap();
                assert!(matches!(saved, Saved::Saved));
            }
        });
    }
    tasks.join_all().await;
}

async fn listen_to_all(server: &Server, observer: &Observer, sessions: usize) -> impl Sized {
    let store = store(server).await;
    let listening: Vec<_> = (0..sessions).map(|number| store.listen(&key(number), Ear::new(|_| {}))).collect();
    observer.subscriptions(sessions).await;
    (store, listening)
}

/// Looks for news, as many as go.
async fn look(server: &Server, observer: &Observer, size: &Size) {
    let mut tasks = JoinSet::new();
    let (over, looks) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    for _ in 0..STORES {
        let store = store(server).await;
        for number in 0..AT_A_TIME {
            let (store, over, looks, key) = (store.clone(), over.clone(), looks.clone(), key(number));
            tasks.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    assert!(store.changed(&key, None).await.unwrap());
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    let ((done, took), (redis, ours)) = during(observer, size, &looks).await;
    over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    println!(
        "\n{:.0} looks for news/s. redis-server used {:.2} of a core, the replicas {:.2}: a core of redis-server carries {:.0} looks/s.",
        done / took,
        redis / took,
        ours / took,
        done / redis,
    );
}

/// How much was done meanwhile and how long it took, and the CPU seconds of redis-server and of this process.
async fn during(observer: &Observer, size: &Size, count: &AtomicU64) -> ((f64, f64), (f64, f64)) {
    // Until it runs smoothly.
    sleep(Duration::from_secs(1)).await;
    observer.begin().await;
    let (began, first, (redis, ours)) = (Instant::now(), count.load(Ordering::Relaxed), observer.cpu_times());
    sleep(Duration::from_secs(size.seconds)).await;
    let (redis_now, ours_now) = observer.cpu_times();
    let done = (count.load(Ordering::Relaxed) - first) as f64;
    let seconds = |time: Duration| time.as_secs_f64();
    ((done, seconds(began.elapsed())), (seconds(redis_now - redis), seconds(ours_now - ours)))
}

/// Each session renews on and on, against an endpoint that costs nothing.
async fn renew(server: &Server, observer: &Observer, size: &Size) {
    let mut sessions = Vec::new();
    let mut stores = Vec::new();
    for _ in 0..STORES {
        stores.push(store(server).await);
    }
    for number in 0..size.renewing {
        let builder = Session::builder(RefreshTokenGrant::stored(trivial_endpoint()));
        let session = builder.store(stores[number % STORES].clone(), key(number)).renewals_per_minute(None);
        let session = session.record(tokens(number, 43)).unwrap().build();
        session.save().await.unwrap();
        sessions.push(session);
    }
    let (over, renewals, failures) =
        (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let mut tasks = JoinSet::new();
    for session in sessions {
        let (over, renewals, failures) = (over.clone(), renewals.clone(), failures.clone());
        tasks.spawn(async move {
            let mut token = session.token().await.unwrap();
            while !over.load(Ordering::Relaxed) {
                match session.renew(token.generation()).await {
                    Ok(new) => {
                        token = new;
                        renewals.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(_) => {
                        failures.fetch_add(1, Ordering::Relaxed);
                        sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
    }
    let ((done, took), (redis, ours)) = during(observer, size, &renewals).await;
    let commands = observer.commands().await;
    over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    println!(
        "\n{} sessions renew through {STORES} stores: {:.0} renewals/s ({:.1} commands each, {} failures). redis-server used {:.2} \
         of a core, the replicas {:.2}: a core of redis-server carries {:.0} renewals/s.",
        size.renewing,
        done / took,
        commands.scripts as f64 / done,
        failures.load(Ordering::Relaxed),
        redis / took,
        ours / took,
        done / redis,
    );
}
