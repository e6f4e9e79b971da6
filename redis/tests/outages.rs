//! Redis stops, pauses, forgets and comes back.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime},
};

use tower_reauth::{Claim, Ear, ErrorKind, Leased, News, Saved, TokenStore};

use crate::support::{BOUND, Heard, Server, alice, builder, chain, record, store, until};

/// A session gives a store two seconds for each step, on a machine that has time.
const STEP: Duration = Duration::from_secs(6);

#[tokio::test]
async fn commands_work_again_as_soon_as_redis_does() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = store(&server).await;
    store.save(&alice(), &record(1), None).await.unwrap();
    for round in 1..=3 {
        server.kill();
        for _ in 0..3 {
            let began = Instant::now();
            let error = store.load(&alice()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Store);
            assert!(began.elapsed() < STEP, "it took {:?}", began.elapsed());
            let said = chain(&error);
            assert!(said.starts_with("could not load a record: ") && !said.contains("redis://"), "{said}");
        }
        server.restart();
        // The very first command: no attempt of before is told of.
        let found = store.load(&alice()).await.unwrap().unwrap();
        assert_eq!(found.version(), record(round).version());
        let next = record(round + 1);
        assert!(matches!(store.save(&alice(), &next, Some(found.version())).await.unwrap(), Saved::Saved));
    }
}

#[tokio::test]
async fn a_connection_that_was_cut_is_not_noticed() {
    let server = Server::start();
    let store = store(&server).await;
    for round in 1..=5 {
        server.cut();
        let seen = (round > 1).then(|| record(round - 1).version());
        assert!(matches!(store.save(&alice(), &record(round), seen).await.unwrap(), Saved::Saved));
        server.cut();
        assert!(!store.changed(&alice(), Some(record(round).version())).await.unwrap());
        server.cut();
        assert!(matches!(store.lease(&alice()).await.unwrap(), Leased::Held(_)));
    }
}

#[tokio::test]
async fn nothing_waits_longer_than_its_bound_for_a_redis_that_does_not_answer() {
    let server = Server::start();
    let store = store(&server).await;
    server.pause();
    let began = Instant::now();
    let (alice, first) = (alice(), record(1));
    let (load, save, lease, changed, ask) = tokio::join!(
        store.load(&alice),
        store.save(&alice, &first, None),
        store.lease(&alice),
        store.changed(&alice, None),
        store.ask(&alice, first.version()),
    );
    assert!(began.elapsed() < STEP, "it took {:?}", began.elapsed());
    for error in [load.unwrap_err(), save.unwrap_err(), lease.unwrap_err(), changed.unwrap_err(), ask.unwrap_err()] {
        assert!(chain(&error).contains("not answer"), "{}", chain(&error));
    }
    let began = Instant::now();
    let error = builder(server.url()).connect().await.unwrap_err();
    assert!(began.elapsed() < STEP && chain(&error).contains("not answer"), "{}", chain(&error));
    server.resume();
    until("it answers again", async || store.load(&alice).await.is_ok()).await;
    until("the lease that may have been taken is free", async || {
        matches!(store.lease(&alice).await, Ok(Leased::Held(_)))
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_seemed_to_fail_does_not_hold_up_the_others() {
    let server = Server::start();
    let store = store(&server).await;
    store.save(&alice(), &record(1), None).await.unwrap();
    let version = store.load(&alice()).await.unwrap().unwrap().version();
    let claimed = || record(1).with_claim(Some(Claim::new(7, 0, 120_000)), SystemTime::now());
    let claim = async || store.load(&alice()).await.unwrap().unwrap().claim(SystemTime::now());
    server.pause();
    store.save(&alice(), &claimed(), Some(version)).await.unwrap_err();
    server.resume();
    until("the store works", async || store.load(&alice()).await.is_ok()).await;
    assert_eq!(claim().await, None);
    store.save(&alice(), &claimed(), Some(version)).await.unwrap();
    assert!(claim().await.is_some(), "one that comes in time is written");
}

#[tokio::test]
async fn a_claim_is_sent_again_to_a_server_whose_clock_says_that_it_is_too_late() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = builder(format!("redis://{}", listener.local_addr().unwrap())).connect_lazily().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 65536];
        for answer in ["*2\r\n$13\r\n4102444800000\r\n$4\r\nlate\r\n", "*1\r\n$1\r\n1\r\n"] {
            let length = stream.read(&mut bytes).unwrap();
            let first = answer.starts_with("*2");
            assert_eq!(String::from_utf8_lossy(&bytes[..length]).contains("\n41024448"), !first);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let claimed = record(1).with_claim(Some(Claim::new(7, 0, 120_000)), SystemTime::now());
    assert!(matches!(store.save(&alice(), &claimed, Some(record(1).version())).await.unwrap(), Saved::Saved));
    server.join().unwrap();
}

#[tokio::test]
async fn a_store_is_set_up_while_redis_is_down() {
    let mut server = Server::start();
    server.kill();
    let error = builder(server.url()).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(chain(&error).contains("nothing listens"), "{}", chain(&error));
    let store = builder(server.url()).connect_lazily().unwrap();
    let heard = Heard::default();
    let _listening = heard.begin(&store, &alice());
    assert!(store.load(&alice()).await.is_err());
    server.restart();
    store.save(&alice(), &record(1), None).await.unwrap();
    heard.until("it listens", |news| news.contains(&News::Free)).await;
}

#[tokio::test]
async fn a_password_that_was_refused_once_is_tried_again_when_redis_knows_it() {
    let server = Server::start_with(&["--requirepass", "other"]);
    let store = builder(format!("redis://:right@127.0.0.1:{}", server.port)).connect_lazily().unwrap();
    store.load(&alice()).await.unwrap_err();
    assert_eq!(server.cli(&["-a", "other", "--no-auth-warning", "CONFIG", "SET", "requirepass", "right"]), "OK");
    until("the store works", async || store.load(&alice()).await.is_ok()).await;
}

#[tokio::test]
async fn news_are_heard_again_after_every_kind_of_loss() {
    let mut server = Server::start();
    let (one, other) = (store(&server).await, store(&server).await);
    let heard = Heard::default();
    let _listening = heard.listen(&other, &alice()).await;
    for round in 0..3 {
        match round {
            0 => server.cut(),
            1 => server.restart(),
            _ => {
                server.kill();
                assert!(other.load(&alice()).await.is_err());
                server.restart();
            }
        }
        heard.until("the ear is told that it listens again", |news| news == [News::Missed]).await;
        heard.forget();
        assert!(one.ask(&alice(), record(1).version()).await.unwrap());
        heard.until("news are heard again", |news| news == [News::Wanted(record(1).version())]).await;
        heard.forget();
    }
}

#[tokio::test]
async fn ten_thousand_keys_are_listened_to_by_one_connection() {
    let server = Server::start();
    let (one, other) = (store(&server).await, store(&server).await);
    let heard = Heard::default();
    let keys = (0..10_000).map(|number| format!("user {number}").into()).collect::<Vec<_>>();
    let began = Instant::now();
    let listening = keys.iter().map(|key| heard.begin(&other, key)).collect::<Vec<_>>();
    heard.until("all listen", |news| news.len() == keys.len()).await;
    assert!(began.elapsed() < BOUND);
    heard.forget();
    one.save(&keys[9_999], &record(1), None).await.unwrap();
    heard.until("a save is heard", |news| news == [News::Saved(record(1).version())]).await;
    let subscribers = || server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).lines().count();
    assert_eq!(subscribers(), 1);
    let channels =
        || server.cli(&["PUBSUB", "CHANNELS", "tower-reauth:*"]).lines().filter(|line| !line.is_empty()).count();
    assert_eq!(channels(), keys.len());
    drop(listening);
    until("nothing is subscribed to", async || channels() == 0).await;
}

#[tokio::test]
async fn after_a_loss_sessions_are_told_to_look_in_portions() {
    let server = Server::start();
    let store = store(&server).await;
    let times = Arc::new(Mutex::new(Vec::new()));
    let ear = || {
        let times = Arc::clone(&times);
        Ear::new(move |news| times.lock().unwrap().push((news, Instant::now())))
    };
    let listening = (0..2_000).map(|number| store.listen(&format!("user {number}").into(), ear())).collect::<Vec<_>>();
    let all = |expected: News| {
        let times = times.lock().unwrap();
        times.iter().filter(|(news, _)| *news == expected).map(|(_, time)| *time).collect::<Vec<_>>()
    };
    until("all listen", async || all(News::Free).len() == listening.len()).await;
    assert!(all(News::Missed).is_empty(), "who has just begun to listen has just looked");
    server.cut();
    until("all are told", async || all(News::Missed).len() == listening.len()).await;
    let told = all(News::Missed);
    for (at, later) in told.iter().zip(&told[500..]) {
        assert!(later.duration_since(*at) >= Duration::from_millis(50), "more than 500 at once");
    }
}

#[tokio::test]
async fn an_engine_that_lost_its_newest_writes_takes_them_back() {
    let mut master = Server::start();
    let replica = master.replica();
    let store_of_master = store(&master).await;
    store_of_master.save(&alice(), &record(1), None).await.unwrap();
    crate::support::wait("the replica has the record", || replica.cli(&["DBSIZE"]) == "1");
    // The replica hears nothing more.
    replica.promote();
    store_of_master.save(&alice(), &record(2), Some(record(1).version())).await.unwrap();
    master.kill();

    let after = store(&replica).await;
    assert_eq!(after.load(&alice()).await.unwrap().unwrap().version(), record(1).version(), "the newest write is lost");
    assert!(after.changed(&alice(), Some(record(2).version())).await.unwrap());
    // Whoever knows the newer pair writes it back.
    assert!(matches!(after.save(&alice(), &record(2), Some(record(2).version())).await.unwrap(), Saved::Saved));
    // Whoever knows the older one only is overtaken.
    let outcome = after.save(&alice(), &record(1), Some(record(1).version())).await.unwrap();
    assert!(matches!(outcome, Saved::Overtaken(told) if told.version() == record(2).version()));
}
