//! What stands in Redis: sealed, bound to its place, for as long as it can be of use.

use crate::support::{Heard, Server, alice, at, builder, chain, place, record, store, tokens};
use secrecy::ExposeSecret;
use tower_reauth::{ErrorKind, Record, Saved, StoreKey, StoreSecret, TokenSet, TokenStore, Version};
use tower_reauth_redis::RedisStore;

const DAY: i64 = 24 * 3600;

/// Seconds that the record still lives.
fn life(server: &Server) -> i64 {
    server.cli(&["TTL", &place(&alice())]).parse().unwrap()
}

#[tokio::test]
async fn nothing_secret_stands_in_redis_in_clear() {
    let server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = store(&server).await;
    store.save(&alice(), &record(1), None).await.unwrap();
    let held = server.cli(&["HGETALL", &place(&alice())]);
    let keys = server.cli(&["KEYS", "*"]);
    assert!(held.contains("sealed") && keys.contains("tower-reauth:"), "{keys}: {held}");
    for canary in ["access-canary", "refresh-canary", "alice"] {
        assert!(!held.contains(canary) && !keys.contains(canary), "{canary}: {keys}: {held}");
    }
    assert!(!format!("{store:?} {:?}", builder(server.url())).contains("redis://"));
}

#[tokio::test]
async fn keys_of_encryption_are_replaced_one_after_another() {
    let server = Server::start();
    let [one, two] = [[2; 32], [3; 32]].map(|bytes| move || StoreSecret::from(bytes));
    let with = async |newest: (&'static str, StoreSecret), older: Option<(&'static str, StoreSecret)>| {
        let builder =
            RedisStore::builder(server.url()).naming_key(StoreSecret::from([1; 32])).encrypt_with(newest.0, newest.1);
        let builder = match older {
            Some((id, key)) => builder.older_key(id, key),
            None => builder,
        };
        builder.connect().await.unwrap()
    };
    let old = with(("one", one()), None).await;
    let middle = with(("one", one()), Some(("two", two()))).await;
    let new = with(("two", two()), Some(("one", one()))).await;
    let newest = with(("two", two()), None).await;

    old.save(&alice(), &record(1), None).await.unwrap();
    assert!(new.load(&alice()).await.unwrap().is_some());
    let error = chain(&newest.load(&alice()).await.unwrap_err());
    assert!(error.contains("\"one\"") && error.contains("\"two\""), "{error}");
    new.save(&alice(), &record(2), Some(record(1).version())).await.unwrap();
    for store in [&middle, &newest] {
        assert_eq!(store.load(&alice()).await.unwrap().unwrap().version(), record(2).version());
    }
    let error = chain(&old.load(&alice()).await.unwrap_err());
    assert!(error.contains("\"two\""), "{error}");
}

#[tokio::test]
async fn another_key_of_the_same_id_opens_nothing_and_writes_nothing_over() {
    let server = Server::start();
    let good = store(&server).await;
    good.save(&alice(), &record(1), None).await.unwrap();
    let before = server.cli(&["HGETALL", &place(&alice())]);
    let wrong = RedisStore::builder(server.url())
        .naming_key(StoreSecret::from([1; 32]))
        .encrypt_with("one", StoreSecret::from([9; 32]))
        .connect()
        .await
        .unwrap();
    for error in [
        wrong.load(&alice()).await.unwrap_err(),
        wrong.save(&alice(), &record(2), None).await.unwrap_err(),
        wrong.save(&alice(), &record(2), Some(Version::from_parts(0, 9, 9))).await.unwrap_err(),
        // As a login that is tried again: it has seen nothing but itself.
        wrong.save(&alice(), &record(2), Some(record(2).version())).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Store);
        let said = chain(&error);
        assert!(said.contains(&place(&alice())) && said.contains("another key than the \"one\""), "{said}");
    }
    assert_eq!(server.cli(&["HGETALL", &place(&alice())]), before);

    let stranger = RedisStore::builder(server.url())
        .naming_key(StoreSecret::from([8; 32]))
        .encrypt_with("one", StoreSecret::from([2; 32]))
        .connect()
        .await
        .unwrap();
    assert!(stranger.load(&alice()).await.unwrap().is_none(), "records of another naming key are not found");
}

#[tokio::test]
async fn what_was_changed_or_moved_is_not_used_and_not_written_over() {
    let server = Server::start();
    let store = store(&server).await;
    let bob = StoreKey::from("bob");
    let (mine, his) = (place(&alice()), place(&bob));
    let newer = format!("{:020}{:020}{:020}", 1, 9, 7);
    let plain = record(1).to_json();
    let plain = plain.expose_secret();
    let later = r#"{"format":9,"epoch":1,"number":1,"random":"0000000000000007","created":1}"#;
    let elsewhere = mine.replace("tower-reauth", "staging");
    builder(server.url()).prefix("staging").connect().await.unwrap().save(&alice(), &record(1), None).await.unwrap();
    let cases: [(&[&str], &str); 9] = [
        (&["HSET", &mine, "v", &newer], "changed"),
        (&["HSET", &mine, "m", "1"], "changed"),
        (&["HSET", &mine, "d", "{"], "cut off"),
        (&["HSET", &mine, "d", plain], "not encrypted"),
        (&["HSET", &mine, "d", later], "format"),
        (&["HDEL", &mine, "d"], "cut off"),
        (&["HDEL", &mine, "v"], "something else"),
        (&["COPY", &his, &mine, "REPLACE"], "another key than"),
        (&["COPY", &elsewhere, &mine, "REPLACE"], "another key than"),
    ];
    store.save(&bob, &record(1), None).await.unwrap();
    for (command, expected) in cases {
        server.cli(&["DEL", &mine]);
        store.save(&alice(), &record(1), None).await.unwrap();
        server.cli(command);
        let before = server.cli(&["HGETALL", &mine]);
        let said = chain(&store.load(&alice()).await.unwrap_err());
        assert!(said.contains(&mine) && said.contains(expected), "{command:?}: {said}");
        assert!(!said.contains("canary"), "{said}");
        let later = at(Version::from_parts(9, 0, 1), &record(1));
        for seen in [None, Some(later.version())] {
            let error = store.save(&alice(), &later, seen).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Store, "{command:?}");
        }
        assert_eq!(server.cli(&["HGETALL", &mine]), before, "{command:?}");
    }
}

#[tokio::test]
async fn a_later_login_is_saved_over_what_can_be_read_alone() {
    let server = Server::start();
    let good = store(&server).await;
    good.save(&alice(), &record(1), None).await.unwrap();
    let with_another = RedisStore::builder(server.url())
        .naming_key(StoreSecret::from([1; 32]))
        .encrypt_with("two", StoreSecret::from([3; 32]));
    let bad = with_another.connect().await.unwrap();
    let login = at(Version::from_parts(9, 0, 1), &record(1));
    let said = chain(&bad.save(&alice(), &login, Some(login.version())).await.unwrap_err());
    assert!(said.contains("not written over") && said.contains("\"one\""), "{said}");
    assert_eq!(good.load(&alice()).await.unwrap().unwrap().version(), record(1).version());
    assert!(matches!(good.save(&alice(), &login, Some(login.version())).await.unwrap(), Saved::Saved));
    assert_eq!(good.load(&alice()).await.unwrap().unwrap().version(), login.version());
}

#[tokio::test]
async fn a_record_lives_thirty_days_from_each_save_where_nobody_knows_better() {
    let server = Server::start();
    let store = store(&server).await;
    let seen = Some(record(1).version());
    store.save(&alice(), &record(1), None).await.unwrap();
    assert!((30 * DAY - 60..=30 * DAY).contains(&life(&server)));
    server.cli(&["EXPIRE", &place(&alice()), "100"]);
    store.save(&alice(), &record(1), seen).await.unwrap();
    assert!((30 * DAY - 60..=30 * DAY).contains(&life(&server)), "it slides with each save");
}

#[tokio::test]
async fn a_record_lives_as_long_as_its_refresh_token_where_the_server_says_so() {
    let server = Server::start();
    let store = store(&server).await;
    for (name, said, expected) in [
        ("refresh_token_expires_in", "7200", 7200),
        ("refresh_expires_in", "1800", 3600),
        ("refresh_expires_in", "0", 30 * DAY),
        ("refresh_expires_in", "soon", 30 * DAY),
    ] {
        server.cli(&["FLUSHALL"]);
        let json = Record::new(tokens().with_lifetime(std::time::Duration::from_secs(3600))).to_json();
        let json = json.expose_secret().strip_suffix('}').unwrap().to_owned();
        let record = Record::from_json(&format!(r#"{json},"extra":{{"{name}":"{said}"}}}}"#)).unwrap();
        let first = at(Version::from_parts(1, 1, 1), &record);
        store.save(&alice(), &first, None).await.unwrap();
        assert!((expected - 60..=expected).contains(&life(&server)), "{name} {said}: {}", life(&server));
        if expected == 7200 {
            server.cli(&["EXPIRE", &place(&alice()), "5000"]);
            store.save(&alice(), &first, Some(first.version())).await.unwrap();
            assert!(life(&server) <= 5000, "its life counts from when the token came");
            let second = at(Version::from_parts(1, 2, 1), &record);
            store.save(&alice(), &second, Some(first.version())).await.unwrap();
            assert!(life(&server) > 5000, "a new token lives anew");
        }
    }
}

#[tokio::test]
async fn a_record_outlives_the_claim_on_it() {
    let server = Server::start();
    let store = store(&server).await;
    let json = record(1).to_json();
    let json = json.expose_secret().strip_suffix('}').unwrap().to_owned();
    let short = Record::from_json(&format!(r#"{json},"extra":{{"refresh_expires_in":"2"}}}}"#)).unwrap();
    store.save(&alice(), &short, None).await.unwrap();
    assert!(life(&server) <= 2);
    let claim = tower_reauth::Claim::new(7, 0, 60_000);
    let claimed = short.clone().with_claim(Some(claim), std::time::SystemTime::now());
    store.save(&alice(), &claimed, Some(short.version())).await.unwrap();
    assert!((60..=120).contains(&life(&server)), "{}", life(&server));
}

#[tokio::test]
async fn claims_are_kept_on_the_clock_of_redis() {
    let server = Server::start();
    let store = store(&server).await;
    let now = std::time::SystemTime::now();
    let claim = tower_reauth::Claim::new(7, -1_000, 60_000);
    let claimed = record(1).with_claim(Some(claim), now);
    store.save(&alice(), &claimed, None).await.unwrap();
    let found = store.load(&alice()).await.unwrap().unwrap().claim(std::time::SystemTime::now()).unwrap();
    assert_eq!(found.by, 7);
    assert!((found.until - 60_000).abs() < 5_000 && (found.since + 1_000).abs() < 5_000, "{found:?}");
    let [since, until] = ["s", "u"].map(|field| server.cli(&["HGET", &place(&alice()), field]).parse::<i64>().unwrap());
    assert!((until - since - 61_000).abs() < 5, "{since} {until}");
    let time = server.cli(&["TIME"]).lines().next().unwrap().parse::<i64>().unwrap() * 1000;
    assert!((until - time - 60_000).abs() < 5_000);
}

#[tokio::test]
async fn a_long_lived_access_token_is_kept_until_its_end() {
    let server = Server::start();
    let store = store(&server).await;
    let tokens = TokenSet::new("access").unwrap().with_lifetime(std::time::Duration::from_secs(60 * DAY as u64));
    store.save(&alice(), &Record::new(tokens), None).await.unwrap();
    assert!((60 * DAY - 60..=60 * DAY).contains(&life(&server)));
}

#[tokio::test]
async fn a_record_of_a_token_without_an_end_lives_as_long_as_redis_can_count() {
    let server = Server::start();
    let store = store(&server).await;
    // The second is what WSO2 says.
    for seconds in [1_u64 << 40, 9_223_372_036_854_775, u64::MAX] {
        let tokens = TokenSet::new("access").unwrap().with_lifetime(std::time::Duration::from_secs(seconds));
        let record = at(Version::from_parts(seconds, 1, 7), &Record::new(tokens));
        assert!(matches!(store.save(&alice(), &record, Some(record.version())).await.unwrap(), Saved::Saved));
        assert!(life(&server) >= 30 * DAY);
    }
}

#[tokio::test]
async fn the_mark_of_a_logout_outlives_the_record() {
    let server = Server::start();
    let store = store(&server).await;
    let mark = r#"{"format":1,"epoch":1,"number":2,"random":"0000000000000001","created":1,"logged_out":true}"#;
    let mark = Record::from_json(mark).unwrap();
    for (before, expected) in [(100, 90 * DAY), (400 * DAY, 400 * DAY)] {
        server.cli(&["FLUSHALL"]);
        store.save(&alice(), &record(1), None).await.unwrap();
        server.cli(&["EXPIRE", &place(&alice()), &before.to_string()]);
        assert!(matches!(store.save(&alice(), &mark, Some(record(1).version())).await.unwrap(), Saved::Saved));
        assert!((expected - 60..=expected).contains(&life(&server)), "{before}");
        assert!(store.load(&alice()).await.unwrap().unwrap().is_logged_out());
    }
}

#[tokio::test]
async fn what_has_expired_is_gone_for_all() {
    let server = Server::start();
    let store = store(&server).await;
    store.save(&alice(), &record(1), None).await.unwrap();
    server.cli(&["PEXPIRE", &place(&alice()), "1"]);
    crate::support::until("it has expired", async || store.load(&alice()).await.unwrap().is_none()).await;
    assert!(store.changed(&alice(), Some(record(1).version())).await.unwrap());
    assert!(!store.changed(&alice(), None).await.unwrap());
}

#[tokio::test]
async fn a_save_whose_answer_was_lost_is_not_overtaken_by_itself() {
    let server = Server::start();
    let store = store(&server).await;
    let heard = Heard::default();
    let _listening = heard.listen(&store, &alice()).await;
    store.save(&alice(), &record(1), None).await.unwrap();
    heard.until("the save is heard", |news| news.len() == 1).await;
    // The last script that ran, once more, as it is sent again by a connection that broke.
    let place = place(&alice());
    let sealed = server.cli(&["HGET", &place, "d"]);
    let version = server.cli(&["HGET", &place, "v"]);
    let code = include_str!("../src/save.lua");
    let channel = format!("{place}:news");
    let again = |seen: &str| {
        let fixed = [
            "EVAL", code, "2", &place, &channel, seen, &version, "", "1", &sealed, "", "", "", "1000", "", "PUBLISH",
            "",
        ];
        server.cli(&fixed)
    };
    assert_eq!(again(""), "1");
}
