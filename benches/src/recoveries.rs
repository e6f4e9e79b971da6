//! The figures of recoveries: what they are called, and their table.

use std::fmt;

use crate::figures::Figures;

/// Where a program awaits its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In `main`, beside worker threads.
    Main,
    /// In a task on a worker thread.
    Task,
    /// In eight tasks at once.
    Tasks,
    /// In a task on the only thread.
    OneThread,
}

/// Where the new token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Over loopback. The rejection is mostly read by the time that it has landed.
    Sent,
    /// From the grant at once, as if others had renewed it: the replay has only the rejection to wait for.
    AtOnce,
}

/// How long the rejections are, in units of 1024 bytes.
pub const PAGES: [usize; 5] = [0, 16, 30, 48, 64];

impl Place {
    pub const ALL: [Self; 4] = [Self::Main, Self::Task, Self::Tasks, Self::OneThread];
}

impl Renewal {
    pub const ALL: [Self; 2] = [Self::Sent, Self::AtOnce];
}

/// The name of a figure.
pub fn name(place: Place, renewal: Renewal, page: usize, what: &str) -> String {
    format!("recovery, {place}, {renewal}, {page} KiB: {what}")
}

/// The greatest of the figures of a place, if it was measured.
pub fn worst(figures: &Figures, place: Place, renewal: Renewal, what: &str) -> Option<f64> {
    let all = PAGES.map(|page| name(place, renewal, page, what));
    all.iter().filter_map(|name| figures.get(name).copied()).max_by(f64::total_cmp)
}

/// # Panics
/// When a figure is not there.
pub fn table(figures: &Figures) -> String {
    let mut table = String::from(
        "Microseconds of a call whose token was revoked, and in brackets the connections that it opened: with the layer / by hand. \
         The server is another process.\n\n| where, and how the token is renewed |",
    );
    table += &PAGES.map(|page| format!(" {page} KiB |")).concat();
    table += &format!("\n|{}\n", " --- |".repeat(1 + PAGES.len()));
    for (place, renewal) in Place::ALL.into_iter().flat_map(|place| Renewal::ALL.map(|renewal| (place, renewal))) {
        let cells = PAGES.map(|page| {
            let figure = |what| figures[&name(place, renewal, page, what)];
            format!(
                " {:.0} ({:.3}) / {:.0} ({:.3}) |",
                figure("µs"),
                figure("new connections"),
                figure("µs by hand"),
                figure("new connections by hand"),
            )
        });
        table += &format!("| {place}, {renewal} |{}\n", cells.concat());
    }
    table
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Main => "in main",
            Self::Task => "in a task",
            Self::Tasks => "in eight tasks",
            Self::OneThread => "on one thread",
        })
    }
}

impl fmt::Display for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sent => "renewed over loopback",
            Self::AtOnce => "renewed at once",
        })
    }
}
