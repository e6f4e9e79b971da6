//! What a resource server has seen.

use super::{
    super::{gate::reaches, seen::Seen},
    Resource, is_at,
};

impl Resource {
    /// How many requests came, in all.
    #[must_use]
    pub fn count(&self) -> usize {
        self.book().seen.len()
    }

    /// How many requests to this place came.
    #[must_use]
    pub fn count_at(&self, place: &str) -> usize {
        self.book().seen.iter().filter(|seen| is_at(&seen.uri, place)).count()
    }

    /// How many requests were answered with this status.
    #[must_use]
    pub fn count_of(&self, status: u16) -> usize {
        self.book().seen.iter().filter(|seen| seen.status.is_some_and(|seen| seen == status)).count()
    }

    /// All requests, in the order in which their bodies had come in full.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.book().seen.clone()
    }

    /// The request that came last.
    ///
    /// # Panics
    /// If none came.
    #[must_use]
    pub fn last(&self) -> Seen {
        let last = self.book().seen.last().cloned();
        last.expect("there was a request")
    }

    /// The access token of every request, `None` for one that had none in `Authorization`.
    #[must_use]
    pub fn tokens(&self) -> Vec<Option<String>> {
        self.book().seen.iter().map(|seen| seen.token().map(str::to_owned)).collect()
    }

    /// Waits until so many requests have come, in all.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn arrived(&self, count: usize) {
        reaches(&self.shared.arrived, count).await;
    }
}
