//! What older reports said, so that a call that becomes dearer over years shows as well as one that does so in a week.

use std::{collections::BTreeMap, fs, path::Path};

use crate::figures::Figures;

/// The figures that are kept of each report, by its day and the version that it measured.
#[derive(Debug)]
pub struct History(BTreeMap<String, Figures>);

/// Of these cases of these benches; a report would be thousands of figures.
const KEPT: [&str; 9] = [
    "reauth",
    "bare: 8 ",
    "AddAuthorization: 8 ",
    "Retry by hand: 8 ",
    "future",
    "memory",
    "sessions",
    "storm",
    "recovery",
];
const LEFT_OUT: [&str; 4] = [", cloned", "1024 B token", "outside the allocator", " quartile"];

/// What is shown of them, less being better: a figure, or one divided by another of the same report.
const COLUMNS: [(&str, &str, Option<&str>); 10] = [
    ("instructions, 8 S", "reauth: 8 S, reused, 38 B token: instructions", None),
    ("instructions, 8 O", "reauth: 8 O, reused, 38 B token: instructions", None),
    (
        "of `AddAuthorization`'s, 8 O",
        "reauth: 8 O, reused, 38 B token: instructions",
        Some("AddAuthorization: 8 O, reused, 38 B token: instructions"),
    ),
    (
        "of `Retry`'s by hand, 8 O",
        "reauth: 8 O, reused, 38 B token: instructions",
        Some("Retry by hand: 8 O, reused, 38 B token: instructions"),
    ),
    ("time of a bare call's, 8 S", "reauth: 8 S, reused: time against bare", None),
    ("time of a bare call's, 8 O", "reauth: 8 O, reused: time against bare", None),
    ("client's time over HTTP/1.1", "reauth: HTTP/1.1: client time against bare", None),
    ("storm of 10,000 against sleepers", "storm of 10000, plain: time against sleepers", None),
    ("bytes of a parked request, 8 O", "memory, 8 O, parked: bytes beyond bare", None),
    ("bytes of a session at rest", "sessions, 64-byte tokens: bytes beyond the tokens", None),
];
/// From here on a figure is called a step back.
const TOLERANCE: f64 = 1.03;

impl History {
    /// # Panics
    /// When the file is not there, or is none of a history.
    pub fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    }

    /// # Panics
    /// When the file can't be written.
    pub fn write(&self, file: &Path) {
        let text = serde_json::to_string_pretty(&self.0).expect("strings and numbers") + "\n";
        fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Adds a report; one of the same day and version goes.
    pub fn add(&mut self, edition: String, figures: &Figures) {
        let is_kept = |name: &str| {
            KEPT.iter().any(|kept| name.starts_with(kept)) && !LEFT_OUT.iter().any(|left_out| name.contains(left_out))
        };
        let kept = figures.iter().filter(|(name, _)| is_kept(name)).map(|(name, figure)| (name.clone(), *figure));
        self.0.insert(edition, kept.collect());
    }

    /// A row for each report, and one that holds the last against the best.
    pub fn table(&self) -> String {
        let names: String = COLUMNS.iter().map(|(title, ..)| format!(" {title} |")).collect();
        let mut table = format!("| report |{names}\n|{}\n", " --- |".repeat(1 + COLUMNS.len()));
        for (edition, figures) in &self.0 {
            let cells = COLUMNS.iter().map(|column| match shown(figures, column) {
                Some(figure) => format!(" {} |", digits(figure)),
                None => " – |".to_owned(),
            });
            table += &format!("| {edition} |{}\n", cells.collect::<String>());
        }
        let against = COLUMNS.iter().map(|column| match self.last_against_best(column) {
            Some(ratio) if ratio > TOLERANCE => format!(" **{ratio:.2}** |"),
            Some(ratio) => format!(" {ratio:.2} |"),
            None => " – |".to_owned(),
        });
        table + &format!("| the last against the best |{}\n", against.collect::<String>())
    }

    fn last_against_best(&self, column: &(&str, &str, Option<&str>)) -> Option<f64> {
        let last = shown(self.0.values().next_back()?, column)?;
        let best = self.0.values().filter_map(|figures| shown(figures, column)).min_by(f64::total_cmp)?;
        Some(last / best)
    }
}

fn shown(figures: &Figures, &(_, name, against): &(&str, &str, Option<&str>)) -> Option<f64> {
    let figure = *figures.get(name)?;
    match against {
        Some(against) => Some(figure / figures.get(against)?),
        None => Some(figure),
    }
}

fn digits(figure: f64) -> String {
    if figure < 20.0 { format!("{figure:.2}") } else { format!("{figure:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(instructions: f64) -> Figures {
        let name = COLUMNS[0].1.to_owned();
        Figures::from([(name, instructions), ("reauth: 8 S, cloned, 38 B token: instructions".to_owned(), 1.0)])
    }

    #[test]
    fn a_slow_regression_shows_against_the_best_of_all_reports() {
        let mut history = History(BTreeMap::new());
        for (edition, instructions) in
            [("2026-01-01", 102.0), ("2027-01-01", 100.0), ("2028-01-01", 102.5), ("2029-01-01", 105.0)]
        {
            history.add(edition.to_owned(), &report(instructions));
        }
        let table = history.table();
        assert!(table.contains("| 2027-01-01 | 100 | – |"), "{table}");
        assert!(table.contains("| the last against the best | **1.05** | – |"), "{table}");
    }

    #[test]
    fn a_report_of_the_same_day_goes_and_what_is_not_kept_with_it() {
        let mut history = History(BTreeMap::new());
        history.add("2026-01-01".to_owned(), &report(100.0));
        history.add("2026-01-01".to_owned(), &report(90.0));
        let kept: Vec<f64> = history.0.values().flat_map(Figures::values).copied().collect();
        assert_eq!(kept, [90.0]);
    }
}
