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

    /// One line for each event and each span: level, target, name of a span, and all fields.
    pub fn lines(&self) -> Vec<String> {
        self.lines.0.lock().expect("nothing panics under the lock").clone()
    }

    /// The lines of the events of the crate that have this message.
    pub fn events(&self, message: &str) -> Vec<String> {
        let wanted = format!("tower_reauth message={message} ");
        self.lines().into_iter().filter(|line| line.contains(&wanted)).collect()
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

    fn on_new_span(&self, attributes: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        let metadata = attributes.metadata();
        self.write(metadata, &format!(" span {}", metadata.name()), |line| attributes.record(line));
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
