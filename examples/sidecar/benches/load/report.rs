//! What is printed, and whether the run has failed.

use std::{process::ExitCode, time::Duration};

use crate::{crowd::Answers, proxies::Proxy, upstream::Upstream};

pub(crate) struct Report {
    ways: Vec<Way>,
    failures: Vec<String>,
}

struct Way {
    name: &'static str,
    times: Vec<Duration>,
    took: Duration,
    cpu: Duration,
}

impl Report {
    pub(crate) fn new(proxies: &[Proxy]) -> Self {
        let way =
            |proxy: &Proxy| Way { name: proxy.name, times: Vec::new(), took: Duration::ZERO, cpu: Duration::ZERO };
        Self { ways: proxies.iter().map(way).collect(), failures: Vec::new() }
    }

    pub(crate) fn add(&mut self, at: usize, answers: Answers, cpu: Duration, counts: bool) {
        let way = &mut self.ways[at];
        self.failures.extend(answers.failures.into_iter().map(|failure| format!("{}: {failure}", way.name)));
        if counts {
            way.times.extend(answers.times);
            way.took += answers.took;
            way.cpu += cpu;
        }
    }

    /// Ratios to the first one in brackets.
    pub(crate) fn print(&mut self) {
        println!("{:16} {:>20} {:>20} {:>20} {:>20}", "", "requests/s", "median, ms", "99 %, ms", "CPU a request, µs");
        let mut first = None;
        for way in &mut self.ways {
            way.times.sort_unstable();
            let figures = way.figures();
            let first = *first.get_or_insert(figures);
            let cells: Vec<_> = figures
                .iter()
                .zip(first)
                .map(|(figure, first)| format!("{figure:.2} ({:.2})", figure / first))
                .collect();
            println!("{:16} {:>20} {:>20} {:>20} {:>20}", way.name, cells[0], cells[1], cells[2], cells[3]);
        }
    }

    pub(crate) fn verdict(self, upstream: &Upstream) -> ExitCode {
        let (killed, rejected, asked) = (upstream.killed(), upstream.rejected(), upstream.token_requests());
        println!(
            "{killed} tokens killed, {rejected} rejections, {asked} token requests, {} failures",
            self.failures.len()
        );
        for failure in self.failures.iter().take(20) {
            println!("failed: {failure}");
        }
        // The first token, and one for each that was killed; a kill that nobody met would be no load.
        let is_good = self.failures.is_empty() && asked == killed + 1 && rejected >= killed;
        if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Way {
    fn figures(&self) -> [f64; 4] {
        let count = self.times.len();
        let at =
            |share: f64| self.times.get((count as f64 * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3);
        let cpu = self.cpu.as_secs_f64() * 1e6 / count.max(1) as f64;
        [count as f64 / self.took.as_secs_f64(), at(0.5), at(0.99), cpu]
    }
}
