//! What an issuer has seen.

use http::{Method, Uri};

use super::{
    super::{gate::reaches, journal::Entry, token_request::TokenRequest},
    Issuer,
};

impl Issuer {
    /// How many token requests came, of all grant types.
    #[must_use]
    pub fn token_requests(&self) -> usize {
        self.book().requests.len()
    }

    /// How many token requests of this grant type came.
    #[must_use]
    pub fn token_requests_of(&self, grant_type: &str) -> usize {
        self.book().requests.iter().filter(|request| request.grant_type() == grant_type).count()
    }

    /// The most token requests that were under way at one time.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.book().peak
    }

    /// How many times a refresh token was sent that had been spent, had been revoked, or never was one.
    #[must_use]
    pub fn dead_refresh_tokens(&self) -> usize {
        self.book().spent_again
    }

    /// All token requests, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<TokenRequest> {
        self.book().requests.clone()
    }

    /// The token request that came last.
    ///
    /// # Panics
    /// If none came.
    #[must_use]
    pub fn last_request(&self) -> TokenRequest {
        let last = self.book().requests.last().cloned();
        last.expect("there was a token request")
    }

    /// All revocations, in the order in which they came.
    #[must_use]
    pub fn revocations(&self) -> Vec<TokenRequest> {
        self.book().revocations.clone()
    }

    /// What happened here and at the servers that take this issuer's tokens, in the order in which it came.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.book().journal.entries()
    }

    /// Waits until so many token requests have come, in all.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn arrived(&self, count: usize) {
        reaches(&self.shared.arrived, count).await;
    }

    /// Waits until so many revocations have come, in all.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn revocations_arrived(&self, count: usize) {
        reaches(&self.shared.revocations_arrived, count).await;
    }

    /// Writes down what a test did.
    pub(in crate::testing) fn note(&self, what: &str) {
        self.book().journal.write(what);
    }

    /// Writes down that a call came, and says where.
    pub(in crate::testing) fn note_call(&self, method: &Method, uri: &Uri, token: Option<&str>) -> usize {
        let mut book = self.book();
        let token = token.map_or_else(|| "no token".to_owned(), |token| book.name(token));
        book.journal.write(format!("{method} {}, {token}", uri.path()))
    }

    /// Writes down what a call was answered with.
    pub(in crate::testing) fn note_answer(&self, index: usize, answer: &str) {
        self.book().journal.answer(index, answer);
    }
}
