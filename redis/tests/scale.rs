//! The arithmetic of the manual's page `fleet`, held against a simulation that plays the protocol, and against the library's own
//! constants.

#![allow(dead_code, reason = "the example uses more of it")]

#[path = "../examples/scale/formulas.rs"]
mod formulas;
#[path = "../examples/scale/simulation.rs"]
mod simulation;

use formulas::{Fleet, RENEWING, waiting};
use simulation::{LEASE, Sample, play, storm};

/// Many renewals in a short play: tokens live for a quarter of an hour.
const SHORT: Fleet = Fleet { active: 1.0, lifetime: 900.0, idle: 600.0, ..Fleet::LARGE };

fn agrees(what: &str, by_formula: f64, played: f64) {
    let apart = (played - by_formula).abs();
    assert!(apart <= 0.03 * by_formula, "{what}: {by_formula} by the formula, {played} when played");
}

#[test]
fn formulas_say_what_the_simulation_counts() {
    let fleets = [
        ("sticky", SHORT, 100),
        ("sticky, busy", Fleet { calls: 2.0, ..SHORT }, 20),
        ("not sticky", Fleet { sticky: false, ..SHORT }, 300),
        ("not sticky, busy", Fleet { sticky: false, calls: 5.0, ..SHORT }, 6),
        ("one login in a thousand replicas", Fleet { sticky: false, calls: 20.0, idle: 300.0, ..SHORT }, 6),
        ("one login in eight replicas", Fleet { sticky: false, replicas: 8.0, calls: 4.0, ..SHORT }, 20),
    ];
    for (name, fleet, sessions) in fleets {
        let expected = fleet.load();
        let played = play(&fleet, Sample { sessions, seconds: 7_200.0, token_request: 0.05 }, 1);
        let each = |sum: f64| sum / f64::from(sessions);
        agrees(&format!("{name}: looks"), expected.looks, each(played.looks));
        agrees(&format!("{name}: renewals"), expected.renewals, each(played.renewals));
        agrees(&format!("{name}: commands of renewals"), expected.renewal_commands, each(played.renewal_commands));
        agrees(&format!("{name}: commands"), expected.commands(), each(played.commands()));
        agrees(&format!("{name}: messages"), expected.messages, each(played.messages));
        agrees(&format!("{name}: subscriptions"), expected.subscriptions, each(played.subscriptions));
    }
}

#[test]
fn storm_costs_one_renewal_and_a_handful_of_commands_for_each_that_waits() {
    for replicas in [1, 8, 64, 1_000] {
        for token_request in [0.02, 0.1, 1.0, 12.0] {
            let played = storm(replicas, token_request, 7);
            assert_eq!(played.renewals, 1.0, "{replicas} replicas, {token_request} s");
            let extended = (token_request * LEASE.1 / LEASE.0).floor();
            let expected = RENEWING + extended + (replicas - 1) as f64 * waiting(token_request);
            agrees(&format!("{replicas} replicas, {token_request} s"), expected, played.renewal_commands);
        }
    }
}

#[test]
fn the_same_seed_plays_the_same() {
    let sample = Sample { sessions: 3, seconds: 1_000.0, token_request: 0.1 };
    let play = |seed| format!("{:?}", play(&SHORT, sample, seed));
    assert_eq!(play(5), play(5));
    assert_ne!(play(5), play(6));
}

/// The simulation has these numbers of its own: they are the library's.
#[test]
fn times_are_those_of_the_library() {
    let files = [
        (include_str!("../src/lease.rs"), "LIFE: Duration = Duration::from_secs(15)"),
        (include_str!("../src/lease.rs"), "EXTENSIONS: u32 = 5"),
        (include_str!("../src/store.rs"), "Duration::from_secs(4)"),
        (include_str!("../../src/session/reach.rs"), "(Duration::from_millis(100), Duration::from_secs(1))"),
    ];
    for (file, line) in files {
        assert!(
            file.contains(line),
            "the library has another number than `{line}`: change the simulation and the manual's page"
        );
    }
}

#[test]
fn manual_has_the_tables_that_the_formulas_give() {
    let page = include_str!("../../src/manual/fleet.rs");
    for line in formulas::tables().lines() {
        assert!(page.contains(&format!("//! {line}\n")), "src/manual/fleet.rs does not have this line: {line}");
    }
}
