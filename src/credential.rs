//! What a grant authenticates with.

/// What a grant authenticates with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// A person's password: refusals are remembered, since a server may lock the account.
    Password,
    /// The client's own secret: a refusal may be an outage, so it is probed from time to time.
    Client,
    /// A refresh token and nothing else.
    RefreshToken,
    /// Something of the user's own.
    Custom,
}
