//! What is told of the turns: medians, and ratios within each round, since the machine is not the same from minute to minute.

use std::{collections::BTreeMap, fmt, fs, path::Path, process::ExitCode, time::Duration};

use crate::{Load, crowd::Turn, stand::Way};

/// What is shown of a server's failures.
const SHOWN: usize = 10;

/// All turns.
#[derive(Default)]
pub(crate) struct Report {
    counted: BTreeMap<Way, Vec<Turn>>,
    failures: Vec<String>,
    /// Of those that don't count as well.
    requests: usize,
}

/// A figure of a turn, and the digits that it is told with.
struct Figure {
    name: &'static str,
    digits: usize,
    of: fn(&Turn) -> f64,
}

const FIGURES: [Figure; 5] = [
    Figure { name: "requests/s", digits: 0, of: Turn::rate },
    Figure { name: "p50 ms", digits: 1, of: |turn| turn.percentile(50) },
    Figure { name: "p99 ms", digits: 1, of: |turn| turn.percentile(99) },
    Figure { name: "server CPU us/request", digits: 0, of: Turn::processor_per_request },
    Figure { name: "exchanges with the gateway/request", digits: 3, of: Turn::exchanges_per_request },
];

/// What happened in the turns of the layer.
const EVENTS: [Figure; 5] = [
    Figure { name: "requests", digits: 0, of: |turn| turn.times.len() as f64 },
    Figure { name: "tokens renewed after they had expired", digits: 0, of: |turn| turn.refreshes as f64 },
    Figure { name: "revocations", digits: 0, of: |turn| turn.kills as f64 },
    Figure { name: "tokens re-issued for them", digits: 0, of: |turn| turn.reissues as f64 },
    Figure { name: "replays", digits: 0, of: |turn| turn.rejections as f64 },
];

impl Report {
    pub(crate) fn add(&mut self, turn: Turn, counts: bool) {
        self.requests += turn.times.len() + turn.failures.len();
        self.failures.extend(turn.failures.iter().map(|failure| format!("{}: {failure}", turn.way.name())));
        if counts {
            self.counted.entry(turn.way).or_default().push(turn);
        }
    }

    /// Prints a table.
    pub(crate) fn print(&self, load: &Load) {
        println!(
            "\n{} users, {} connections, medians of {} turns of {} s\n",
            load.users, load.connections, load.rounds, load.seconds
        );
        println!("| | {} |", Way::ALL.map(Way::name).join(" | "));
        println!("| --- |{}", " ---: |".repeat(Way::ALL.len()));
        for figure in FIGURES {
            let cells = Way::ALL.map(|way| match way {
                Way::StaticHeader => format!("{:.*}", figure.digits, self.figure(way, &figure)),
                _ => format!("{:.*} ({:.3})", figure.digits, self.figure(way, &figure), self.ratio(way, &figure)),
            });
            println!("| {} | {} |", figure.name, cells.join(" | "));
        }
        println!(
            "\nIn brackets: the median of each round's ratio to the static header. In the turns of the layer there were"
        );
        println!("{}.\n", EVENTS.map(|event| format!("{} {}", self.sum(event.of), event.name)).join(", "));
    }

    /// Writes the figures to a file, by what they say.
    pub(crate) fn keep(&self, file: &Path) {
        let mut figures = BTreeMap::new();
        for (way, figure) in Way::ALL.iter().flat_map(|way| FIGURES.iter().map(move |figure| (*way, figure))) {
            figures.insert(format!("bff, {}: {}", way.name(), figure.name), self.figure(way, figure));
            if way != Way::StaticHeader {
                figures
                    .insert(format!("bff, {} / static header: {}", way.name(), figure.name), self.ratio(way, figure));
            }
        }
        for Figure { name, of, .. } in EVENTS {
            figures.insert(format!("bff, layer: {name}"), self.sum(of));
        }
        let text = serde_json::to_string_pretty(&figures).unwrap() + "\n";
        fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// A failure where a request failed, or where nothing happened that one could have failed by.
    pub(crate) fn verdict(&self) -> ExitCode {
        for failure in self.failures.iter().take(SHOWN) {
            eprintln!("FAILED: {failure}");
        }
        println!("{} of {} requests failed", self.failures.len(), self.requests);
        let idle = self.sum(|turn| turn.refreshes as f64) == 0.0 || self.sum(|turn| turn.reissues as f64) == 0.0;
        if idle {
            eprintln!("FAILED: no token expired, or none was killed: that proves nothing");
        }
        if self.failures.is_empty() && !idle { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn figure(&self, way: Way, figure: &Figure) -> f64 {
        median(self.counted[&way].iter().map(figure.of))
    }

    fn ratio(&self, way: Way, figure: &Figure) -> f64 {
        let rounds = self.counted[&way].iter().zip(&self.counted[&Way::StaticHeader]);
        median(rounds.map(|(turn, base)| (figure.of)(turn) / (figure.of)(base)))
    }

    /// Over the turns of the layer.
    fn sum(&self, of: fn(&Turn) -> f64) -> f64 {
        self.counted[&Way::Layer].iter().map(of).sum()
    }
}

impl Turn {
    fn rate(&self) -> f64 {
        self.times.len() as f64 / self.length.as_secs_f64()
    }

    fn percentile(&self, percent: usize) -> f64 {
        let time = self.times.get(self.times.len() * percent / 100).copied().unwrap_or(Duration::ZERO);
        time.as_secs_f64() * 1e3
    }

    fn processor_per_request(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.times.len() as f64
    }

    fn exchanges_per_request(&self) -> f64 {
        self.exchanges as f64 / self.times.len() as f64
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.way.name())?;
        for Figure { name, digits, of } in FIGURES {
            write!(f, " {:.digits$} {name},", of(self))?;
        }
        let Self { refreshes, reissues, rejections, kills, failures, .. } = self;
        write!(
            f,
            " {refreshes} expired, {kills} killed, {reissues} re-issued, {rejections} replayed, {} failed",
            failures.len()
        )
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
