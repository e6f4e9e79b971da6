//! The rules of every token store.

mod messages;
mod races;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret;

use crate::{
    clock,
    error::Error,
    store::{Access, Record, Saved, Spending, StoreKey, TokenStore, Version},
};

const MINUTE: Duration = Duration::from_secs(60);
/// A session gives a store two seconds for each step.
const CLOCKS: Duration = Duration::from_secs(4);

/// A record with all that there is.
const FULL: &str = r#"{
    "format": 1, "epoch": 1, "number": 1, "random": "00000000000000ff",
    "owner": "AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8AAQIDBAUGBwgJCgsMDQ4P", "named": true,
    "created": 1700000000, "used": 1700000001.5,
    "access_tokens": [{"token": "access", "issued_at": 1700000000.25, "expires_at": 1700003600.75},
        {"token": "another", "issued_at": 1700000000, "resource": "https://orders.example", "scope": "read \"a/b\""}],
    "refresh_token": "refresh", "scope": "openid a/b",
    "extra": {"id_token": "e30.e30.", "": "", "quoted\"\\\u0000": "\u0000\"\\\u00e9\ud83d\ude00\r\n"},
    "spending": {"by": "fedcba9876543210", "since": 1700000000, "until": 1700000060},
    "trials": {"worked": true, "sends": [1700000000, 1700000000.125], "refused": {"at": 1700000002, "code": "invalid_grant"},
        "unsure": {"at": 1700000003, "again": 1700000063, "times": 1, "code": "invalid_grant"},
        "refresh_token": {"at": 1700000004, "again": 1700000006, "times": 1}}
}"#;

/// Checks that a store keeps the rules of [`TokenStore`]. `one` and `other` are two handles on the same place, such as two
/// connections to one database; give the same one twice if there is only one. What a store does not know, such as leases, is
/// not asked of it.
///
/// It uses keys of its own with a random part, and leaves their records behind.
///
/// # Errors
/// The first rule that is broken, and what the store did instead.
///
/// # Cancel safety
/// May be dropped at any point.
pub async fn check_store<S: TokenStore>(one: &S, other: &S) -> Result<(), String> {
    let check = Check { one, other, run: fastrand::u64(..) };
    Box::pin(check.contents()).await?;
    Box::pin(check.keys()).await?;
    Box::pin(check.versions()).await?;
    Box::pin(check.marks()).await?;
    Box::pin(check.spending()).await?;
    Box::pin(check.races()).await?;
    Box::pin(check.news()).await?;
    Box::pin(check.leases()).await?;
    Box::pin(check.messages()).await
}

struct Check<'a, S> {
    one: &'a S,
    other: &'a S,
    run: u64,
}

impl<S: TokenStore> Check<'_, S> {
    async fn contents(&self) -> Result<(), String> {
        let key = self.key("contents");
        let rule = "there is nothing under an unknown key";
        self.stands(rule, &key, None).await?;

        let rule = "what was saved is loaded, with everything in it";
        let full = Record { version: version(1, 1), ..Record::from_json(FULL).map_err(|error| error.to_string())? };
        self.saves(rule, &key, &full, None).await?;
        self.stands(rule, &key, Some(&full)).await
    }

    async fn keys(&self) -> Result<(), String> {
        let rule = "keys do not see each other's records";
        let long = "k".repeat(2000);
        let texts: [&[u8]; 9] =
            [b"", b"k", b"K", b"k/", b"../k", b"k\0", b"\xff", "k\u{e9}".as_bytes(), long.as_bytes()];
        let keys = texts.map(|text| StoreKey::new([self.key("keys").as_bytes(), text].concat()));
        for (number, key) in (1..).zip(&keys) {
            self.stands(rule, key, None).await?;
            self.saves(rule, key, &tokens(version(1, number)), None).await?;
        }
        for (number, key) in (1..).zip(&keys) {
            self.stands(rule, key, Some(&tokens(version(1, number)))).await?;
        }
        Ok(())
    }

    async fn versions(&self) -> Result<(), String> {
        let rule = "a record without tokens is saved";
        let key = self.key("a bare record");
        let bare = Record { version: version(1, 2), ..Record::nothing(UNIX_EPOCH) };
        self.saves(rule, &key, &bare, None).await?;
        self.stands(rule, &key, Some(&bare)).await?;

        let key = self.key("versions");
        let [first, second, third] = [1, 2, 3].map(|number| tokens(version(1, number)));
        self.saves("a record is saved under a new key", &key, &first, None).await?;
        let rule = "nothing is written over a record that was not seen";
        self.keeps(rule, &key, &second, None, &first).await?;
        self.saves("a newer record is saved over one that was seen", &key, &second, Some(first.version)).await?;
        let rule = "nothing is written over a record that is newer than what was seen";
        self.keeps(rule, &key, &third, Some(first.version), &second).await?;
        let rule = "of two records with one number the random part says which is newer";
        let twin = tokens(Version::from_parts(1, 2, second.version.random() - 1));
        self.keeps(rule, &key, &third, Some(twin.version), &second).await?;
        let rule = "a store that holds something older than what was seen takes the newer record back";
        self.saves(rule, &key, &third, Some(version(1, 7))).await?;
        let rule = "a later login is saved over one that was seen";
        let login = tokens(version(2, 0));
        self.saves(rule, &key, &login, Some(third.version)).await?;
        self.stands(rule, &key, Some(&login)).await?;
        let rule = "a record that was lost is written again";
        let key = self.key("lost");
        self.saves(rule, &key, &third, Some(second.version)).await?;
        self.stands(rule, &key, Some(&third)).await
    }

    async fn marks(&self) -> Result<(), String> {
        let key = self.key("marks");
        let [first, second, third] = [1, 2, 3].map(|number| tokens(version(1, number)));
        let mark = Record::mark(version(1, 2), clock::wall());
        self.saves("a record is saved under a new key", &key, &first, None).await?;
        let rule = "a logout ends no login that was not seen";
        self.keeps(rule, &key, &mark, None, &first).await?;
        let rule = "the mark of a logout is saved over the record, and stays";
        self.saves(rule, &key, &mark, Some(first.version)).await?;
        self.stands(rule, &key, Some(&mark)).await?;
        let rule = "nothing of a login is written over its logout";
        for record in [&first, &second, &third] {
            for seen in [None, Some(first.version), Some(mark.version), Some(third.version)] {
                self.keeps(rule, &key, record, seen, &mark).await?;
            }
        }
        let rule = "a login after the logout is saved";
        let login = tokens(version(2, 0));
        self.saves(rule, &key, &login, None).await?;
        self.stands(rule, &key, Some(&login)).await
    }

    async fn spending(&self) -> Result<(), String> {
        let key = self.key("spending");
        let now = clock::wall();
        let live = Spending { by: 1, since: now, until: now + 10 * MINUTE };
        let over = Spending { by: 1, since: now - 20 * MINUTE, until: now - 10 * MINUTE };
        let first = tokens(version(1, 1));
        let with = |spending, by| Record { spending: Some(Spending { by, ..spending }), ..first.clone() };
        let seen = Some(first.version);
        let (mine, theirs) = (with(live, 1), with(live, 2));
        self.saves("a record is saved under a new key", &key, &first, None).await?;
        let rule = "a session says that its token request is under way";
        self.saves(rule, &key, &mine, seen).await?;
        let rule = "no token request is begun while another session's is under way";
        self.keeps(rule, &key, &theirs, seen, &mine).await?;
        let rule = "nobody takes back what another session has said of its token request";
        self.keeps(rule, &key, &first, seen, &mine).await?;
        let rule = "a session goes on with its own token request";
        self.saves(rule, &key, &mine, seen).await?;
        let rule = "new tokens are saved while another session's token request is under way";
        self.saves(rule, &key, &tokens(version(1, 2)), seen).await?;
        let key = self.key("spending that is over");
        let rule = "a token request that is over holds nobody up";
        self.saves(rule, &key, &with(over, 1), None).await?;
        self.saves(rule, &key, &theirs, seen).await
    }

    fn key(&self, name: &str) -> StoreKey {
        format!("tower-reauth testing {:016x} {name} ", self.run).into()
    }

    fn who(&self, acted: &S, asked: &S) -> &'static str {
        if std::ptr::eq(acted, asked) { "the same handle" } else { "another handle" }
    }

    async fn saves(&self, rule: &str, key: &StoreKey, record: &Record, seen: Option<Version>) -> Result<(), String> {
        save(rule, self.one, key, record, seen).await
    }

    /// A save that must be turned down, by either handle.
    async fn keeps(
        &self,
        rule: &str,
        key: &StoreKey,
        record: &Record,
        seen: Option<Version>,
        current: &Record,
    ) -> Result<(), String> {
        for store in [self.one, self.other] {
            match answer(rule, store.save(key, record, seen).await)? {
                Saved::Overtaken(told) if is_same(&told, current) => {}
                Saved::Overtaken(told) => {
                    return Err(format!(
                        "{rule}: the save told of {:?} instead of {:?}",
                        told.version, current.version
                    ));
                }
                Saved::Saved => return Err(format!("{rule}: the save said `Saved`")),
            }
        }
        self.stands(rule, key, Some(current)).await
    }

    /// What both handles must find.
    async fn stands(&self, rule: &str, key: &StoreKey, expected: Option<&Record>) -> Result<(), String> {
        for store in [self.one, self.other] {
            match (answer(rule, store.load(key).await)?, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) if is_same(&found, expected) => {}
                (found, expected) => return Err(format!("{rule}: there is {found:?} instead of {expected:?}")),
            }
        }
        Ok(())
    }
}

async fn save<S: TokenStore>(
    rule: &str,
    store: &S,
    key: &StoreKey,
    record: &Record,
    seen: Option<Version>,
) -> Result<(), String> {
    match answer(rule, store.save(key, record, seen).await)? {
        Saved::Saved => Ok(()),
        Saved::Overtaken(told) => Err(format!("{rule}: the save was overtaken by {:?}", told.version)),
    }
}

fn answer<T>(rule: &str, answer: Result<T, Error>) -> Result<T, String> {
    answer.map_err(|error| format!("{rule}: the store failed: {error}"))
}

fn version(epoch: u64, number: u64) -> Version {
    Version::from_parts(epoch, number, 0xff)
}

/// A record of this version, the same each time. All of them are of one length.
fn tokens(version: Version) -> Record {
    let mut record = Record { version, refresh_token: Some("refresh".into()), ..Record::nothing(UNIX_EPOCH) };
    record.access = Some(Access { token: "access".into(), issued_at: UNIX_EPOCH, expires_at: None, bound: false });
    record
}

/// A store that keeps claims on its own clock gives them back late by the time that its commands take.
fn is_same(one: &Record, other: &Record) -> bool {
    let json = |record: &Record| Record { spending: None, ..record.clone() }.to_json();
    let is_near = |one: SystemTime, other: SystemTime| {
        one.duration_since(other).unwrap_or_else(|error| error.duration()) < CLOCKS
    };
    let claims = match (one.spending, other.spending) {
        (Some(one), Some(other)) => {
            one.by == other.by && is_near(one.since, other.since) && is_near(one.until, other.until)
        }
        (one, other) => one == other,
    };
    claims && json(one).expose_secret() == json(other).expose_secret()
}

fn said(saved: &Saved) -> &'static str {
    match saved {
        Saved::Saved => "`Saved`",
        Saved::Overtaken(_) => "`Overtaken`",
    }
}
