//! What a failed token request says: the values that the tables of verdicts and consequences are written in.

/// What the answer to a token request says, or its absence. `endpoint/verdict.rs` finds it, `session/state/consequence.rs` says
/// what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TokenVerdict {
    /// Nothing left this machine.
    Unsent,
    /// The server asks for a proof with its nonce.
    Nonce,
    /// The server asks for patience.
    Wait {
        /// There were too many requests: a blocked account says so, too.
        throttled: bool,
    },
    /// The server will not have the client.
    Client,
    /// The exchange broke, the server is in trouble, or somebody else answered.
    Broken {
        /// A page for people: a firewall, a portal or a router speaks.
        page: bool,
    },
    /// The server objects to what was asked for.
    NotAllowed,
    /// The server will not have the credential.
    Refused(Evidence),
}

/// How sure a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Evidence {
    /// A code that is known to say so.
    Known,
    /// Another code.
    Code,
    /// No code, and a status of OAuth: 200, 400, 401.
    Status,
    /// No code, and another status.
    Vague,
    /// No code, and a status that a wrong address or a router gives: 404, 405, 410, 421.
    Address,
}
