//! The rules once more, told in another way: from the whole history and not from a state.

use super::{super::*, MINUTE};
use crate::error::Evidence;

/// An answer of the server, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
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
    pub(super) fn verdict(self) -> Option<TokenVerdict> {
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

    pub(super) fn error(self) -> Error {
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
        Credential::RefreshToken | Credential::Subject => refusals > 0,
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
pub(super) struct Run {
    pub(super) start: Instant,
    history: Vec<(u64, Answer)>,
    pub(super) refusals: Refusals,
}

impl Run {
    pub(super) fn new(credential: Credential) -> Self {
        Self { start: Instant::now(), history: Vec::new(), refusals: Refusals::new(credential, false) }
    }

    pub(super) fn check(&self, second: u64) -> Result<(), Error> {
        self.refusals.check(self.start + Duration::from_secs(second))
    }

    pub(super) fn send(&mut self, second: u64, answer: Answer) {
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

    pub(super) fn last(&self) -> u64 {
        self.history.last().map_or(0, |(second, _)| *second)
    }

    /// When the rules let the next send go; the machine must say so too, and not a second earlier.
    pub(super) fn next(&self) -> Option<u64> {
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
    pub(super) fn every_way_on(&self, length: usize, answers: &[Answer], waits: &[u64]) -> usize {
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
