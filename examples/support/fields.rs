//! The fields of a span or an event of `tracing`, as text.

use std::{collections::BTreeMap, fmt::Debug};

use tracing::field::{Field, Visit};

/// By name; `message` is one of them.
#[derive(Clone, Default)]
pub(crate) struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    /// Adds what an outer span says.
    pub(crate) fn inherit(&mut self, span: &Self) {
        for (name, value) in &span.0 {
            self.0.entry(name).or_insert_with(|| value.clone());
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}
