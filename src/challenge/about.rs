//! Which challenges are about the token that was sent.

use http::HeaderMap;

use super::parse::{ParsedChallenge, parse};
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
}

impl<'a> Challenges<'a> {
    pub(super) fn of(headers: &HeaderMap, scheme: &'a Scheme) -> Self {
        Self { all: parse(headers), scheme }
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

    fn is_for_the_token(&self, challenge: &ParsedChallenge) -> bool {
        // A token without a word answers to no scheme in particular, so none is another one.
        is_one_of(challenge, &BEARER) || self.scheme.as_word().is_none_or(|word| challenge.is(word))
    }
}

fn is_one_of(challenge: &ParsedChallenge, schemes: &[&str]) -> bool {
    schemes.iter().any(|scheme| challenge.is(scheme))
}
