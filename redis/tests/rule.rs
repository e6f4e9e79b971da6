//! The script that saves decides as `Record::may_replace` does.

use std::time::SystemTime;

use crate::support::{Server, store};
use futures_util::future::join_all;
use tower_reauth::{Claim, Record, Saved, StoreKey, TokenStore, Version};

const CASES: usize = 6400;
const AT_ONCE: usize = 64;

/// Near enough to each other that all orders come up. The largest ones cannot be told apart as floating-point numbers.
const PARTS: [u64; 5] = [0, 1, 2, u64::MAX - 1, u64::MAX];
/// Milliseconds from now. No two are so near that the time that a command takes matters.
const TIMES: [i64; 10] = [-600_000, -90_000, -70_000, -30_000, -30_000, 30_000, 30_000, 50_000, 70_000, 600_000];
const TOKENS: [&str; 3] = [
    "",
    r#","access_tokens":[{"token":"own","issued_at":1700000000}]"#,
    r#","access_tokens":[{"token":"another","issued_at":1700000000,"scope":"orders"}]"#,
];

#[tokio::test]
async fn the_script_decides_as_the_rule_does() {
    let server = Server::start();
    let store = store(&server).await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut outcomes = [0; 2];
    for batch in 0..CASES / AT_ONCE {
        let cases = (0..AT_ONCE).map(|case| {
            let now = SystemTime::now();
            let current = any_record(&mut random, now);
            let record = any_record(&mut random, now);
            let seen = [None, Some(current.version()), Some(record.version()), Some(any_version(&mut random))];
            let seen = random.choice(seen).flatten();
            let key = StoreKey::from(format!("{seed} {batch} {case}"));
            let store = &store;
            async move {
                assert!(matches!(store.save(&key, &current, None).await.unwrap(), Saved::Saved));
                let saved = matches!(store.save(&key, &record, seen).await.unwrap(), Saved::Saved);
                let expected = record.may_replace(&current, seen, now);
                let claims = (record.claim(now), current.claim(now));
                assert_eq!(
                    saved, expected,
                    "seed {seed}: {record:?} over {current:?}, seen {seen:?}, claims {claims:?}"
                );
                saved
            }
        });
        for saved in join_all(cases.collect::<Vec<_>>()).await {
            outcomes[usize::from(saved)] += 1;
        }
    }
    assert!(outcomes.iter().all(|count| *count > CASES / 10), "both outcomes come up often enough: {outcomes:?}");
}

fn any_record(random: &mut fastrand::Rng, now: SystemTime) -> Record {
    let version = any_version(random);
    let (epoch, number, last) = (version.epoch(), version.number(), version.random());
    let mark = if random.u8(..4) == 0 { r#","logged_out":true"# } else { "" };
    let tokens = if mark.is_empty() { random.choice(TOKENS).unwrap() } else { "" };
    let json = format!(
        r#"{{"format":1,"epoch":{epoch},"number":{number},"random":"{last:016x}","created":1700000000{mark}{tokens}}}"#
    );
    let claim = random.bool().then(|| {
        let mut time = || random.choice(TIMES).unwrap();
        let (since, until) = (time(), time());
        Claim::new(random.u64(1..=2), since, until)
    });
    Record::from_json(&json).unwrap().with_claim(claim, now)
}

fn any_version(random: &mut fastrand::Rng) -> Version {
    let mut part = |few: usize| PARTS[random.usize(..few)];
    let epoch = part(3);
    Version::from_parts(epoch, part(5), part(5))
}
