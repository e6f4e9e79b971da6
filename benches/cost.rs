//! What a call with a good token costs, in instructions and allocations: `cargo bench --bench cost`.
//!
//! Instructions are counted by valgrind's callgrind, called directly: it needs nothing but the distribution's package,
//! where a harness around it would need a second binary of just its own version. All cases run in one process. Counting
//! is on inside [`callgrind_counts_here`] only, so that making a request is never part of the figure, and
//! [`callgrind_writes_here`] makes callgrind write down what was counted.
//!
//! What the C library's allocator takes is counted by itself. It depends on everything that the process has allocated
//! before (whether a list of free pieces is empty, a neighbour is free, a piece is large): up to 12 % of a call between
//! two programs that differ elsewhere. The rest is exact to the instruction, in whatever folder the program was built,
//! and within 1 % for compilers some versions apart. The number of allocations is exact, too.
//!
//! - `cargo bench --bench cost` prints a table, the ratios, and whether each target is reached; with `--features peers`
//!   also for other crates that add credentials.
//! - `-- --json <file>` also writes the figures to a file.
//! - `-- --gate <file>` compares this crate's cases with such figures: instructions outside the allocator, and
//!   allocations. It names each case that became dearer by more than 3 %, and fails.
//! - `-- --bless <file>` writes the file that `--gate` reads.
//! - `-- --beside <file>` compares with what `--json` wrote, with `--features unused` no call may take another allocation than without,
//!   nor more instructions than the compiler adds by itself.
//!
//! Copies of memory are made by what the processor has: one without AVX2 counts otherwise.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    hint::black_box,
    process::{Command, ExitCode},
};

use tower::Service;
use tower_reauth_benches::{
    Credentials, Fixture, Kind, Probe, allocations, answer,
    callgrind::Instructions,
    figures::{Figures, argument, keep},
    targets,
};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const TOKEN_SIZES: [usize; 2] = [38, 1024];
const WARM_UP: u64 = 16;
const CALLS: u64 = 64;
const TOLERANCE: f64 = 1.03;
/// What a compiler may make of the same code in a larger crate, a call: 4 to 51 instructions were seen, and not because of anything
/// that is asked for there but whether somebody counts (5).
const LARGER: f64 = 64.0;
/// Says that this process runs under callgrind.
const COUNTED: &str = "TOWER_REAUTH_COUNTED";

/// What one call costs.
#[derive(Clone, Copy, Debug)]
struct Cost {
    instructions: f64,
    /// Those among them that do not change from one program to the next.
    outside_the_allocator: f64,
    allocations: f64,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    fixture: Fixture,
    cloned: bool,
    token_size: usize,
}

type Costs = BTreeMap<String, Cost>;

fn main() -> ExitCode {
    if env::var_os(COUNTED).is_some() {
        run_cases();
        return ExitCode::SUCCESS;
    }
    let costs = match count() {
        Ok(costs) => costs,
        Err(error) => {
            eprintln!("no figures: {error}");
            return ExitCode::FAILURE;
        }
    };
    let figures = everything(&costs);
    keep(&figures);
    if let Some(file) = argument("--bless") {
        fs::write(file, serde_json::to_string_pretty(&gated(&costs)).expect("strings and numbers") + "\n")
            .expect("the file can be written");
        return ExitCode::SUCCESS;
    }
    if let Some(file) = argument("--gate") {
        return gate(&gated(&costs), &file);
    }
    if let Some(file) = argument("--beside") {
        return beside(&gated(&costs), &file);
    }
    print_table(&costs);
    targets::print(&figures);
    ExitCode::SUCCESS
}

/// Runs this program under callgrind, and reads what it counted.
fn count() -> Result<Costs, String> {
    let folder = env::temp_dir().join(format!("tower-reauth-cost-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*callgrind_counts_here*", "--dump-after=*callgrind_writes_here*"])
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(program)
        .env(COUNTED, "1")
        .output()
        .map_err(|error| format!("valgrind can't be started ({error}); it comes with the distribution's packages"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let costs = lines.lines().enumerate().map(|(index, line)| {
        let (case, allocations) = line.rsplit_once('\t').ok_or("a line without allocations")?;
        let allocations: f64 = allocations.parse().map_err(|_| "allocations that are no number")?;
        // Dumps are numbered from 1.
        let dump = fs::read_to_string(folder.join(format!("out.{}", index + 1))).map_err(|error| error.to_string())?;
        let instructions = Instructions::read(&dump)?;
        if allocations > 0.0 && instructions.allocator == 0 {
            return Err(format!("{case}: allocates, and callgrind knows no allocator by name"));
        }
        let of_one_call = |instructions| instructions as f64 / CALLS as f64;
        let cost = Cost {
            instructions: of_one_call(instructions.total),
            outside_the_allocator: of_one_call(instructions.outside_the_allocator()),
            allocations,
        };
        Ok((case.to_owned(), cost))
    });
    let costs = costs.collect();
    // Left behind where something failed, to be looked at.
    let _ = fs::remove_dir_all(&folder);
    costs
}

fn run_cases() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    for token_size in TOKEN_SIZES {
        let credentials = runtime.block_on(Credentials::new(token_size));
        for fixture in Fixture::ALL {
            for cloned in [false, true] {
                for &kind in Kind::ALL {
                    kind.probe(&credentials, &mut Case { fixture, cloned, token_size });
                }
            }
        }
    }
}

impl Case {
    fn of(self, kind: Kind) -> String {
        format!("{}: {self}", kind.name())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fixture, cloned, token_size } = self;
        write!(f, "{fixture}, {}, {token_size} B token", if *cloned { "cloned" } else { "reused" })
    }
}

impl Probe for Case {
    fn run<S, R>(&mut self, kind: Kind, mut service: S, request: fn(Fixture) -> R)
    where
        S: Service<R> + Clone + Send + 'static,
        S::Error: fmt::Debug,
        R: 'static,
    {
        let mut allocated = 0;
        for turn in 0..WARM_UP + CALLS {
            let mut request = Some(request(self.fixture));
            let mut call = || {
                let request = request.take().expect("called once");
                let response =
                    if self.cloned { answer(&mut service.clone(), request) } else { answer(&mut service, request) };
                drop(black_box(response));
            };
            if turn < WARM_UP {
                call();
            } else {
                let before = allocations::count();
                callgrind_counts_here(&mut call);
                allocated += allocations::count() - before;
            }
        }
        println!("{}\t{}", self.of(kind), allocated as f64 / CALLS as f64);
        callgrind_writes_here();
    }
}

#[inline(never)]
fn callgrind_counts_here(call: &mut dyn FnMut()) {
    call();
    black_box(());
}

#[inline(never)]
fn callgrind_writes_here() {
    black_box(());
}

fn everything(costs: &Costs) -> Figures {
    let figures = costs.iter().flat_map(|(case, cost)| {
        [
            (format!("{case}: instructions"), cost.instructions),
            (format!("{case}: instructions outside the allocator"), cost.outside_the_allocator),
            (format!("{case}: allocations"), cost.allocations),
        ]
    });
    figures.collect()
}

/// What must not become dearer: this crate's own cases, in figures that are the same in any folder.
fn gated(costs: &Costs) -> Figures {
    let mut figures = everything(costs);
    figures.retain(|name, _| name.starts_with("reauth") && !name.ends_with(": instructions"));
    figures
}

/// Fails where a case became dearer than the tolerance allows, or is gone, or is not in the file yet.
fn gate(figures: &Figures, file: &str) -> ExitCode {
    let committed = read(file);
    let mut complaints = Vec::new();
    let mut cheaper = 0;
    for name in committed.keys().chain(figures.keys().filter(|name| !committed.contains_key(*name))) {
        match (committed.get(name), figures.get(name)) {
            (Some(before), Some(now)) if *now > before * TOLERANCE => {
                complaints.push(format!("{name}: {before} became {now}"));
            }
            (Some(before), Some(now)) => cheaper += usize::from(now * TOLERANCE < *before),
            (_, None) => complaints.push(format!("{name}: no longer measured")),
            (None, _) => complaints.push(format!("{name}: not in {file}")),
        }
    }
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    println!("{} figures compared, {} complaints, {cheaper} cheaper by more than 3 %", figures.len(), complaints.len());
    if complaints.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!(
        "where this is meant: cargo bench --manifest-path benches/Cargo.toml --bench cost -- --bless baseline.json"
    );
    ExitCode::FAILURE
}

/// Fails where a case costs more than in the other figures, or is not among them.
fn beside(figures: &Figures, file: &str) -> ExitCode {
    let others = read(file);
    let more = |(name, now): (&String, &f64)| match others.get(name) {
        Some(other) if name.ends_with("allocations") => *now - other,
        Some(other) => ((*now - other) - LARGER).max(0.0),
        None => f64::INFINITY,
    };
    let dearer: Vec<_> = figures.iter().filter(|figure| more(*figure) > 0.0).collect();
    for (name, now) in &dearer {
        println!("{name}: {now}, and {:?} in {file}", others.get(*name));
    }
    let most = figures.iter().filter_map(|(name, now)| Some(now - others.get(name)?)).fold(f64::MIN, f64::max);
    println!("{} figures beside {file}: {} dearer, by {most} at most", figures.len(), dearer.len());
    if dearer.is_empty() && !figures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(file: &str) -> Figures {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn print_table(costs: &Costs) {
    for token_size in TOKEN_SIZES {
        for cloned in [false, true] {
            println!(
                "\ninstructions / allocations of one call; service {}, token of {token_size} bytes",
                if cloned { "cloned for each call" } else { "reused" }
            );
            print!("{:18}", "");
            Fixture::ALL.iter().for_each(|fixture| print!("{:>14}", fixture.to_string()));
            println!();
            for &kind in Kind::ALL {
                print!("{:18}", kind.name());
                for fixture in Fixture::ALL {
                    let Cost { instructions, allocations, .. } = costs[&Case { fixture, cloned, token_size }.of(kind)];
                    print!("{:>14}", format!("{instructions:.0} / {allocations}"));
                }
                println!();
            }
        }
    }
}
