//! Grants made of closures.

use std::future::Future;

use super::Grant;
use crate::{context::GrantContext, error::Error, token::TokenSet};

/// A function that [`grant_fn`] makes a grant of: every `Fn(GrantContext) -> R`.
///
/// It is a name for that bound, so that the compiler can say what to do about a closure that doesn't fit.
#[diagnostic::on_unimplemented(
    message = "`grant_fn` cannot make a grant of this function",
    label = "not a `Fn(GrantContext) -> impl Future`, or an async closure that uses what it captured",
    note = "hand to `grant_with` what the closure needs: `grant_with(state, async |state, context| ..)`; it gets a clone of the state with every call"
)]
pub trait GrantFn<R>: Fn(GrantContext) -> R {}

#[diagnostic::do_not_recommend]
impl<F: Fn(GrantContext) -> R, R> GrantFn<R> for F {}

/// A grant from a function that returns a future.
///
/// An async closure that uses what it captured does not fit, since its future would borrow from the closure. [`grant_with`]
/// hands the state to it.
///
/// Such a grant has no endpoint: a logout revokes nothing, and the closure redeems refresh tokens itself, see
/// [`GrantContext::refresh_token`]. Its [credential](Grant::credential) is [`Custom`](crate::Credential::Custom). Implement
/// [`Grant`] for more. [`Grant::fetch`] says what the error should tell.
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
    F: GrantFn<R> + Send + Sync + 'static,
    R: Future<Output = Result<TokenSet, Error>> + Send + 'static,
{
    Closure { function }
}

/// A grant from a state, and a function that gets a clone of the state with each call.
///
/// An async closure that uses what it captured cannot be a [`grant_fn`]: its future would borrow from the closure. Put what it
/// needs into the state instead. Put what is not cheap to clone, or is not `Clone`, into an `Arc`. Clients and
/// [`TokenEndpoint`](crate::TokenEndpoint)s are cheap to clone as they are. In all else it is as a [`grant_fn`].
///
/// ```
/// use std::sync::Arc;
/// use tower_reauth::{TokenSet, grant_with};
///
/// struct Vault {
///     token: String,
/// }
///
/// let vault = Arc::new(Vault { token: "mF_9.B5f-4.1JqM".into() });
/// let grant = grant_with(vault, async |vault, _context| TokenSet::new(vault.token.as_str()));
/// # fn is_grant(_: impl tower_reauth::Grant) {}
/// # is_grant(grant);
/// ```
pub fn grant_with<S, F, R>(state: S, function: F) -> impl Grant
where
    S: Clone + Send + Sync + 'static,
    F: Fn(S, GrantContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<TokenSet, Error>> + Send + 'static,
{
    grant_fn(move |context| function(state.clone(), context))
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
