//! The JSON form of any record and of any text.

use std::ops::RangeInclusive;

use proptest::{collection, option, prelude::*};

use super::*;
use crate::{
    context::Wish,
    store::{
        owner::{HASH, Owner, SALT},
        record::Access,
    },
    token::Details,
};

/// To the millisecond, until the year 9999.
fn times() -> impl Strategy<Value = SystemTime> {
    const ALL: RangeInclusive<u64> = 0..=253_402_300_799_999;
    prop_oneof![ALL, 1_700_000_000_000..=1_800_000_000_000_u64].prop_map(at)
}

fn secrets() -> impl Strategy<Value = SecretString> {
    any::<String>().prop_map(Into::into)
}

fn boxed() -> impl Strategy<Value = Box<str>> {
    any::<String>().prop_map(Into::into)
}

prop_compose! {
    fn records()(
        version in any::<[u64; 3]>(),
        owner in option::of(any::<([u8; SALT], [u8; HASH], bool)>()),
        (dpop, bound) in (option::of(boxed()), any::<bool>()),
        (created, used) in (times(), times()),
        access in option::of((secrets(), times(), option::of(times()))),
        granted in collection::vec((option::of(boxed()), boxed(), secrets(), times(), option::of(times())), 0..20),
        refresh_token in option::of(secrets()),
        scope in option::of(boxed()),
        extra in collection::btree_map(boxed(), secrets(), 0..40),
        spending in option::of((any::<u64>(), times(), times())),
        (worked, sends) in (any::<bool>(), collection::vec(times(), 0..100)),
        refused in option::of((times(), option::of(boxed()))),
        unsure in [unsure(), unsure()],
    ) -> Record {
        let [doubted, refresh_token_doubted] = unsure;
        Record {
            version: Version::from_parts(version[0], version[1], version[2]),
            dpop,
            owner: owner.map(|(salt, hash, named)| Owner { salt, hash, named }),
            created,
            used,
            logged_out: false,
            access: access.map(|(token, issued_at, expires_at)| Access { token, issued_at, expires_at, bound }),
            granted: granted
                .into_iter()
                .map(|(resource, scope, token, issued_at, expires_at)| {
                    (Wish { resource, scope: Some(scope) }, Access { token, issued_at, expires_at, bound })
                })
                .collect(),
            refresh_token,
            details: Details::new(scope, extra),
            spending: spending.map(|(by, since, until)| Spending { by, since, until }),
            trials: Trials {
                worked,
                sends,
                refused: refused.map(|(at, code)| Refused { at, code }),
                unsure: doubted,
                refresh_token: refresh_token_doubted,
            },
        }
    }
}

fn unsure() -> impl Strategy<Value = Option<Box<Unsure>>> {
    option::of((times(), times(), any::<u32>(), option::of(boxed())))
        .prop_map(|unsure| unsure.map(|(at, again, times, code)| Box::new(Unsure { at, again, times, code })))
}

fn extras(record: &Record) -> Vec<(String, String)> {
    record.details.extras().map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned())).collect()
}

fn granted(record: &Record) -> Vec<(Wish, String, SystemTime, Option<SystemTime>)> {
    let token = |access: &Access| access.token.expose_secret().to_owned();
    let all = record.granted.iter();
    all.map(|(wish, access)| (wish.clone(), token(access), access.issued_at, access.expires_at)).collect()
}

fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(record in records()) {
        let again = Record::from_json(&text(&record)).unwrap();
        prop_assert_eq!(again.version, record.version);
        prop_assert!(again.owner == record.owner);
        prop_assert_eq!(&again.dpop, &record.dpop);
        let bound = |record: &Record| -> Vec<bool> {
            let granted = record.granted.iter().map(|(_, access)| access);
            record.access.iter().chain(granted).map(|access| access.bound).collect()
        };
        prop_assert_eq!(bound(&again), bound(&record));
        prop_assert_eq!((again.created, again.used), (record.created, record.used));
        prop_assert_eq!(exposed(again.access_token()), exposed(record.access_token()));
        let times = |record: &Record| record.access.as_ref().map(|access| (access.issued_at, access.expires_at));
        prop_assert_eq!(times(&again), times(&record));
        prop_assert_eq!(granted(&again), granted(&record));
        prop_assert_eq!(exposed(again.refresh_token()), exposed(record.refresh_token()));
        prop_assert_eq!(again.scope(), record.scope());
        prop_assert_eq!(extras(&again), extras(&record));
        prop_assert_eq!(again.spending, record.spending);
        prop_assert_eq!(again.trials, record.trials);
    }

    #[test]
    fn claim_that_is_kept_as_a_distance_from_now_comes_back(record in records(), now in times(), nanos in 0..1_000_000_u64) {
        let now = now + std::time::Duration::from_nanos(nanos);
        let again = record.clone().with_claim(record.claim(now), now);
        prop_assert_eq!(text(&again), text(&record));
        let bare = record.with_claim(None, now);
        prop_assert!(bare.claim(now).is_none());
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), start in 0..FULL.len(), length in 0..40_usize) {
        let _ = Record::from_json(&text);
        // A good text with something else in its midst.
        let end = (start + length).min(FULL.len());
        let _ = Record::from_json(&format!("{}{text}{}", &FULL[..start], &FULL[end..]));
    }

    #[test]
    fn mark_keeps_its_version_and_its_time(version in any::<[u64; 3]>(), now in times()) {
        let version = Version::from_parts(version[0], version[1], version[2]);
        let again = Record::from_json(&text(&Record::mark(version, now))).unwrap();
        prop_assert!(again.is_logged_out());
        prop_assert_eq!((again.version, again.created), (version, now));
    }
}

/// A buffer that grows leaves a copy behind that nobody wipes: see the assertion in `to_json`.
#[test]
fn buffer_is_large_enough_for_many_small_members() {
    let extra = (0..2000).map(|number| (format!("{number:x}").into(), "".into())).collect();
    text(&Record { details: Details::new(None, extra), ..Record::nothing(UNIX_EPOCH) });
}
