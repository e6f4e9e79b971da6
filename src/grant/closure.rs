//! Grants made of closures.

use std::{future::Future, sync::Arc};

use super::Grant;
use crate::{context::GrantContext, error::Error, token::TokenSet};

/// A grant from a function that returns a future.
///
/// Such a grant has no endpoint: a logout revokes nothing, and the closure redeems refresh tokens itself, see
/// [`GrantContext::refresh_token`]. Implement [`Grant`] for more.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::{TokenSet, grant_fn};
///
/// let grant = grant_fn(async |_context| {
///     let token = tokio::fs::read_to_string("/var/run/secrets/token").await.map_err(|error| {
///         tower_reauth::Error::new(tower_reauth::ErrorKind::Transport, "the token file cannot be read").with_source(error)
///     })?;
///     Ok(TokenSet::new(token.trim())?.with_lifetime(Duration::from_secs(600)))
/// });
/// # fn is_grant(_: impl tower_reauth::Grant) {}
/// # is_grant(grant);
/// ```
pub fn grant_fn<F, R>(function: F) -> impl Grant
where
    F: Fn(GrantContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<TokenSet, Error>> + Send + 'static,
{
    Closure { function }
}

/// A grant from a state, and a function that gets the state with each call.
///
/// An async closure that uses what it captured cannot be a [`grant_fn`]: its future would borrow from the closure. Put what it
/// needs into the state instead.
///
/// ```
/// use tower_reauth::{TokenSet, grant_with};
///
/// struct Vault {
///     token: String,
/// }
///
/// let vault = Vault { token: "mF_9.B5f-4.1JqM".into() };
/// let grant = grant_with(vault, async |vault, _context| TokenSet::new(vault.token.as_str()));
/// # fn is_grant(_: impl tower_reauth::Grant) {}
/// # is_grant(grant);
/// ```
pub fn grant_with<S, F, R>(state: S, function: F) -> impl Grant
where
    S: Send + Sync + 'static,
    F: Fn(Arc<S>, GrantContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<TokenSet, Error>> + Send + 'static,
{
    let state = Arc::new(state);
    grant_fn(move |context| function(Arc::clone(&state), context))
}

struct Closure<F> {
    function: F,
}

impl<F, R> Grant for Closure<F>
where
    F: Fn(GrantContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<TokenSet, Error>> + Send + 'static,
{
    fn fetch(&self, context: GrantContext) -> impl Future<Output = Result<TokenSet, Error>> + Send {
        (self.function)(context)
    }
}
