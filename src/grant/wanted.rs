//! What a grant asks for besides naming a credential: scope, audience, resource and free parameters.
//!
//! A refresh keeps the scope that was granted, so none is sent with it (RFC 6749 §6). Audience and resource are repeated
//! (RFC 8707 §2.2), since a server may otherwise give a token for everything that was granted.

use secrecy::SecretString;

use crate::endpoint::TokenEndpoint;

/// The setters of a grant that has a `want`: the same for each, and documented in one place.
macro_rules! wanting {
    () => {
        /// Asks for a scope: names with spaces between them. Default: none, and the server decides. A refresh does not repeat it.
        #[must_use]
        pub fn scope(self, scope: impl Into<Box<str>>) -> Self {
            self.want(|wanted| wanted.scope = Some(scope.into()))
        }

        /// Names whom the tokens are for, by a name that the server knows. May be called more than once. A refresh repeats it.
        #[must_use]
        pub fn audience(self, audience: impl Into<Box<str>>) -> Self {
            self.want(|wanted| wanted.audiences.push(audience.into()))
        }

        /// Names whom the tokens are for, by a URI ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)). May be called more than once. A
        /// refresh repeats it.
        #[must_use]
        pub fn resource(self, uri: impl Into<Box<str>>) -> Self {
            self.want(|wanted| wanted.resources.push(uri.into()))
        }

        /// Adds a parameter of the server's own. A refresh does not repeat it; for one that it is to repeat use
        /// [`TokenEndpoint::parameter`].
        #[must_use]
        pub fn parameter(self, name: impl Into<Box<str>>, value: impl Into<SecretString>) -> Self {
            self.want(|wanted| wanted.parameters.push((name.into(), value.into())))
        }

        /// Repeats the scope with each refresh, for servers that otherwise grant another one.
        #[must_use]
        pub fn refresh_with_scope(self) -> Self {
            self.want(|wanted| wanted.scope_again = true)
        }

        /// Does not repeat the audience with a refresh, for servers that refuse it there.
        #[must_use]
        pub fn refresh_without_audience(self) -> Self {
            self.want(|wanted| wanted.audience_once = true)
        }

        /// Does not repeat the resource with a refresh, for servers that refuse it there.
        #[must_use]
        pub fn refresh_without_resource(self) -> Self {
            self.want(|wanted| wanted.resource_once = true)
        }
    };
}
pub(super) use wanting;

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
