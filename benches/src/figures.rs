//! What the benches measured, in a form that other programs read.

use std::{collections::BTreeMap, env, fmt, fs};

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
    Spread::of(figures).median
}

/// The one in the middle, and between which two the middle half lies.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub quartiles: [f64; 2],
}

const QUARTILES: [&str; 2] = ["lower quartile", "upper quartile"];

impl Spread {
    /// # Panics
    /// When there is no figure.
    pub fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |quarters| figures[figures.len() * quarters / 4];
        Self { median: at(2), quartiles: [at(1), at(3)] }
    }

    /// Puts the three to the figures: the median under the name itself.
    pub fn keep(self, figures: &mut Figures, name: &str) {
        figures.insert(name.to_owned(), self.median);
        for (which, figure) in QUARTILES.into_iter().zip(self.quartiles) {
            figures.insert(format!("{name}, {which}"), figure);
        }
    }

    /// What [`Spread::keep`] put there.
    ///
    /// # Panics
    /// When it did not.
    pub fn read(figures: &Figures, name: &str) -> Self {
        let figure = |name: &str| *figures.get(name).unwrap_or_else(|| panic!("nothing measured {name}"));
        Self { median: figure(name), quartiles: QUARTILES.map(|which| figure(&format!("{name}, {which}"))) }
    }
}

/// With the digits that the formatter asks for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let [lower, upper] = self.quartiles;
        let text = format!("{:.digits$} ({lower:.digits$}–{upper:.digits$})", self.median);
        write!(f, "{text:width$}", width = f.width().unwrap_or(0))
    }
}
