//! The tokens of an issuer: levers, and questions about them.

use tokio::time::Instant;

use super::{
    super::book::{Issued, subject_token},
    Issuer,
};

impl Issuer {
    /// A refresh token that this owner got elsewhere, for a [`RefreshTokenGrant`](crate::RefreshTokenGrant).
    #[must_use]
    pub fn mint_refresh_token(&self, owner: &str) -> String {
        let mut book = self.book();
        let token = format!("refresh-{owner}-{}", book.next_number());
        let refresh_token = Some(token.clone());
        book.add(Issued { owner: owner.to_owned(), refresh_token, refresh_lives: true, ..Issued::default() });
        token
    }

    /// A token that names this owner, issued by somebody else, for a [`JwtBearerGrant`](crate::JwtBearerGrant) or a
    /// [`TokenExchangeGrant`](crate::TokenExchangeGrant).
    #[must_use]
    pub fn subject_token(owner: &str) -> String {
        subject_token(owner)
    }

    /// Takes this access token for a good one from now on.
    pub fn accept(&self, token: &str) {
        let issued = Issued {
            owner: "accepted".to_owned(),
            access_token: token.to_owned(),
            access_lives: true,
            ..Issued::default()
        };
        self.book().add(issued);
    }

    /// Kills this access token; its refresh token lives on.
    pub fn revoke(&self, token: &str) {
        self.book().end_access(token);
    }

    /// Kills all access tokens; the refresh tokens live on.
    pub fn revoke_all(&self) {
        let mut book = self.book();
        book.journal.write("revoked: all tokens");
        book.issued.iter_mut().for_each(|issued| issued.access_lives = false);
    }

    /// Kills all refresh tokens; the access tokens live on.
    pub fn revoke_refresh_tokens(&self) {
        let mut book = self.book();
        book.journal.write("revoked: all refresh tokens");
        book.issued.iter_mut().for_each(|issued| issued.refresh_lives = false);
    }

    /// Ends the lifetime of all access tokens now, and not when their holders were told; the refresh tokens live on. To move
    /// the time for both sides, give tokens a lifetime ([`Answer::expires_in`](super::super::Answer::expires_in)) and use
    /// `tokio::time::advance`.
    pub fn expire_all(&self) {
        let mut book = self.book();
        book.journal.write("expired: all tokens");
        let now = Instant::now();
        book.issued.iter_mut().for_each(|issued| issued.expires_at = Some(now));
    }

    /// Whether a resource server should take this access token now.
    #[must_use]
    pub fn is_alive(&self, token: &str) -> bool {
        self.book().is_alive(token)
    }

    /// Whether this refresh token could be redeemed now.
    #[must_use]
    pub fn is_redeemable(&self, token: &str) -> bool {
        self.book().of(token).any(|issued| issued.refresh_token.as_deref() == Some(token) && issued.refresh_lives)
    }

    /// Whose access token this is, or was.
    #[must_use]
    pub fn owner_of(&self, token: &str) -> Option<String> {
        self.of(token, |issued| Some(issued.owner.clone()))
    }

    /// The `resource` that this access token was asked for with.
    #[must_use]
    pub fn resource_of(&self, token: &str) -> Option<String> {
        self.of(token, |issued| issued.resource.clone())
    }

    /// The `scope` that this access token was asked for with.
    #[must_use]
    pub fn scope_of(&self, token: &str) -> Option<String> {
        self.of(token, |issued| issued.asked_scope.clone())
    }

    /// All access tokens that were ever issued, oldest first.
    #[must_use]
    pub fn access_tokens(&self) -> Vec<String> {
        let book = self.book();
        book.issued.iter().map(|issued| issued.access_token.clone()).filter(|token| !token.is_empty()).collect()
    }

    /// The access token that was issued last.
    ///
    /// # Panics
    /// If none was issued.
    #[must_use]
    pub fn last_access_token(&self) -> String {
        self.access_tokens().pop().expect("a token was issued")
    }

    /// The refresh token that was issued last.
    ///
    /// # Panics
    /// If none was issued.
    #[must_use]
    pub fn last_refresh_token(&self) -> String {
        let last = self.book().issued.iter().rev().find_map(|issued| issued.refresh_token.clone());
        last.expect("a refresh token was issued")
    }

    pub(super) fn of<T>(&self, token: &str, what: impl FnOnce(&Issued) -> Option<T>) -> Option<T> {
        self.book().of(token).find(|issued| issued.access_token == token).and_then(what)
    }
}
