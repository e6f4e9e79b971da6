//! The timeline: every line of output, in the order in which things happen.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use crate::support::Counters;

/// Who is no device of the user's.
pub(crate) const THIEF: &str = "thief";

/// Prints; all clones write to one sequence.
#[derive(Clone)]
pub(crate) struct Timeline {
    pen: Arc<Pen>,
}

struct Pen {
    // The title is at 0 ms, however long a prompt took before it.
    started: OnceLock<Instant>,
    colours: bool,
    // One line at a time, whoever writes it.
    output: Mutex<io::Stdout>,
}

/// The colours, as SGR codes of ECMA-48.
#[derive(Clone, Copy)]
enum Colour {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Timeline {
    pub(crate) fn new(no_color: bool) -> Self {
        let unwanted = no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let output = io::stdout();
        let colours = !unwanted && output.is_terminal();
        Self { pen: Arc::new(Pen { started: OnceLock::new(), colours, output: Mutex::new(output) }) }
    }

    pub(crate) fn title(&self, story: &str, target: &str) {
        self.line(self.paint(Colour::Bold, story));
        self.line(self.paint(Colour::Dim, target));
    }

    pub(crate) fn heading(&self, text: &str) {
        self.line("");
        self.line(self.paint(Colour::Bold, text));
    }

    /// A device begins something.
    pub(crate) fn device(&self, device: &str, what: &str) {
        self.row(device, self.paint(Colour::Bold, what));
    }

    /// What a device began went well.
    pub(crate) fn good(&self, device: &str, what: &str) {
        self.row(device, self.paint(Colour::Green, what));
    }

    /// A device sees a failure.
    pub(crate) fn bad(&self, device: &str, what: &str) {
        self.row(device, self.paint(Colour::Red, what));
    }

    /// The gateway answers something to a device. A refusal is no failure yet: healing it is what the layer is for.
    pub(crate) fn gateway(&self, device: &str, what: &str, refusal: bool) {
        let what = if refusal { self.paint(Colour::Yellow, what) } else { what.to_owned() };
        self.row(device, format!("  {}  {what}", self.paint(Colour::Blue, "gateway")));
    }

    /// The layer does something for a device.
    pub(crate) fn layer(&self, device: &str, what: &str) {
        self.row(device, format!("  {}    {what}", self.paint(Colour::Bold, "layer")));
    }

    /// What the gateway counted.
    pub(crate) fn counters(&self, counters: &Counters) {
        let calls = many(counters.accepted + counters.rejected, "call");
        let kinds = counters.token_requests.iter().map(|(kind, times)| format!("{times} {kind}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        self.line(format!(
            "  gateway  {calls}: {} let through, {} rejected, {} of these sent again with another token",
            counters.accepted, counters.rejected, counters.replayed
        ));
        let requests = many(counters.all_token_requests(), "token request");
        self.line(format!("           {requests}: {kinds}; {} of them refused", counters.refused_token_requests));
        self.line(format!("           {}", many(counters.revocations, "revocation")));
    }

    /// What a device saw.
    pub(crate) fn sum(&self, device: &str, calls: u64, failures: u64) {
        let colour = if failures == 0 { Colour::Green } else { Colour::Red };
        let failures = self.paint(colour, many(failures, "failure").trim_start());
        self.line(format!("  {device:9}{}, {failures}", many(calls, "call")));
    }

    fn row(&self, device: &str, what: impl fmt::Display) {
        let colour = match device {
            "desktop" => Colour::Cyan,
            THIEF => Colour::Red,
            _ => Colour::Magenta,
        };
        let device = self.paint(colour, &format!("{device:8}"));
        self.write(|elapsed| {
            let time = self.paint(Colour::Dim, &format!("{:>6} ms", elapsed.as_millis()));
            format!("{time}  {device}  {what}")
        });
    }

    fn line(&self, text: impl fmt::Display) {
        self.write(|_| text);
    }

    /// Writes a line. It learns the time under the lock, so that times rise from row to row.
    fn write<T: fmt::Display>(&self, line: impl FnOnce(Duration) -> T) {
        let mut output = self.pen.output.lock().unwrap_or_else(PoisonError::into_inner);
        let line = line(self.pen.started.get_or_init(Instant::now).elapsed());
        // Who closes the pipe does not want to read on; the story has its exit status.
        let _ = writeln!(output, "{line}");
        drop(output);
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if !self.pen.colours {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Bold => 1,
            Colour::Dim => 2,
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Blue => 34,
            Colour::Magenta => 35,
            Colour::Cyan => 36,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

fn many(number: u64, thing: &str) -> String {
    format!("{number:>3} {thing}{}", if number == 1 { "" } else { "s" })
}
