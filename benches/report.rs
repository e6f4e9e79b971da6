//! Runs the other benches, and writes what they measured to `report/`, and a picture with two sentences into the README:
//! `cargo bench --manifest-path benches/Cargo.toml --bench report`.
//!
//! It takes some minutes on a machine that does nothing else. With `-- --again` nothing is measured anew: what was
//! measured last is written again.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;
use tower_reauth_benches::{
    Fixture,
    chart::{Bar, Chart, Group},
    figures::Figures,
    history::History,
    recoveries,
    tables::{KINDS, cost_tables, proof_tables, storms, time_tables},
    targets::{self, Relation, Target, round},
};

/// Those that are run, and with which features. What depends on other crates changes with the features that they ask
/// for: only their own figures come from the build with them.
const BENCHES: [(&str, &str); 11] = [
    ("cost", "peers"),
    ("call", "peers"),
    ("cost", ""),
    ("call", ""),
    ("threads", ""),
    ("loopback", ""),
    ("storm", ""),
    ("memory", ""),
    ("sessions", ""),
    ("dpop", "dpop,signers"),
    ("recovery", ""),
];
const KINDS_ARE: &str = "*bare* has no layer; *Retry by hand* is tower's `Retry` with a token behind a lock; \
    *kube-client*, *google-cloud-auth* and *azure_core* add a token and never send a request again; *reauth* is this \
    crate, *once* with a body that can't be sent again, *off* with replay switched off.";
const MEASURED: [&str; 10] = [
    "azure_core",
    "google-cloud-auth",
    "http",
    "hyper",
    "hyper-util",
    "kube-client",
    "tokio",
    "tower",
    "tower-http",
    "tower-reauth",
];
const HISTORY_IS: &str = "Each report's figures stay in [history.json](history.json); less is better. Instructions and bytes can be \
    compared from one report to the next, times against a bare call's where the machine is alike.";
/// What is between these lines of the README is written by this program.
const MARKERS: [&str; 2] = ["<!-- speed: written by benches/report.rs -->\n", "<!-- /speed -->\n"];

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut figures = Figures::new();
    let mut day = String::new();
    for (bench, features) in BENCHES {
        let file = folder.join(format!("target/figures-{bench}{features}.json"));
        if !env::args().any(|argument| argument == "--again") {
            measure(bench, features, &file);
        }
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let measured: Figures = serde_json::from_str(&text).expect("benches write figures");
        figures.extend(measured);
        day = output("date", &["-u", "-r", &file.to_string_lossy(), "+%F"]);
    }
    let report = folder.join("../report");
    fs::create_dir_all(&report).expect("the folder can be made");
    let charts = [
        ("call", call(&figures)),
        ("loopback", loopback(&figures)),
        ("threads", threads(&figures)),
        ("storm", storm(&figures)),
    ];
    for (name, chart) in &charts {
        fs::write(report.join(format!("{name}.svg")), chart.to_string()).expect("the chart can be written");
    }
    let versions = versions();
    let (circumstances, targets) = (circumstances(&day, &versions), targets::of(&figures));
    let mut history = History::read(&report.join("history.json"));
    // In the order of the alphabet this crate comes last.
    let version = versions.rsplit(", ").next().expect("this crate is measured");
    history.add(format!("{day}, {version}"), &figures);
    history.write(&report.join("history.json"));
    let picture = |folder: &str, (name, chart): &(&str, Chart)| format!("![{}]({folder}{name}.svg)\n\n", chart.title);
    let page = format!(
        "# What was measured\n\n{circumstances}\n\n{KINDS_ARE}\n\n{}## Targets\n\n{}\n\
         ## A call with a good token\n\n{}\n{}\n## A call with a proof\n\n{}\n## A call whose token was revoked\n\n{}\n\
         ## Over the years\n\n{HISTORY_IS}\n\n{}",
        charts.iter().map(|chart| picture("", chart)).collect::<String>(),
        target_table(&targets),
        cost_tables(&figures),
        time_tables(&figures),
        proof_tables(&figures),
        recoveries::table(&figures),
        history.table(),
    );
    fs::write(report.join("README.md"), page).expect("the page can be written");
    let speed = picture("report/", &charts[0]) + &summary(&figures);
    write_readme(&folder.join("../README.md"), &speed);
    print!("{}", verdict(&targets));
}

fn measure(bench: &str, features: &str, file: &Path) {
    println!("\n=== {bench}");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["bench", "--locked", "--bench", bench, "--features", features]);
    let status = cargo.arg("--").arg("--json").arg(file).stdin(Stdio::null()).status().expect("cargo can be started");
    assert!(status.success(), "{bench} failed");
}

fn call(figures: &Figures) -> Chart {
    let group = |owned, name: &str| {
        let fixture = Fixture::new(8, owned);
        let bars = KINDS.map(|name| {
            let figure = |what| figures[&format!("{name}: {fixture}, reused, 38 B token: {what}")];
            let (length, allocations) = (figure("instructions"), figure("allocations"));
            let time = figures[&format!("{name}: {fixture}, reused: ns a call")];
            let plural = if allocations == 1.0 { "" } else { "s" };
            let label = format!("{length:.0}, {allocations} allocation{plural}, {time:.0} ns");
            bar(name, length, label)
        });
        Group { name: name.to_owned(), bars: bars.into() }
    };
    Chart {
        title: "Instructions of a call with a good token, and its time".to_owned(),
        note: "8 headers, 256 bytes of body, an inner service that answers at once".to_owned(),
        groups: vec![
            group(true, "values in memory of their own, as real traffic has them"),
            group(false, "static values"),
        ],
    }
}

fn loopback(figures: &Figures) -> Chart {
    let group = |protocol: &str| {
        let bars = ["bare", "AddAuthorization", "Retry by hand", "reauth"].map(|name| {
            let figure = |what| figures[&format!("{name}: {protocol}: {what}")];
            let time = figure("client µs a request");
            bar(name, time, format!("{time:.1} µs, {:.3} of bare", figure("client time against bare")))
        });
        Group { name: protocol.to_owned(), bars: bars.into() }
    };
    Chart {
        title: "Processor time of the client for a request over loopback".to_owned(),
        note: "hyper-util's client, 64 requests at a time, a server in another process".to_owned(),
        groups: vec![group("HTTP/1.1"), group("HTTP/2")],
    }
}

fn threads(figures: &Figures) -> Chart {
    let group = |service: &str, name: &str| {
        let bars = KINDS.iter().filter_map(|name| {
            let times = *figures.get(&format!("{name}: two threads, {service}"))?;
            Some(bar(name, times, format!("{times:.2} times the calls")))
        });
        Group { name: name.to_owned(), bars: bars.collect() }
    };
    Chart {
        title: "Two threads against one".to_owned(),
        note: "one session for all calls; 2 is ideal".to_owned(),
        groups: vec![
            group("reused", "a service of its own for each thread"),
            group("cloned", "the service is cloned for each call"),
            group("hyper-util's client cloned", "the same, with hyper-util's client in it"),
        ],
    }
}

fn storm(figures: &Figures) -> Chart {
    let group = |calls: &str, storm: &str| {
        let bars = [("tasks that sleep", "ms of sleepers"), ("bare calls", "ms of bare calls"), ("reauth", "ms")];
        let bars = bars.map(|(name, what)| {
            let milliseconds = figures[&format!("storm of {calls}, {storm}: {what}")];
            bar(name, milliseconds, format!("{milliseconds:.0} ms"))
        });
        Group { name: format!("{calls} calls, {storm}"), bars: bars.into() }
    };
    Chart {
        title: "One revoked token, many calls, one token request".to_owned(),
        note: "until the last call is done; answers take 100 ms, the renewal 300 ms, late rejections 700 ms".to_owned(),
        groups: storms().map(|(calls, storm)| group(calls, storm)).collect(),
    }
}

fn bar(name: &str, length: f64, label: String) -> Bar {
    Bar { name: name.to_owned(), length, label, is_ours: name.starts_with("reauth") }
}

fn target_table(targets: &[Target]) -> String {
    let rows = targets.iter().map(|target| {
        let reached = if target.is_reached() { "yes" } else { "**no**" };
        format!("| {} | {} | {} | {reached} |\n", target.what, round(target.measured), bound(target))
    });
    format!("| what | measured | target | reached |\n| --- | --- | --- | --- |\n{}", rows.collect::<String>())
}

fn verdict(targets: &[Target]) -> String {
    let missed: Vec<&Target> = targets.iter().filter(|target| !target.is_reached()).collect();
    let list =
        missed.iter().map(|target| format!("- {}: {}, to be {}\n", target.what, round(target.measured), bound(target)));
    format!(
        "{} of {} targets are reached. Missed:\n\n{}",
        targets.len() - missed.len(),
        targets.len(),
        list.collect::<String>(),
    )
}

/// What the README says beside its picture.
fn summary(figures: &Figures) -> String {
    let figure = |name: &str, what: &str| figures[&format!("{name}: 8 O, reused, 38 B token: {what}")];
    format!(
        "A call with a good token takes {:.2} of the instructions of tower's `Retry` with a locked token, and {:.0} allocation \
         instead of {:.0} (8 headers, a body of 256 bytes). [All figures](report/README.md) come with the versions, the \
         machine and the targets they are held against.\n",
        figure("reauth", "instructions") / figure("Retry by hand", "instructions"),
        figure("reauth", "allocations"),
        figure("Retry by hand", "allocations"),
    )
}

fn bound(target: &Target) -> String {
    let relation = if target.relation == Relation::AtMost { "at most" } else { "at least" };
    format!("{relation} {}", round(target.bound))
}

/// When, where and with what.
fn circumstances(day: &str, versions: &str) -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("of unknown make");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!(
        "Measured on {day} with {cores} cores ({}), {}, {}, {}.\n{versions}.",
        processor.trim_start_matches([' ', '\t', ':']),
        output("rustc", &["--version"]),
        output("getconf", &["GNU_LIBC_VERSION"]),
        output("valgrind", &["--version"]),
    )
}

/// Of what this package depends on itself, so that of two versions of a crate the one that is measured is named.
fn versions() -> String {
    let metadata = output(env!("CARGO"), &["metadata", "--locked", "--all-features", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo writes JSON");
    let find = |list: &str, id: &Value| {
        metadata[list].as_array().into_iter().flatten().find(|one| one["id"] == *id).cloned().unwrap_or_default()
    };
    let root = &metadata["resolve"]["root"];
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a resolved workspace");
    let dependencies = nodes.iter().find(|node| node["id"] == *root).expect("this package")["dependencies"].clone();
    let packages = dependencies.as_array().expect("a list").iter().map(|id| find("packages", id));
    let named = packages.filter_map(|package| {
        let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
        MEASURED.contains(&name).then(|| format!("{name} {version}"))
    });
    named.collect::<Vec<_>>().join(", ")
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn write_readme(file: &PathBuf, speed: &str) {
    let readme = fs::read_to_string(file).expect("there is a README");
    let (before, rest) = readme.split_once(MARKERS[0]).expect("the README has the first marker");
    let (_, after) = rest.split_once(MARKERS[1]).expect("the README has the second marker");
    let [begin, end] = MARKERS;
    fs::write(file, format!("{before}{begin}{speed}{end}{after}")).expect("the README can be written");
}
