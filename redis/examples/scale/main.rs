//! A fleet past one machine, by arithmetic: `cargo run -p tower-reauth-redis --example scale`.
//!
//! It prints the tables of the manual's page `fleet`: what a fleet of a thousand replicas asks of Redis. `formulas` has the
//! arithmetic, `simulation` plays the protocol call by call, with no time of its own; a test holds the one against the other.

mod formulas;
mod simulation;

fn main() {
    println!("{}", formulas::tables());
    println!();
    println!("Sampled sessions of the same fleets, played: commands a second, for each session with traffic.");
    println!("| fleet | by the formulas | played |");
    println!("| --- | --- | --- |");
    for (name, fleet, sample) in formulas::fleets() {
        let played = simulation::play(&fleet, sample, 1).commands() / f64::from(sample.sessions);
        println!("| {name} | {:.4} | {played:.4} |", fleet.load().commands() / fleet.active);
    }
    println!();
    println!("A token dies under so many replicas at once: commands of that renewal.");
    println!("| replicas | by the formulas | played |");
    println!("| --- | --- | --- |");
    for replicas in [1, 8, 64, 1_000] {
        let played = simulation::storm(replicas, 0.1, 1).renewal_commands;
        let expected = formulas::RENEWING + (replicas - 1) as f64 * formulas::waiting(0.1);
        println!("| {replicas} | {expected} | {played} |");
    }
}
