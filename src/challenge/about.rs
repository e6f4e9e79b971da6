//! Which challenges are about the token that was sent.

use super::{
    classify::Head,
    parse::{ParsedChallenge, parse},
};
use crate::scheme::Scheme;

/// The names of the scheme `Bearer`.
const BEARER: [&str; 3] = ["Bearer", "OAuth2", "OAuth"];

/// Schemes that servers name although they take bearer tokens: Artifactory names `Basic`, Django REST framework whatever
/// comes first among its authenticators.
const BESIDE: [&str; 3] = ["Basic", "Token", "JWT"];

/// What all `WWW-Authenticate` lines of a response say to a token that was sent with a scheme.
pub(super) struct Challenges<'a> {
    all: Vec<ParsedChallenge>,
    scheme: &'a Scheme,
    /// The token went with a proof.
    with_proof: bool,
}

impl<'a> Challenges<'a> {
    pub(super) fn of(head: &Head<'_>, scheme: &'a Scheme) -> Self {
        Self { all: parse(head.headers()), scheme, with_proof: head.is_of_a_proof() }
    }

    /// Those that are about a token.
    pub(super) fn ours(&self) -> Vec<&ParsedChallenge> {
        self.all.iter().filter(|challenge| self.is_for_the_token(challenge) || challenge.is("DPoP")).collect()
    }

    /// Whether there are challenges, and the token answers none of them, nor is it taken beside all that are named.
    pub(super) fn are_foreign(&self) -> bool {
        !self.all.is_empty()
            && !self.all.iter().any(|challenge| self.is_for_the_token(challenge))
            && !self.all.iter().all(|challenge| is_one_of(challenge, &BESIDE))
    }

    /// What they ask for that offer a token bound to a key, where none is for the token that was sent.
    pub(super) fn dpop_only(&self) -> Vec<&ParsedChallenge> {
        self.all.iter().filter(|challenge| challenge.is("DPoP")).collect()
    }

    fn is_for_the_token(&self, challenge: &ParsedChallenge) -> bool {
        // A token without a word answers to no scheme in particular, so none is another one.
        is_one_of(challenge, &BEARER)
            || (self.with_proof && challenge.is("DPoP"))
            || self.scheme.as_word().is_none_or(|word| challenge.is(word))
    }
}

fn is_one_of(challenge: &ParsedChallenge, schemes: &[&str]) -> bool {
    schemes.iter().any(|scheme| challenge.is(scheme))
}
