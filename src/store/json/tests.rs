//! Tests of the JSON form.

mod properties;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret;

use super::*;
use crate::{
    error::ErrorKind,
    store::{
        claim::Spending,
        trials::{Refused, Trials, Unsure},
        version::Version,
    },
};

/// Written by the first release. These texts never change; a new member gets a text of its own.
const FULL: &str = concat!(
    r#"{"format":1,"epoch":1700000000123,"number":7,"random":"00000000000000ff","#,
    r#""owner":"AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8AAQIDBAUGBwgJCgsMDQ4P","named":true,"#,
    r#""created":1700000000.123,"used":1700000001.5,"#,
    r#""access_tokens":[{"token":"access-s3cret","issued_at":1700000000.25,"expires_at":1700003600.75}],"#,
    r#""refresh_token":"refresh-s3cret","scope":"openid \"a\"","#,
    r#""extra":{"id_token":"extra-s3cret","mac":"extra-s3cret"},"#,
    r#""spending":{"by":"fedcba9876543210","since":1700000000.0,"until":1700000060.0},"#,
    r#""trials":{"worked":true,"sends":[1700000000.0,1700000000.125],"refused":{"at":1700000002.0,"code":"invalid_grant"}}}"#,
);
const BARE: &str = concat!(
    r#"{"format":1,"epoch":0,"number":0,"random":"0000000000000000","created":0.0,"used":0.0,"#,
    r#""access_tokens":[{"token":"access-s3cret","issued_at":0.0}]}"#,
);
/// Of credentials that were refused and are sent again to make sure.
const UNSURE: &str = concat!(
    r#"{"format":1,"epoch":0,"number":0,"random":"0000000000000000","created":0.0,"used":0.0,"refresh_token":"refresh-s3cret","#,
    r#""trials":{"worked":true,"sends":[],"unsure":{"at":1700000000.0,"again":1700000060.0,"times":1,"code":"invalid_grant"},"#,
    r#""refresh_token":{"at":1700000001.0,"again":1700000003.0,"times":2}}}"#,
);
/// Of a login with derived sessions, whose own token nobody has asked for.
const DERIVED: &str = concat!(
    r#"{"format":1,"epoch":1,"number":1,"random":"0000000000000000","created":0.0,"used":0.0,"access_tokens":["#,
    r#"{"token":"one-s3cret","issued_at":0.0,"expires_at":60.5,"resource":"https://orders.example"},"#,
    r#"{"token":"two-s3cret","issued_at":0.0,"resource":"https://orders.example","scope":"read \"all\""},"#,
    r#"{"token":"three-s3cret","issued_at":0.0,"scope":"write"}],"refresh_token":"refresh-s3cret"}"#,
);
/// Of tokens that are bound to a key, and one that is not.
const BOUND: &str = concat!(
    r#"{"format":2,"epoch":1,"number":1,"random":"0000000000000000","dpop":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I","#,
    r#""created":0.0,"used":0.0,"access_tokens":[{"token":"one-s3cret","issued_at":0.0,"token_type":"DPoP"},"#,
    r#"{"token":"two-s3cret","issued_at":0.0,"scope":"write"}],"refresh_token":"refresh-s3cret"}"#,
);
const MARK: &str = concat!(
    r#"{"format":1,"epoch":18446744073709551615,"number":18446744073709551615,"random":"ffffffffffffffff","#,
    r#""created":1700000000.0,"used":1700000000.0,"logged_out":true}"#,
);

fn at(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds)
}

fn text(record: &Record) -> String {
    record.to_json().expose_secret().to_owned()
}

/// The error of a text that is no record. It tells nothing of the text.
fn error(text: &str) -> String {
    let error = Record::from_json(text).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Store);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    error.to_string()
}

#[test]
fn what_the_first_release_wrote_is_read() {
    let record = Record::from_json(FULL).unwrap();
    assert_eq!(record.version(), Version::from_parts(1_700_000_000_123, 7, 0xff));
    let owner = record.owner.as_ref().unwrap();
    let bytes: Vec<u8> = (0..16).collect();
    assert_eq!((&owner.salt[..], &owner.hash[..16], &owner.hash[16..]), (&*bytes, &*bytes, &*bytes));
    assert!(owner.named);
    assert_eq!((record.created(), record.last_used()), (at(1_700_000_000_123), at(1_700_000_001_500)));
    assert!(!record.is_logged_out());
    assert_eq!(record.access_token().unwrap().expose_secret(), "access-s3cret");
    assert_eq!(record.access.as_ref().unwrap().issued_at, at(1_700_000_000_250));
    assert_eq!(record.expires_at(), Some(at(1_700_003_600_750)));
    assert_eq!(record.refresh_token().unwrap().expose_secret(), "refresh-s3cret");
    assert_eq!(record.scope(), Some("openid \"a\""));
    for name in ["id_token", "mac"] {
        assert_eq!(record.extra(name).unwrap().expose_secret(), "extra-s3cret");
    }
    assert_eq!(record.details.names().count(), 2);
    let by = 0xfedc_ba98_7654_3210;
    assert_eq!(record.spending, Some(Spending { by, since: at(1_700_000_000_000), until: at(1_700_000_060_000) }));
    let sends = vec![at(1_700_000_000_000), at(1_700_000_000_125)];
    let refused = Some(Refused { at: at(1_700_000_002_000), code: Some("invalid_grant".into()) });
    assert_eq!(record.trials, Trials { worked: true, sends, refused, ..Trials::default() });

    let unsure = Record::from_json(UNSURE).unwrap();
    assert_eq!(text(&unsure), UNSURE);
    let doubt = Unsure { at: at(1_700_000_001_000), again: at(1_700_000_003_000), times: 2, code: None };
    assert_eq!(unsure.trials.refresh_token.as_deref(), Some(&doubt));
    assert_eq!(unsure.trials.unsure.unwrap().code.as_deref(), Some("invalid_grant"));

    let derived = Record::from_json(DERIVED).unwrap();
    assert!(derived.access_token().is_none());
    let granted: Vec<_> = derived
        .granted
        .iter()
        .map(|(wish, access)| {
            (wish.resource.as_deref(), wish.scope.as_deref(), access.token.expose_secret(), access.expires_at)
        })
        .collect();
    let orders = Some("https://orders.example");
    assert_eq!(
        granted,
        [
            (orders, None, "one-s3cret", Some(at(60_500))),
            (orders, Some("read \"all\""), "two-s3cret", None),
            (None, Some("write"), "three-s3cret", None),
        ]
    );

    let mark = Record::from_json(MARK).unwrap();
    assert!(mark.is_logged_out() && mark.access_token().is_none() && mark.refresh_token().is_none());
    assert_eq!(mark.version(), Version::from_parts(u64::MAX, u64::MAX, u64::MAX));

    let bare = Record::from_json(BARE).unwrap();
    assert_eq!((bare.expires_at(), bare.scope(), bare.spending), (None, None, None));
    assert!(bare.owner.is_none() && bare.refresh_token().is_none() && bare.trials.is_empty());
}

#[test]
fn what_is_written_is_what_the_first_release_wrote() {
    for fixture in [FULL, BARE, DERIVED, BOUND, MARK] {
        assert_eq!(text(&Record::from_json(fixture).unwrap()), fixture);
    }
}

#[test]
fn text_that_is_cut_off_anywhere_is_an_error() {
    for fixture in [FULL, BARE, DERIVED, BOUND, MARK] {
        for end in 0..fixture.len() {
            assert!(error(&fixture[..end]).contains("cut off"));
        }
    }
}

#[test]
fn member_of_another_type_is_an_error_that_names_it() {
    for (good, bad, name) in [
        (r#""epoch":1700000000123"#, r#""epoch":"s3cret""#, "`epoch`"),
        (r#""epoch":1700000000123"#, r#""epoch":-1"#, "`epoch`"),
        (r#""epoch":1700000000123,"#, "", "`epoch`"),
        (r#""number":7"#, r#""number":18446744073709551616"#, "`number`"),
        (r#""number":7"#, r#""number":null"#, "`number`"),
        (r#""00000000000000ff""#, r#""s3cret""#, "`random`"),
        (r#""00000000000000ff""#, "255", "`random`"),
        ("\"AAECAw", "\"s3cret!", "`owner`"),
        ("\"AAECAw", "\"AAEC", "`owner`"),
        (r#""named":true"#, r#""named":1"#, "`named`"),
        ("1700000000.123", "-1", "`created`"),
        ("1700000000.123", "1e300", "`created`"),
        ("1700000000.123", "1e19", "`created`"),
        (r#""created":1700000000.123,"#, "", "`created`"),
        ("1700000001.5", r#""s3cret""#, "`used`"),
        (r#"[{"token":"access-s3cret""#, r#"["s3cret",{"token":"access-s3cret""#, "`access_tokens`"),
        (r#"{"token":"access-s3cret","#, "{", "`access_tokens`"),
        (r#""access-s3cret""#, "{}", "`token`"),
        ("1700003600.75", "[]", "`expires_at`"),
        (r#""refresh-s3cret""#, r#"["s3cret"]"#, "`refresh_token`"),
        (r#""openid \"a\"""#, "3", "`scope`"),
        (r#""id_token":"extra-s3cret""#, r#""s3cret":7"#, "`extra`"),
        (r#""fedcba9876543210""#, r#""s3cret""#, "`by`"),
        (r#""until":1700000060.0"#, r#""later":0"#, "`spending`"),
        ("[1700000000.0,", "[-7,", "`trials`"),
        (r#""code":"invalid_grant""#, r#""code":{}"#, "`code`"),
        (r#""at":1700000002.0"#, r#""ta":1700000002.0"#, "`trials`"),
    ] {
        let changed = FULL.replacen(good, bad, 1);
        assert_ne!(changed, FULL, "{good}");
        let error = error(&changed);
        assert!(error.contains(name), "{bad}: {error}");
    }
}

#[test]
fn format_that_is_not_known_is_an_error_that_says_so() {
    assert!(error(&FULL.replacen(r#""format":1"#, r#""format":3"#, 1)).contains("its format is 3"));
    for format in ["", r#""format":null,"#, r#""format":"s3cret","#, r#""format":1.5,"#] {
        assert!(error(&FULL.replacen(r#""format":1,"#, format, 1)).contains("no `format`"), "{format}");
    }
}

#[test]
fn members_that_are_not_known_are_passed_over() {
    let more = FULL
        .replace(r#"{"format":1"#, r#"{"later":{"a":[null,"s3cret"]},"format":1"#)
        .replace(r#"{"token":"#, r#"{"later":1,"token":"#)
        .replace("}],", r#"},{"token":"a second one of its own"}],"#)
        .replace(r#"{"by":"#, r#"{"later":1,"by":"#)
        .replace(r#"{"worked":"#, r#"{"later":1,"worked":"#);
    assert_eq!(text(&Record::from_json(&more).unwrap()), FULL);
    let spaced = FULL.replace(',', " ,\r\n\t");
    assert_eq!(text(&Record::from_json(&spaced).unwrap()), FULL);
    // What a mark holds beside is not taken back to life.
    let mark = FULL.replace(r#""created""#, r#""logged_out":true,"created""#);
    let mark = Record::from_json(&mark).unwrap();
    assert!(mark.is_logged_out() && !text(&mark).contains("s3cret"));
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", Record::from_json(FULL).unwrap());
    assert!(shown.contains("[redacted]") && shown.contains("id_token") && !shown.contains("s3cret"), "{shown}");
}
