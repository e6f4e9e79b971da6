//! What the benches measured, in a form that other programs read.

use std::{collections::BTreeMap, env, fs};

/// Figures by what they say.
pub type Figures = BTreeMap<String, f64>;

/// The value behind a name on the command line.
pub fn argument(name: &str) -> Option<String> {
    env::args().skip_while(|argument| argument != name).nth(1)
}

/// Writes the figures to the file that `--json` names, if it is there.
///
/// # Panics
/// When the file can't be written.
pub fn keep(figures: &Figures) {
    if let Some(file) = argument("--json") {
        let text = serde_json::to_string_pretty(figures).expect("strings and numbers") + "\n";
        fs::write(&file, text).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

/// The one in the middle.
///
/// # Panics
/// When there is none.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
