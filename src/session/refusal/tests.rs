//! The rules once more, told in another way: from the whole history and not from a state, and then every history.

use super::*;

const MINUTE: u64 = 60;
const CREDENTIALS: [Credential; 4] =
    [Credential::Password, Credential::Client, Credential::RefreshToken, Credential::Custom];

/// An answer of the server, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Tokens,
    /// `invalid_grant`.
    Refused,
    /// `invalid_request`, which some servers say of a wrong password.
    Objected,
    /// A 403 with an empty body, which some servers say of a wrong password.
    Strange,
    /// A 500, or no answer at all.
    Trouble,
}

use Answer::*;

impl Answer {
    fn error(self) -> Option<Error> {
        Some(match self {
            Tokens => return None,
            Refused => Error::new(ErrorKind::Refused, "refused").with_oauth_code("invalid_grant"),
            Objected => Error::new(ErrorKind::Misconfigured, "objected").with_oauth_code("invalid_request"),
            Strange => Error::new(ErrorKind::UnexpectedStatus, "strange"),
            Trouble => Error::new(ErrorKind::Unavailable, "trouble"),
        })
    }
}

/// What was sent when (in seconds), and what came back.
type History = [(u64, Answer)];

/// The rules: when the next send may be, `None` for never.
fn next_send(credential: Credential, history: &History) -> Option<u64> {
    let since = history.iter().rposition(|(_, answer)| *answer == Tokens).map_or(0, |last| last + 1);
    let (worked, since) = (since > 0, &history[since..]);
    let count = |which: &[Answer]| since.iter().filter(|(_, answer)| which.contains(answer)).count();
    let last = |which: &[Answer]| since.iter().rev().find(|(_, answer)| which.contains(answer)).map(|(at, _)| *at);

    // Who is asked once more, and how often; a client's secret is probed instead, like a request that is wrong as such.
    let (refusals, probed): (usize, &[Answer]) = match credential {
        Credential::Client => (usize::MAX, &[Refused, Objected]),
        Credential::RefreshToken => (1, &[Objected]),
        _ if worked => (2, &[Objected]),
        _ => (1, &[Objected]),
    };
    if count(&[Refused]) >= refusals {
        return None;
    }
    let confirm = last(&[Refused]).map(|at| at + MINUTE);
    let pause = MINUTE << count(probed).saturating_sub(1).min(4);
    let probe = last(probed).map(|at| at + pause.min(15 * MINUTE));
    let third_last = since.len().checked_sub(3).map(|third_last| since[third_last].0);
    let held_back = third_last.filter(|_| credential == Credential::Password).map(|at| at + 15 * MINUTE);
    [confirm, probe, held_back].into_iter().flatten().max().or(Some(0))
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
        match answer.error() {
            None => self.refusals.worked(),
            Some(error) => {
                let remembered = self.refusals.failed(now, &error, credential);
                assert_eq!(remembered, matches!(answer, Refused | Objected), "{:?}", self.history);
            }
        }
        self.history.push((second, answer));
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
        assert!(self.check(next).is_ok(), "{} not allowed at {next}", context());
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

    /// Never more than 3 sends of a password in 15 minutes without a success (case 32), counted and not derived.
    fn assert_ceiling(&self) {
        if self.refusals.credential != Credential::Password {
            return;
        }
        for run in self.history.split(|(_, answer)| *answer == Tokens) {
            for sends in run.windows(4) {
                assert!(sends[3].0 - sends[0].0 >= 15 * MINUTE, "{:?}", self.history);
            }
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
        let answers = [Tokens, Refused, Objected, Trouble];
        let histories = Run::new(credential).every_way_on(6, &answers, &[0, 7 * MINUTE]);
        println!("{credential:?}: {histories} histories");
        assert!(histories > 1_000);
    }
}

#[tokio::test(start_paused = true)]
async fn every_history_of_four_sends_and_more_waiting_times_is_treated_as_the_rules_say() {
    for credential in CREDENTIALS {
        let answers = [Tokens, Refused, Objected, Strange, Trouble];
        Run::new(credential).every_way_on(4, &answers, &[0, 1, MINUTE, 15 * MINUTE - 1, 15 * MINUTE]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_history_of_nine_failures_of_a_password_keeps_the_ceiling() {
    for begin in [&[][..], &[Tokens]] {
        let mut run = Run::new(Credential::Password);
        begin.iter().for_each(|answer| run.send(0, *answer));
        run.every_way_on(9, &[Refused, Objected, Strange, Trouble], &[0]);
    }
}

/// The rows that a reader looks for. A history is sent as early as it may be; `Some(wait)` is counted from its last send.
#[tokio::test(start_paused = true)]
async fn history_decides_when_the_credential_goes_out_again() {
    const NEVER: Option<u64> = None;
    const AT_ONCE: Option<u64> = Some(0);
    let rows: &[(&str, Credential, &[Answer], Option<u64>)] = &[
        ("a password that never worked", Credential::Password, &[Refused], NEVER),
        ("one that had worked", Credential::Password, &[Tokens, Refused], Some(60)),
        ("its confirming attempt refused", Credential::Password, &[Tokens, Refused, Refused], NEVER),
        ("its confirming attempt worked", Credential::Password, &[Tokens, Refused, Tokens], AT_ONCE),
        ("refused again later", Credential::Password, &[Tokens, Refused, Tokens, Refused], Some(60)),
        ("confirming attempt got a 500", Credential::Password, &[Tokens, Refused, Trouble], AT_ONCE),
        ("then refused", Credential::Password, &[Tokens, Refused, Trouble, Refused], NEVER),
        ("confirming attempt got invalid_request", Credential::Password, &[Tokens, Refused, Objected], Some(60)),
        ("then refused", Credential::Password, &[Tokens, Refused, Objected, Refused], NEVER),
        ("two 500s", Credential::Password, &[Trouble, Trouble], AT_ONCE),
        ("three 500s", Credential::Password, &[Trouble, Trouble, Trouble], Some(900)),
        ("three 403s without a body", Credential::Password, &[Strange, Strange, Strange], Some(900)),
        ("a 500, a 403, a 500", Credential::Password, &[Trouble, Strange, Trouble], Some(900)),
        ("a 500, then refused", Credential::Password, &[Trouble, Refused], NEVER),
        ("invalid_request", Credential::Password, &[Objected], Some(60)),
        ("invalid_request twice", Credential::Password, &[Objected, Objected], Some(120)),
        // At 0, 60 and 180 s: until the first one is 15 minutes old.
        ("invalid_request three times", Credential::Password, &[Objected, Objected, Objected], Some(720)),
        ("invalid_request, then refused", Credential::Password, &[Objected, Refused], NEVER),
        ("a success ends the ceiling", Credential::Password, &[Trouble, Trouble, Trouble, Tokens, Trouble], AT_ONCE),
        ("a success ends the doubling", Credential::Password, &[Objected, Objected, Tokens, Objected], Some(60)),
        ("a client that never worked", Credential::Client, &[Refused], Some(60)),
        ("a client that had worked", Credential::Client, &[Tokens, Refused], Some(60)),
        ("a client, five times", Credential::Client, &[Refused, Objected, Refused, Objected, Refused], Some(900)),
        ("a client, a 500 between", Credential::Client, &[Refused, Trouble, Refused], Some(120)),
        ("a client's 500s are the backoff's business", Credential::Client, &[Trouble; 5], AT_ONCE),
        ("a client whose secret was put right", Credential::Client, &[Refused, Refused, Tokens], AT_ONCE),
        ("a refresh token alone", Credential::RefreshToken, &[Refused], NEVER),
        ("a closure that never worked", Credential::Custom, &[Refused], NEVER),
        ("a closure that had worked", Credential::Custom, &[Tokens, Refused], Some(60)),
        ("a closure, refused twice", Credential::Custom, &[Tokens, Refused, Refused], NEVER),
        ("a closure's 500s are the backoff's business", Credential::Custom, &[Trouble; 5], AT_ONCE),
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
async fn wiped_password_is_refused_for_good_as_a_refresh_token_is() {
    let mut run = Run::new(Credential::Password);
    run.send(0, Tokens);
    let error = Refused.error().unwrap();
    run.refusals.failed(run.start, &error, Credential::RefreshToken);
    assert!(run.refusals.is_refused());
    assert_eq!(run.check(24 * 60 * MINUTE).unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn user_is_asked_only_where_asking_can_help() {
    let client_refused = || Error::new(ErrorKind::Misconfigured, "refused").with_oauth_code("invalid_client");
    for (credential, worked, error, refused) in [
        (Credential::Password, false, Refused.error().unwrap(), true),
        (Credential::Password, true, Refused.error().unwrap(), false),
        (Credential::Password, false, client_refused(), false),
        (Credential::Password, false, Objected.error().unwrap(), false),
        (Credential::Password, false, Trouble.error().unwrap(), false),
        (Credential::Client, true, Refused.error().unwrap(), true),
        (Credential::Client, false, client_refused(), true),
        (Credential::Client, false, Objected.error().unwrap(), false),
        (Credential::RefreshToken, false, Refused.error().unwrap(), true),
        (Credential::Custom, false, Refused.error().unwrap(), true),
        (Credential::Custom, true, Refused.error().unwrap(), false),
    ] {
        let mut run = Run::new(credential);
        if worked {
            run.send(0, Tokens);
        }
        run.refusals.failed(run.start, &error, credential);
        assert_eq!(run.refusals.is_refused(), refused, "{credential:?}, {worked}, {error}");
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
    (0..3).for_each(|second| run.send(second, Trouble));
    let error = run.check(100).unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unavailable, Some(Duration::from_secs(800))));
}
