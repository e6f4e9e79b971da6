//! What a call with a good token costs, in instructions and allocations: `cargo bench --bench cost`.
//!
//! Instructions are counted by valgrind's callgrind, called directly: it needs nothing but the distribution's package,
//! where a harness around it would need a second binary of just its own version. All cases run in one process. Counting
//! is on inside [`callgrind_counts_here`] only, so that making a request is never part of the figure, and [`callgrind_writes_here`] makes callgrind
//! write down what was counted. A figure is exact: the same binary counts the same twice.
//!
//! - `cargo bench --bench cost` prints a table, the ratios, and whether each target is reached.
//! - `-- --json <file>` also writes the figures to a file.
//! - `-- --gate <file>` compares them with such a file, names each case that became worse by more than 3 %, and fails.
//!   Other compilers and C libraries count otherwise: compare what was made alike.

use std::{
    collections::BTreeMap,
    env, fs,
    hint::black_box,
    path::Path,
    process::{Command, ExitCode},
};

use http::Request;
use http_body::Body;
use tower::Service;
use tower_reauth_benches::{Fixture, Kind, Payload, Probe, allocations, answer, session};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const TOKEN_SIZES: [usize; 2] = [38, 1024];
const WARM_UP: u64 = 16;
const CALLS: u64 = 64;
const TOLERANCE: f64 = 1.03;
/// Says that this process runs under callgrind.
const COUNTED: &str = "TOWER_REAUTH_COUNTED";

/// Per case: instructions and allocations of one call.
type Figures = BTreeMap<String, [f64; 2]>;

fn main() -> ExitCode {
    if env::var_os(COUNTED).is_some() {
        run_cases();
        return ExitCode::SUCCESS;
    }
    let figures = match count() {
        Ok(figures) => figures,
        Err(error) => {
            eprintln!("no figures: {error}");
            return ExitCode::FAILURE;
        }
    };
    let arguments: Vec<String> = env::args().collect();
    let value_of = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    if let Some(file) = value_of("--json") {
        let text = serde_json::to_string_pretty(&figures).expect("strings and numbers") + "\n";
        fs::write(file, text).expect("the file can be written");
    }
    if let Some(file) = value_of("--gate") {
        return gate(&figures, Path::new(file));
    }
    print_table(&figures);
    print_targets(&figures);
    ExitCode::SUCCESS
}

fn case_name(kind: Kind, fixture: Fixture, cloned: bool, size: usize) -> String {
    format!("{}: {fixture}, {}, {size} B token", kind.name(), if cloned { "cloned" } else { "reused" })
}

/// Runs this program under callgrind, and reads what it counted.
fn count() -> Result<Figures, String> {
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
    let figures = lines.lines().enumerate().map(|(index, line)| {
        let (case, allocations) = line.rsplit_once('\t').ok_or("a line without allocations")?;
        let allocations: f64 = allocations.parse().map_err(|_| "allocations that are no number")?;
        // Dumps are numbered from 1.
        let dump = fs::read_to_string(folder.join(format!("out.{}", index + 1))).map_err(|error| error.to_string())?;
        let total = dump.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("a dump without totals")?;
        let total: f64 = total.trim().parse().map_err(|_| "totals that are no number")?;
        Ok((case.to_owned(), [total / CALLS as f64, allocations]))
    });
    let figures = figures.collect();
    // Left behind where something failed, to be looked at.
    let _ = fs::remove_dir_all(&folder);
    figures
}

fn run_cases() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _inside = runtime.enter();
    for size in TOKEN_SIZES {
        let session = runtime.block_on(session(size));
        for fixture in Fixture::ALL {
            for cloned in [false, true] {
                for kind in Kind::ALL {
                    kind.probe(&session, size, &mut Case { fixture, cloned, size });
                }
            }
        }
    }
}

struct Case {
    fixture: Fixture,
    cloned: bool,
    size: usize,
}

impl Probe for Case {
    fn run<S, B>(&mut self, kind: Kind, mut service: S)
    where
        S: Service<Request<B>> + Clone + Send,
        S::Future: Send,
        S::Error: std::fmt::Debug,
        B: From<Payload> + Body + 'static,
    {
        let mut allocated = 0;
        for turn in 0..WARM_UP + CALLS {
            let mut request = Some(self.fixture.request::<B>());
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
        println!("{}\t{}", case_name(kind, self.fixture, self.cloned, self.size), allocated as f64 / CALLS as f64);
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

fn print_table(figures: &Figures) {
    for size in TOKEN_SIZES {
        for cloned in [false, true] {
            println!(
                "\ninstructions / allocations of one call; service {}, token of {size} bytes",
                if cloned { "cloned for each call" } else { "reused" }
            );
            print!("{:18}", "");
            Fixture::ALL.iter().for_each(|fixture| print!("{:>14}", fixture.to_string()));
            println!();
            for kind in Kind::ALL {
                print!("{:18}", kind.name());
                for fixture in Fixture::ALL {
                    let [instructions, allocations] = figures[&case_name(kind, fixture, cloned, size)];
                    print!("{:>14}", format!("{instructions:.0} / {allocations}"));
                }
                println!();
            }
        }
    }
}

fn print_targets(figures: &Figures) {
    let of = |kind, owned| figures[&case_name(kind, Fixture { headers: 8, owned }, false, TOKEN_SIZES[0])];
    println!("\ntargets: 8 headers, service reused, token of {} bytes", TOKEN_SIZES[0]);
    let ratios = [
        (Kind::Reauth, Kind::AddAuthorization, false, 1.80),
        (Kind::Reauth, Kind::AddAuthorization, true, 1.50),
        (Kind::Reauth, Kind::RetryByHand, false, 0.75),
        (Kind::Reauth, Kind::RetryByHand, true, 0.57),
        (Kind::ReauthOff, Kind::AddAuthorization, false, 1.12),
        (Kind::ReauthOff, Kind::AddAuthorization, true, 1.12),
        (Kind::ReauthOnce, Kind::AddAuthorization, false, 1.12),
        (Kind::ReauthOnce, Kind::AddAuthorization, true, 1.12),
    ];
    for (ours, other, owned, target) in ratios {
        let ratio = of(ours, owned)[0] / of(other, owned)[0];
        print_target(&format!("{} : {}, {}", ours.name(), other.name(), if owned { "O" } else { "S" }), ratio, target);
    }
    for (owned, target) in [(false, 0.0), (true, 1.0)] {
        let more = of(Kind::Reauth, owned)[1] - of(Kind::AddAuthorization, owned)[1];
        print_target(&format!("allocations beyond AddAuthorization, {}", if owned { "O" } else { "S" }), more, target);
    }
}

fn print_target(what: &str, figure: f64, target: f64) {
    println!("{what:42} {figure:.3}, target {target:.2}: {}", if figure <= target { "reached" } else { "MISSED" });
}

/// Fails where a case became dearer than the tolerance allows, or is gone, or is not in the file yet.
fn gate(figures: &Figures, file: &Path) -> ExitCode {
    let text = fs::read_to_string(file).expect("the committed figures can be read");
    let committed: Figures = serde_json::from_str(&text).expect("the committed figures are JSON");
    let mut worse = 0;
    for case in committed.keys().chain(figures.keys().filter(|case| !committed.contains_key(*case))) {
        let complaint = match (committed.get(case), figures.get(case)) {
            (Some(before), Some(now)) => {
                let dearer = ["instructions", "allocations"].into_iter().zip(before.iter().zip(now));
                let dearer = dearer.filter(|(_, (before, now))| **now > **before * TOLERANCE);
                dearer
                    .map(|(what, (before, now))| format!("{before:.0} {what} became {now:.0}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            (_, None) => "is no longer measured".to_owned(),
            (None, _) => "is not in the file: write it anew with --json".to_owned(),
        };
        if !complaint.is_empty() {
            worse += 1;
            println!("{case}: {complaint}");
        }
    }
    println!("{} cases compared, {worse} complaints", figures.len());
    if worse == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
