//! The rules once more, told in another way: from the whole history and not from a state, and then every history.

use super::*;
use crate::error::Evidence;

const MINUTE: u64 = 60;
const CREDENTIALS: [Credential; 4] =
    [Credential::Password, Credential::Client, Credential::RefreshToken, Credential::Custom];

/// An answer of the server, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Tokens,
    /// `invalid_grant`.
    Refused,
    /// A 401 without a code.
    Codeless,
    /// `invalid_scope`.
    Objected,
    /// A 500, or no answer at all.
    Trouble,
    /// A firewall's 403.
    Page,
    /// A 429.
    Throttled,
    /// A 408.
    Busy,
    /// Nothing left this machine.
    Unsent,
}

use Answer::*;

impl Answer {
    fn verdict(self) -> Option<TokenVerdict> {
        Some(match self {
            Tokens => return None,
            Refused => TokenVerdict::Refused(Evidence::Known),
            Codeless => TokenVerdict::Refused(Evidence::Status),
            Objected => TokenVerdict::NotAllowed,
            Trouble => TokenVerdict::Broken { page: false },
            Page => TokenVerdict::Broken { page: true },
            Throttled => TokenVerdict::Wait { throttled: true },
            Busy => TokenVerdict::Wait { throttled: false },
            Unsent => TokenVerdict::Unsent,
        })
    }

    fn error(self) -> Error {
        match self {
            Refused | Codeless => Error::new(ErrorKind::Refused, "refused"),
            Objected => Error::new(ErrorKind::Misconfigured, "objected"),
            _ => Error::new(ErrorKind::Unavailable, "trouble"),
        }
    }
}

/// What was sent when (in seconds), and what came back.
type History = [(u64, Answer)];

/// The rules: when the next send may be, `None` for never.
fn next_send(credential: Credential, history: &History) -> Option<u64> {
    let since = history.iter().rposition(|(_, answer)| *answer == Tokens).map_or(0, |last| last + 1);
    let (worked, since) = (since > 0, &history[since..]);
    let since: Vec<_> = since.iter().copied().filter(|(_, answer)| *answer != Unsent).collect();
    let count = |which: &[Answer]| since.iter().filter(|(_, answer)| which.contains(answer)).count();
    let untried = credential == Credential::Password && !worked;

    let refusals = count(&[Refused, Codeless]);
    let last = history.last().filter(|(_, answer)| *answer != Tokens);
    let is_final = match credential {
        Credential::Client => false,
        Credential::RefreshToken => refusals > 0,
        _ if untried => refusals > 0 || since.len() >= 5 || count(&[Page]) >= 2,
        // With a code it is asked once more, without one twice.
        _ => match since.iter().rev().find(|(_, answer)| matches!(answer, Refused | Codeless)) {
            Some((_, Refused)) => refusals >= 2,
            Some(_) => refusals >= 3,
            None => false,
        },
    };
    if is_final {
        return None;
    }
    let broken = count(&[Trouble, Page]);
    let probed = count(&[Objected]) + if credential == Credential::Client { refusals } else { 0 };
    let pause = last.map(|(at, answer)| {
        let pause = match (answer, credential) {
            (Refused | Codeless, Credential::Password | Credential::Custom) if refusals == 2 => 5 * MINUTE,
            (Refused | Codeless, Credential::Password | Credential::Custom) => MINUTE,
            (Objected | Refused | Codeless, _) => (MINUTE << (probed - 1).min(4)).min(15 * MINUTE),
            (Trouble | Page, Credential::Password) if untried => [10, 120, 1200, 7200][broken - 1],
            (Trouble | Page, Credential::Password) => match broken {
                1..=6 => 5 << (broken - 1),
                7..=16 => 5 * MINUTE,
                _ => 60 * MINUTE,
            },
            (Throttled, Credential::Password) => 5 * MINUTE,
            (_, Credential::Password) => 1,
            _ => return 0,
        };
        at + pause
    });
    let most = match credential {
        Credential::Password if untried => 3,
        Credential::Password | Credential::Custom => 10,
        _ => usize::MAX,
    };
    let held_back = since.len().checked_sub(most).map(|index| since[index].0 + 15 * MINUTE);
    pause.into_iter().chain(held_back).max().or(Some(0))
}

/// One history, and the machine that lived through it.
#[derive(Clone)]
struct Run {
    start: Instant,
    history: Vec<(u64, Answer)>,
    refusals: Refusals,
}

impl Run {
    fn new(credential: Credential) -> Self {
        Self { start: Instant::now(), history: Vec::new(), refusals: Refusals::new(credential, false) }
    }

    fn check(&self, second: u64) -> Result<(), Error> {
        self.refusals.check(self.start + Duration::from_secs(second))
    }

    fn send(&mut self, second: u64, answer: Answer) {
        let now = self.start + Duration::from_secs(second);
        let credential = self.refusals.credential;
        self.refusals.sent(now);
        self.history.push((second, answer));
        match answer.verdict() {
            None => self.refusals.worked(),
            Some(verdict) => {
                let refused = self.refusals.failed(now, &answer.error(), verdict, credential, None);
                let ended = self.refusals.is_final();
                assert_eq!(refused, ended || matches!(answer, Refused | Codeless | Objected), "{:?}", self.history);
            }
        }
    }

    fn last(&self) -> u64 {
        self.history.last().map_or(0, |(second, _)| *second)
    }

    /// When the rules let the next send go; the machine must say so too, and not a second earlier.
    fn next(&self) -> Option<u64> {
        let context = || format!("{:?} after {:?}", self.refusals.credential, self.history);
        let Some(next) = next_send(self.refusals.credential, &self.history) else {
            for second in [self.last(), self.last() + 24 * 60 * MINUTE] {
                let error = self.check(second).expect_err(&context());
                assert_eq!(error.kind(), ErrorKind::Refused, "{}", context());
                assert_eq!(error.retry_after(), None, "{}", context());
            }
            assert!(self.refusals.is_refused(), "{}", context());
            return None;
        };
        assert!(self.check(next.max(self.last())).is_ok(), "{} not allowed at {next}", context());
        for second in [self.last(), next.saturating_sub(1)] {
            if second < next {
                let error = self.check(second).expect_err(&context());
                assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(next - second)));
            }
        }
        let failed = self.history.last().is_some_and(|(_, answer)| *answer != Tokens);
        assert!(failed || !self.refusals.is_refused(), "{}", context());
        Some(next.max(self.last()))
    }

    /// The ceilings of a password without a success (case 32), counted and not derived.
    fn assert_ceiling(&self) {
        if self.refusals.credential != Credential::Password {
            return;
        }
        let mut worked = false;
        for run in self.history.split(|(_, answer)| *answer == Tokens) {
            let run: Vec<_> = run.iter().filter(|(_, answer)| *answer != Unsent).collect();
            let most = if worked { 10 } else { 3 };
            for sends in run.windows(most + 1) {
                assert!(sends[most].0 - sends[0].0 >= 15 * MINUTE, "{:?}", self.history);
            }
            for sends in run.windows(2) {
                assert!(sends[1].0 > sends[0].0, "{:?}", self.history);
            }
            assert!(worked || run.len() <= 5, "{:?}", self.history);
            worked = true;
        }
    }

    /// Every way on from here: each answer, at each waiting time beyond the first moment that is allowed.
    fn every_way_on(&self, length: usize, answers: &[Answer], waits: &[u64]) -> usize {
        self.assert_ceiling();
        let Some(next) = self.next() else { return 1 };
        if self.history.len() == length {
            return 1;
        }
        let mut histories = 0;
        for answer in answers {
            for wait in waits {
                let mut run = self.clone();
                run.send(next + wait, *answer);
                histories += run.every_way_on(length, answers, waits);
            }
        }
        histories
    }
}

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
