//! Writes down what everybody says to `tracing` on this thread, at every level.
//!
//! Every test of a binary begins with [`Trace::start`], or none does: a place in the code that is first reached on a thread
//! without one, while another thread starts one, may stay silent for ever.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// What was said since the start, until it is dropped.
pub struct Trace {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub fn start() -> Self {
        let lines = Lines::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        Self { lines, _guard: guard }
    }

    /// One line for each event and each span: level, target, name of a span, all fields, and the span that it is a child of.
    /// One more for each span that follows from another.
    pub fn lines(&self) -> Vec<String> {
        self.lines.0.lock().expect("nothing panics under the lock").clone()
    }

    /// The lines of the events of the crate that have this message.
    pub fn events(&self, message: &str) -> Vec<String> {
        let wanted = format!("tower_reauth message={message} ");
        self.lines().into_iter().filter(|line| line.contains(&wanted)).collect()
    }

    /// The events of the crate that people see who switch on INFO.
    pub fn told(&self) -> Vec<String> {
        let is_told = |line: &String| {
            ["INFO", "WARN", "ERROR"].iter().any(|level| line.starts_with(&format!("{level} tower_reauth message=")))
        };
        self.lines().into_iter().filter(is_told).collect()
    }
}

impl Lines {
    fn write(&self, metadata: &Metadata<'_>, name: &str, record: impl FnOnce(&mut Line)) {
        let mut line = Line(format!("{} {}{name} ", metadata.level(), metadata.target()));
        record(&mut line);
        self.0.lock().expect("nothing panics under the lock").push(line.0);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        self.write(event.metadata(), "", |line| event.record(line));
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        self.write(metadata, &format!(" span {}", metadata.name()), |line| {
            attributes.record(line);
            if let Some(parent) = context.span(id).and_then(|span| span.parent()) {
                write!(line.0, "in {}", parent.name()).expect("a string takes everything");
            }
        });
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        if let (Some(span), Some(before)) = (context.span(id), context.span(follows)) {
            self.write(span.metadata(), &format!(" span {} follows from {}", span.name(), before.name()), |_| {});
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(metadata) = context.metadata(id) else { return };
        self.write(metadata, &format!(" span {}", metadata.name()), |line| values.record(line));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").expect("a string takes everything");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, "{field}={value} ").expect("a string takes everything");
    }
}
