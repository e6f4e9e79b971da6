//! What a grant authenticates with.

/// What a grant authenticates with. It decides what follows when the server refuses it:
/// [`manual::answers`](crate::manual::answers) has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// A person's password. It is sent only a few times without a success, since a server may lock the account.
    Password,
    /// The client's own secret. A refusal may be an outage, so it is tried again from time to time.
    Client,
    /// A refresh token and nothing else.
    RefreshToken,
    /// A token of somebody's that is exchanged for others, and never changes. A refusal is final for it.
    Subject,
    /// Anything else. The default of a [`Grant`](crate::Grant), and what [`grant_fn`](crate::grant_fn) and
    /// [`grant_with`](crate::grant_with) have.
    Custom,
}
