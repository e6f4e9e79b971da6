//! Every history of sends, against the rules as they are told in `rules`.

mod rules;

use self::rules::{
    Answer::{self, *},
    Run,
};
use super::*;

const MINUTE: u64 = 60;
const CREDENTIALS: [Credential; 5] =
    [Credential::Password, Credential::Client, Credential::RefreshToken, Credential::Subject, Credential::Custom];

#[tokio::test(start_paused = true)]
async fn every_history_of_six_sends_is_treated_as_the_rules_say() {
    for credential in CREDENTIALS {
        let answers = [Tokens, Refused, Codeless, Objected, Trouble];
        let histories = Run::new(credential).every_way_on(6, &answers, &[0, 7 * MINUTE]);
        println!("{credential:?}: {histories} histories");
        assert!(histories > 1_000);
    }
}

#[tokio::test(start_paused = true)]
async fn every_history_of_four_sends_and_more_waiting_times_is_treated_as_the_rules_say() {
    for credential in CREDENTIALS {
        let answers = [Tokens, Refused, Codeless, Objected, Trouble, Page, Throttled, Busy, Unsent];
        Run::new(credential).every_way_on(4, &answers, &[0, 1, 15 * MINUTE]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_history_of_failures_of_a_password_keeps_the_ceiling() {
    Run::new(Credential::Password).every_way_on(7, &[Refused, Objected, Trouble, Throttled, Unsent], &[0]);
    let mut run = Run::new(Credential::Password);
    run.send(0, Tokens);
    run.every_way_on(12, &[Trouble, Busy], &[0]);
}

/// The rows that a reader looks for. A history is sent as early as it may be; `Some(wait)` is counted from its last send.
#[tokio::test(start_paused = true)]
async fn history_decides_when_the_credential_goes_out_again() {
    const NEVER: Option<u64> = None;
    const AT_ONCE: Option<u64> = Some(0);
    let rows: &[(&str, Credential, &[Answer], Option<u64>)] = &[
        ("a password that never worked", Credential::Password, &[Refused], NEVER),
        ("a password that never worked, without a code", Credential::Password, &[Codeless], NEVER),
        ("its first broken exchange", Credential::Password, &[Trouble], Some(10)),
        ("its second", Credential::Password, &[Trouble; 2], Some(120)),
        ("its third", Credential::Password, &[Trouble; 3], Some(1200)),
        ("its fourth", Credential::Password, &[Trouble; 4], Some(7200)),
        ("its fifth", Credential::Password, &[Trouble; 5], NEVER),
        ("a page", Credential::Password, &[Page], Some(10)),
        ("two pages", Credential::Password, &[Page, Page], NEVER),
        ("a 500, then refused", Credential::Password, &[Trouble, Refused], NEVER),
        ("a 429", Credential::Password, &[Throttled], Some(300)),
        ("three of them", Credential::Password, &[Throttled; 3], Some(300)),
        ("five of them", Credential::Password, &[Throttled; 5], NEVER),
        ("no network", Credential::Password, &[Unsent; 20], Some(1)),
        ("one that had worked", Credential::Password, &[Tokens, Refused], Some(60)),
        ("its confirming attempt refused", Credential::Password, &[Tokens, Refused, Refused], NEVER),
        ("its confirming attempt worked", Credential::Password, &[Tokens, Refused, Tokens], AT_ONCE),
        ("refused again later", Credential::Password, &[Tokens, Refused, Tokens, Refused], Some(60)),
        ("without a code", Credential::Password, &[Tokens, Codeless], Some(60)),
        ("without a code again", Credential::Password, &[Tokens, Codeless, Codeless], Some(300)),
        ("and again", Credential::Password, &[Tokens, Codeless, Codeless, Codeless], NEVER),
        ("then with a code", Credential::Password, &[Tokens, Codeless, Refused], NEVER),
        ("confirming attempt got a 500", Credential::Password, &[Tokens, Refused, Trouble], Some(5)),
        ("then refused", Credential::Password, &[Tokens, Refused, Trouble, Refused], NEVER),
        ("confirming attempt got invalid_scope", Credential::Password, &[Tokens, Refused, Objected], Some(60)),
        ("a 500 after it had worked", Credential::Password, &[Tokens, Trouble], Some(5)),
        (
            "six of them",
            Credential::Password,
            &[Tokens, Trouble, Trouble, Trouble, Trouble, Trouble, Trouble],
            Some(160),
        ),
        ("invalid_scope", Credential::Password, &[Objected], Some(60)),
        ("invalid_scope twice", Credential::Password, &[Objected, Objected], Some(120)),
        // At 0, 60 and 180 s: until the first one is 15 minutes old.
        ("invalid_scope three times", Credential::Password, &[Objected, Objected, Objected], Some(720)),
        ("a success ends the doubling", Credential::Password, &[Objected, Objected, Tokens, Objected], Some(60)),
        ("a client that never worked", Credential::Client, &[Refused], Some(60)),
        ("a client that had worked", Credential::Client, &[Tokens, Refused], Some(60)),
        ("a client, five times", Credential::Client, &[Refused, Objected, Codeless, Objected, Refused], Some(900)),
        ("a client, a 500 between", Credential::Client, &[Refused, Trouble, Refused], Some(120)),
        ("a client's 500s are the backoff's business", Credential::Client, &[Trouble; 12], AT_ONCE),
        ("a client whose secret was put right", Credential::Client, &[Refused, Refused, Tokens], AT_ONCE),
        ("a refresh token alone", Credential::RefreshToken, &[Refused], NEVER),
        ("a closure that never worked", Credential::Custom, &[Refused], Some(60)),
        ("a closure that had worked", Credential::Custom, &[Tokens, Refused], Some(60)),
        ("a closure, refused twice", Credential::Custom, &[Tokens, Refused, Refused], NEVER),
        ("a closure's 500s are the backoff's business", Credential::Custom, &[Trouble; 5], AT_ONCE),
        ("up to ten in 15 minutes", Credential::Custom, &[Trouble; 10], Some(900)),
    ];
    for (name, credential, answers, expected) in rows {
        let mut run = Run::new(*credential);
        for answer in *answers {
            let next = run.next().unwrap_or_else(|| panic!("{name}: the history is not possible"));
            run.send(next, *answer);
        }
        assert_eq!(run.next().map(|next| next - run.last()), *expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn long_outage_lets_a_password_that_had_worked_out_every_five_minutes_and_then_every_hour() {
    let mut run = Run::new(Credential::Password);
    run.send(0, Tokens);
    let mut pauses = Vec::new();
    for _ in 0..18 {
        let next = run.next().unwrap();
        pauses.push(next - run.last());
        run.send(next, Trouble);
    }
    let mut expected = vec![0, 5, 10, 20, 40, 80, 160];
    expected.extend([300; 10]);
    expected.push(3600);
    assert_eq!(pauses, expected);
}

#[tokio::test(start_paused = true)]
async fn pauses_before_confirming_attempts_are_the_users_to_say() {
    let mut run = Run::new(Credential::Password);
    run.send(0, Tokens);
    let pauses = [60, 900].map(Duration::from_secs);
    for (second, answer, wait) in [(0, Refused, Some(60)), (60, Codeless, Some(900)), (960, Refused, None)] {
        let now = run.start + Duration::from_secs(second);
        run.refusals.sent(now);
        run.refusals.failed(now, &answer.error(), answer.verdict().unwrap(), Credential::Password, Some(&pauses));
        let told = run.refusals.check(now).unwrap_err().retry_after();
        assert_eq!(told, wait.map(Duration::from_secs), "{second}");
    }
    assert!(run.refusals.is_final());
}

#[tokio::test(start_paused = true)]
async fn refused_refresh_token_holds_no_other_process_back() {
    for (credential, is_told) in [(Credential::Password, true), (Credential::RefreshToken, false)] {
        let mut refusals = Refusals::new(credential, false);
        refusals.end(Error::new(ErrorKind::Refused, "refused"));
        let trials = refusals.trials(Instant::now(), crate::clock::date());
        assert_eq!(trials.refused.is_some(), is_told, "{credential:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn wiped_password_is_refused_for_good_as_a_refresh_token_is() {
    let mut run = Run::new(Credential::Password);
    run.send(0, Tokens);
    run.refusals.failed(run.start, &Refused.error(), Refused.verdict().unwrap(), Credential::RefreshToken, None);
    assert!(run.refusals.is_refused());
    assert_eq!(run.check(24 * 60 * MINUTE).unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn user_is_asked_only_where_asking_can_help() {
    let objects = TokenVerdict::NotAllowed;
    for (credential, worked, verdict, refused) in [
        (Credential::Password, false, Refused.verdict().unwrap(), true),
        (Credential::Password, true, Refused.verdict().unwrap(), false),
        (Credential::Password, false, TokenVerdict::Client, false),
        (Credential::Password, false, objects, false),
        (Credential::Password, false, Trouble.verdict().unwrap(), false),
        (Credential::Client, true, Refused.verdict().unwrap(), true),
        (Credential::Client, false, TokenVerdict::Client, true),
        (Credential::Client, false, objects, false),
        (Credential::RefreshToken, false, Refused.verdict().unwrap(), true),
        (Credential::Subject, false, Refused.verdict().unwrap(), true),
        (Credential::Subject, true, Refused.verdict().unwrap(), true),
        (Credential::Subject, true, TokenVerdict::Refused(crate::error::Evidence::Address), false),
        (Credential::Custom, false, Refused.verdict().unwrap(), false),
        (Credential::Custom, true, Refused.verdict().unwrap(), false),
    ] {
        let mut run = Run::new(credential);
        if worked {
            run.send(0, Tokens);
        }
        run.refusals.failed(run.start, &Refused.error(), verdict, credential, None);
        assert_eq!(run.refusals.is_refused(), refused, "{credential:?}, {worked}, {verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn error_that_is_handed_out_names_the_cause_and_the_time_that_is_left() {
    let mut run = Run::new(Credential::Password);
    run.send(0, Tokens);
    run.send(0, Refused);
    let error = run.check(20).unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Refused, Some(Duration::from_secs(40))));
    let mut run = Run::new(Credential::Password);
    for second in [0, 100, 400] {
        run.send(second, Objected);
    }
    let error = run.check(700).unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unavailable, Some(Duration::from_secs(200))));
}
