//! Endpoints that are not encrypted, where the user says that something else encrypts.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    TokenEndpoint, address::Address, issuer::Issuer, location::Location, metadata_cache::MetadataCache,
    transport::EndpointService,
};
use crate::error::Error;

impl TokenEndpoint {
    /// As [`with_body`](TokenEndpoint::with_body), also over plain `http` to any host: for networks in which something else encrypts,
    /// such as a mesh with mutual TLS, or which nobody else can read, such as the private network of a compose file.
    ///
    /// Whoever reads along has the passwords, the client's secret and all tokens. Whoever can answer can give you tokens of somebody
    /// else's, and revoke nothing. This crate has no way to see whether anything encrypts.
    ///
    /// [`revocation`](TokenEndpoint::revocation) then takes plain `http` as well, at the same scheme, host and port. An address with
    /// `https` is as good as with `new`: then nothing may be plain.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes; use http::{Request, Response}; use http_body_util::Full;
    /// use tower_reauth::TokenEndpoint;
    ///
    /// # let client = tower::service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    /// let endpoint = TokenEndpoint::danger_plaintext(client, "http://keycloak:8080/realms/shop/protocol/openid-connect/token")?
    ///     .revocation("http://keycloak:8080/realms/shop/protocol/openid-connect/revoke")?;
    /// # Ok::<(), tower_reauth::Error>(())
    /// ```
    ///
    /// APIs have [`Origins::danger_plaintext_only`](crate::Origins::danger_plaintext_only), metadata has
    /// [`danger_discover_plaintext`](TokenEndpoint::danger_discover_plaintext).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `uri` is not absolute, or holds userinfo or a fragment.
    pub fn danger_plaintext<B: From<Bytes> + 'static>(
        service: impl EndpointService<B>,
        uri: impl AsRef<str>,
    ) -> Result<Self, Error> {
        Ok(Self::at(service, Location::fixed(Address::danger_plaintext(uri.as_ref())?)))
    }

    /// As [`discover_with_body`](TokenEndpoint::discover_with_body), also for an issuer at plain `http` on any host, with the dangers
    /// of [`danger_plaintext`](TokenEndpoint::danger_plaintext).
    ///
    /// The metadata may name plain endpoints at the issuer's own scheme, host and port, and nowhere else. Whoever can answer for the
    /// issuer can name any `https` endpoint: set [`endpoint_origins`](TokenEndpoint::endpoint_origins), with the origins where yours
    /// are. The metadata of an `https` issuer never leads to a plain endpoint, whichever way it is discovered.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes; use http::{Request, Response}; use http_body_util::Full;
    /// use tower_reauth::{Origins, TokenEndpoint};
    ///
    /// # let client = tower::service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    /// let endpoint = TokenEndpoint::danger_discover_plaintext(client, "http://keycloak:8080/realms/shop")?
    ///     .endpoint_origins(Origins::danger_plaintext_only("http://keycloak:8080")?);
    /// # Ok::<(), tower_reauth::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the issuer is not absolute, or holds userinfo, a query or a fragment.
    pub fn danger_discover_plaintext<B: From<Bytes> + 'static>(
        service: impl EndpointService<B>,
        issuer: impl AsRef<str>,
    ) -> Result<Self, Error> {
        let cache = MetadataCache::new(Issuer::danger_plaintext(issuer.as_ref())?, None);
        Ok(Self::at(service, Location::Discovered(Arc::new(cache))))
    }
}
