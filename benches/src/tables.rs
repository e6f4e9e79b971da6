//! The tables of the report.

use crate::{
    Fixture,
    figures::{Figures, Spread},
};

/// What is compared, in this order.
pub const KINDS: [&str; 9] = [
    "bare",
    "AddAuthorization",
    "Retry by hand",
    "kube-client",
    "google-cloud-auth",
    "azure_core",
    "reauth",
    "reauth, once",
    "reauth, off",
];

/// The instructions and allocations of a call.
pub fn cost_tables(figures: &Figures) -> String {
    let mut tables = String::from(
        "Instructions / allocations, by the number of headers; S: static values, O: values of their own. azure_core's \
         requests are of another type.\n",
    );
    for size in ["38", "1024"] {
        for service in ["reused", "cloned"] {
            let heads: String = Fixture::ALL.iter().map(|fixture| format!(" {fixture} |")).collect();
            tables += &format!(
                "\n| token of {size} bytes, service {service} |{heads}\n|{}\n",
                " --- |".repeat(1 + Fixture::ALL.len())
            );
            for name in KINDS {
                let cells = Fixture::ALL.iter().map(|fixture| {
                    let figure = |what| figures[&format!("{name}: {fixture}, {service}, {size} B token: {what}")];
                    format!(" {:.0} / {} |", figure("instructions"), figure("allocations"))
                });
                tables += &format!("| {name} |{}\n", cells.collect::<String>());
            }
        }
    }
    tables
}

/// Beside the instructions, what they take: of times only the spread says what they are worth.
pub fn time_tables(figures: &Figures) -> String {
    let mut tables = format!(
        "Nanoseconds of such a call with a token of 38 bytes, and how many times as long as the bare call of the same round it took: \
         median and quartiles of {} rounds, in which all kinds take turns.\n",
        figures["call: rounds"]
    );
    for service in ["reused", "cloned"] {
        let heads: String = Fixture::ALL.iter().map(|fixture| format!(" {fixture} |")).collect();
        tables += &format!("\n| service {service} |{heads}\n|{}\n", " --- |".repeat(1 + Fixture::ALL.len()));
        for name in KINDS {
            let cells = Fixture::ALL.iter().map(|fixture| {
                let spread = |what| Spread::read(figures, &format!("{name}: {fixture}, {service}: {what}"));
                format!(" {:.0} ns; {:.2} |", spread("ns a call"), spread("time against bare"))
            });
            tables += &format!("| {name} |{}\n", cells.collect::<String>());
        }
    }
    tables += "\nOver loopback, 64 requests at a time, and in a storm, likewise against the bare calls of the round:\n\n\
        | what | time | against bare |\n| --- | --- | --- |\n";
    for protocol in ["HTTP/1.1", "HTTP/2"] {
        let spread = |what| Spread::read(figures, &format!("reauth: {protocol}: {what}"));
        let (time, ratio) = (spread("client µs a request"), spread("client time against bare"));
        tables += &format!("| {protocol}, the client's processor | {time:.2} µs a request | {ratio:.3} |\n");
        let (rate, ratio) = (spread("requests a second"), spread("rate against bare"));
        tables += &format!("| {protocol}, more being better | {rate:.0} requests a second | {ratio:.3} |\n");
    }
    for (calls, storm) in storms() {
        let spread = |what| Spread::read(figures, &format!("storm of {calls}, {storm}: {what}"));
        let (time, ratio) = (spread("ms"), spread("time against bare calls"));
        tables += &format!("| storm of {calls}, {storm} | {time:.0} ms | {ratio:.3} |\n");
    }
    tables
}

/// What storms there are, by the number of calls.
pub fn storms() -> impl Iterator<Item = (&'static str, &'static str)> {
    ["10000", "100000"]
        .into_iter()
        .flat_map(|calls| ["plain", "late rejections", "half give up"].into_iter().map(move |storm| (calls, storm)))
}

/// What tokens that are bound to a key cost (feature `dpop`), and what other libraries would take for a signature.
pub fn proof_tables(figures: &Figures) -> String {
    let mut tables = String::from(
        "Processor time of one thread. A proof is the difference to a call without one.\n\n\
         | algorithm, token | µs a call | µs a proof | proofs a second and core |\n| --- | --- | --- | --- |\n",
    );
    for algorithm in ["ES256", "EdDSA"] {
        for size in ["38", "1024"] {
            let figure = |what: &str| figures[&format!("dpop, {algorithm}, {size} B token: {what}")];
            let (call, proof) = (figure("µs a call"), figure("µs a proof"));
            let rate = figure("proofs a second and core");
            tables += &format!("| {algorithm}, {size} bytes | {call:.1} | {proof:.1} | {rate:.0} |\n");
        }
    }
    tables += "\n| a signature alone | µs |\n| --- | --- |\n";
    for (name, microseconds) in figures {
        let signer = name.strip_prefix("dpop, ").and_then(|name| name.strip_suffix(": µs a signature"));
        tables.extend(signer.map(|signer| format!("| {signer} | {microseconds:.1} |\n")));
    }
    tables
}
