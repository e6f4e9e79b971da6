//! What a grant asks for besides naming a credential: scope, audience, resource and free parameters.
//!
//! A refresh keeps the scope that was granted, so none is sent with it (RFC 6749 §6). Audience and resource are repeated
//! (RFC 8707 §2.2), since a server may otherwise give a token for everything that was granted.

use secrecy::SecretString;

use crate::endpoint::TokenEndpoint;

#[derive(Clone, Default)]
pub(super) struct Wanted {
    pub(super) scope: Option<Box<str>>,
    pub(super) audiences: Vec<Box<str>>,
    pub(super) resources: Vec<Box<str>>,
    pub(super) parameters: Vec<(Box<str>, SecretString)>,
    /// With a refresh the scope is sent, too.
    pub(super) scope_again: bool,
    pub(super) audience_once: bool,
    pub(super) resource_once: bool,
}

impl Wanted {
    /// The parameters of the grant's own request.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, SecretString)> {
        let own = self.parameters.iter().map(|(name, value)| (&**name, value.clone()));
        self.scope()
            .chain(self.audiences())
            .chain(self.resources())
            .map(|(name, value)| (name, value.into()))
            .chain(own)
    }

    /// The endpoint, which repeats with a refresh what is to be repeated.
    pub(super) fn at(&self, endpoint: &TokenEndpoint) -> TokenEndpoint {
        let scope = self.scope().filter(|_| self.scope_again);
        let audiences = self.audiences().filter(|_| !self.audience_once);
        let resources = self.resources().filter(|_| !self.resource_once);
        scope
            .chain(audiences)
            .chain(resources)
            .fold(endpoint.clone(), |endpoint, (name, value)| endpoint.refresh_parameter(name, value))
    }

    fn scope(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.scope.iter().map(|scope| ("scope", &**scope))
    }

    fn audiences(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.audiences.iter().map(|audience| ("audience", &**audience))
    }

    fn resources(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.resources.iter().map(|resource| ("resource", &**resource))
    }
}
