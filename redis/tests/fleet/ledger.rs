//! What happened in a run, written down as it happens: by the processes, by what stands before the authorization server, and by
//! whoever kills and breaks things. Times are milliseconds since the epoch, since all of it happens on one machine.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::engine::Harm;

pub(crate) type Millis = u64;

pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// As the lines have it.
pub(crate) fn clock(at: Millis) -> String {
    format!("{:>5}.{:03}", at / 1000 % 100_000, at % 1000)
}

/// Stands for a token wherever one is written down.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(u64);

impl Token {
    pub(crate) fn of(token: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        Self(hasher.finish() & 0xffff_ffff)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for Token {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// A process between its start and its end: the process of this number, started so many times before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Replica {
    pub(crate) process: usize,
    pub(crate) life: usize,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process, self.life)
    }
}

impl FromStr for Replica {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (process, life) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self { process: process.parse()?, life: life.parse()? })
    }
}

/// A token request, as the authorization server saw it.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) session: usize,
    pub(crate) by: Replica,
    pub(crate) at: Millis,
    /// `None`: it carried the password.
    pub(crate) spent: Option<Token>,
    pub(crate) answer: Answer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Not yet.
    None,
    Refused,
    /// This refresh token, at this time.
    Brought(Token, Millis),
}

/// A process had a refresh token in its memory from then on, and the store had it as well at some moment in that time.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) by: Replica,
    pub(crate) from: Millis,
    pub(crate) to: Millis,
}

/// That a refresh token may be on its way to the server.
#[derive(Clone, Copy)]
pub(crate) struct Claimed {
    pub(crate) by: Replica,
    pub(crate) token: Token,
    pub(crate) at: Millis,
    pub(crate) until: Millis,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) asked: Vec<Asked>,
    pub(crate) held: HashMap<Token, Vec<Held>>,
    pub(crate) claimed: Vec<Claimed>,
    /// When a process was killed.
    pub(crate) killed: HashMap<Replica, Millis>,
    /// The newest writes of these times were taken back at their ends.
    pub(crate) taken_back: Vec<(Millis, Millis)>,
    /// Logins that were ended at the server, and when.
    pub(crate) ended: Vec<(usize, Millis)>,
    /// How calls ended, and the longest of each.
    pub(crate) calls: BTreeMap<String, (usize, Millis)>,
    /// How the last call of each session at each process ended.
    pub(crate) last: BTreeMap<(usize, usize), String>,
    pub(crate) withdrawn: HashSet<Token>,
    /// What was done to the engine.
    pub(crate) harms: BTreeMap<Harm, usize>,
    lines: Vec<(Millis, Option<usize>, String)>,
}

#[derive(Default)]
pub(crate) struct Ledger(Mutex<Book>);

impl Ledger {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, session: Option<usize>, line: impl fmt::Display) {
        self.book().note(now(), session, line);
    }

    /// What a process says of itself.
    pub(crate) fn hear(&self, by: Replica, said: &str) {
        self.book().hear(by, said).unwrap_or_else(|| panic!("process {by} said {said:?}"));
    }
}

impl Book {
    pub(crate) fn note(&mut self, at: Millis, session: Option<usize>, line: impl fmt::Display) {
        self.lines.push((at, session, line.to_string()));
    }

    fn hear(&mut self, by: Replica, said: &str) -> Option<()> {
        let mut words = said.split(' ');
        let (what, at, session) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        match what {
            "saw" => {
                let token = words.next()?.parse().ok()?;
                self.held.entry(token).or_default().push(Held { by, from: at, to: at });
            }
            "saved" => {
                let (token, from) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                self.held.entry(token).or_default().push(Held { by, from, to: at });
            }
            "claims" => {
                let (token, left) = (words.next()?.parse().ok()?, words.next()?.parse::<Millis>().ok()?);
                self.claimed.push(Claimed { by, token, at, until: at + left });
            }
            "called" => {
                let (took, outcome) = (words.next()?.parse::<Millis>().ok()?, words.collect::<Vec<_>>().join(" "));
                let (calls, longest) = self.calls.entry(outcome).or_default();
                *calls += 1;
                *longest = took.max(*longest);
            }
            "last" => {
                self.last.insert((session, by.process), words.collect::<Vec<_>>().join(" "));
            }
            _ => {}
        }
        self.note(at, Some(session), format_args!("{by} {said}"));
        Some(())
    }

    /// All that concerns a session, in its order.
    pub(crate) fn lines_of(&self, session: usize) -> String {
        let mut lines: Vec<_> = self.lines.iter().filter(|(_, of, _)| of.is_none_or(|of| of == session)).collect();
        lines.sort_by_key(|(at, ..)| *at);
        lines.iter().map(|(at, _, line)| format!("  {} {line}\n", clock(*at))).collect()
    }

    pub(crate) fn is_dead(&self, replica: Replica, at: Millis) -> bool {
        self.killed.get(&replica).is_some_and(|killed| *killed <= at)
    }
}
