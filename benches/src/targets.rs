//! What is to be reached, and whether it is.

use crate::{
    figures::Figures,
    recoveries::{Place, Renewal, worst},
};

/// A bound for a figure.
#[derive(Clone, Debug)]
pub struct Target {
    pub what: String,
    pub measured: f64,
    pub bound: f64,
    pub relation: Relation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    AtMost,
    AtLeast,
}

impl Target {
    pub fn is_reached(&self) -> bool {
        match self.relation {
            Relation::AtMost => self.measured <= self.bound,
            Relation::AtLeast => self.measured >= self.bound,
        }
    }
}

/// The targets of which the figures are there.
pub fn of(figures: &Figures) -> Vec<Target> {
    let mut targets = Targets { figures, found: Vec::new() };
    targets.cost();
    targets.threads();
    targets.loopback();
    targets.storm();
    targets.memory();
    targets.sessions();
    targets.recovery();
    targets.found
}

/// Prints them, and which are reached.
pub fn print(figures: &Figures) {
    println!("\ntargets");
    for target in of(figures) {
        let Target { what, measured, bound, relation } = &target;
        let relation = if *relation == Relation::AtMost { "at most" } else { "at least" };
        println!(
            "{what:64} {:>9}, {relation} {:>5}: {}",
            round(*measured),
            round(*bound),
            if target.is_reached() { "reached" } else { "MISSED" }
        );
    }
}

/// As many digits as say something.
pub fn round(figure: f64) -> String {
    if figure.abs() >= 20.0 || figure == figure.trunc() { format!("{figure:.0}") } else { format!("{figure:.3}") }
}

struct Targets<'a> {
    figures: &'a Figures,
    found: Vec<Target>,
}

impl Targets<'_> {
    fn cost(&mut self) {
        for (fixture, add, retry, off) in [
            ("8 S", 1.78, 0.84, 1.25),
            ("8 O", 1.58, 0.55, 1.17),
            ("8 S Host", 1.85, 0.84, 1.25),
            ("8 O Host", 1.65, 0.55, 1.17),
        ] {
            let figure =
                |kind: &str, what: &str| self.figure(&format!("{kind}: {fixture}, reused, 38 B token: {what}"));
            let ratio = |ours, other| Some(figure(ours, "instructions")? / figure(other, "instructions")?);
            let ratios = [
                ("reauth", "AddAuthorization", add),
                ("reauth", "Retry by hand", retry),
                ("reauth, off", "AddAuthorization", off),
                ("reauth, once", "AddAuthorization", off),
            ];
            let ratios = ratios.map(|(ours, other, bound)| (ours, other, ratio(ours, other), bound));
            let more = (|| Some(figure("reauth", "allocations")? - figure("AddAuthorization", "allocations")?))();
            for (ours, other, ratio, bound) in ratios {
                self.at_most(format!("{ours} / {other}, {fixture}: instructions"), ratio, bound);
            }
            let bound = if fixture.contains('O') { 1.0 } else { 0.0 };
            self.at_most(format!("reauth - AddAuthorization, {fixture}: allocations"), more, bound);
        }
    }

    fn threads(&mut self) {
        let reused = self.figure("reauth: two threads, reused");
        self.at_least("two threads, service reused: times the calls of one".to_owned(), reused, 1.90);
        let cloned = self.figure("reauth: two threads, hyper-util's client cloned");
        if let Some(bare) = self.figure("bare: two threads, hyper-util's client cloned") {
            self.at_least("the same, cloned for each call with hyper-util's client".to_owned(), cloned, 0.95 * bare);
        }
        self.at_most("future beyond hyper-util's own: bytes".to_owned(), self.figure("future: bytes beyond"), 112.0);
    }

    fn loopback(&mut self) {
        for protocol in ["HTTP/1.1", "HTTP/2"] {
            let figure = |what: &str| self.figure(&format!("reauth: {protocol}: {what}"));
            let (time, rate) = (figure("client time against bare"), figure("rate against bare"));
            self.at_most(format!("{protocol}, 64 at a time / bare: client's processor time"), time, 1.035);
            self.at_least(format!("{protocol}, 64 at a time / bare: requests a second"), rate, 0.97);
        }
    }

    fn storm(&mut self) {
        for storm in ["plain", "late rejections", "half give up"] {
            for calls in ["10000", "100000"] {
                let figure = |what: &str| self.figure(&format!("storm of {calls}, {storm}: {what}"));
                let (requests, not_200) = (figure("token requests"), figure("not 200"));
                let time = figure("time against bare calls");
                self.at_most(format!("storm of {calls}, {storm}: token requests"), requests, 1.0);
                self.at_most(format!("storm of {calls}, {storm}: calls without a 200"), not_200, 0.0);
                let bound = if calls == "10000" { 1.02 } else { 1.15 };
                self.at_most(format!("storm of {calls}, {storm} / bare calls: time"), time, bound);
            }
        }
    }

    fn memory(&mut self) {
        for fixture in ["8 S", "8 O"] {
            for (state, bytes) in [("in flight", 900.0), ("parked", 1300.0)] {
                let more = self.figure(&format!("memory, {fixture}, {state}: bytes beyond bare"));
                self.at_most(format!("a request {state}, {fixture}, - bare: bytes"), more, bytes);
            }
        }
    }

    fn sessions(&mut self) {
        for tokens in ["64-byte tokens", "1 KiB JWTs"] {
            let beyond = self.figure(&format!("sessions, {tokens}: bytes beyond the tokens"));
            self.at_most(format!("one of a million sessions, {tokens}: bytes beyond them"), beyond, 350.0);
        }
        let healed = self.figure("sessions, 64-byte tokens, healed: bytes beyond the tokens");
        self.at_most("the same, each healed a minute ago".to_owned(), healed, 350.0);
        let among = self.figure("sessions, call among 1000000: times a call of one");
        self.at_most("a call among a million sessions / a call of one: time".to_owned(), among, 2.8);
    }

    fn recovery(&mut self) {
        for (place, micros) in [(Place::Main, 200.0), (Place::Task, 60.0), (Place::OneThread, 60.0)] {
            for renewal in Renewal::ALL {
                let beyond = worst(self.figures, place, renewal, "µs beyond by hand");
                self.at_most(format!("recovery {place}, {renewal}, at worst, - by hand: µs"), beyond, micros);
            }
        }
        for place in Place::ALL {
            let opened = Renewal::ALL.map(|renewal| worst(self.figures, place, renewal, "new connections"));
            let opened = opened.into_iter().flatten().max_by(f64::total_cmp);
            self.at_most(format!("recovery {place}, at worst: new connections"), opened, 0.02);
        }
    }

    fn figure(&self, name: &str) -> Option<f64> {
        self.figures.get(name).copied()
    }

    fn at_most(&mut self, what: String, measured: Option<f64>, bound: f64) {
        self.bounded(what, measured, bound, Relation::AtMost);
    }

    fn at_least(&mut self, what: String, measured: Option<f64>, bound: f64) {
        self.bounded(what, measured, bound, Relation::AtLeast);
    }

    fn bounded(&mut self, what: String, measured: Option<f64>, bound: f64, relation: Relation) {
        self.found.extend(measured.map(|measured| Target { what, measured, bound, relation }));
    }
}
