//! Endpoints that the authorization server's metadata names (RFC 8414, OpenID Connect Discovery).

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;

use super::{
    TokenEndpoint, address::Addresses, client_auth::ClientAuth, issuer::Issuer, location::Location,
    metadata_cache::MetadataCache, transport::EndpointService,
};
use crate::{error::Error, origin::Origins};

impl TokenEndpoint {
    /// The endpoints of this issuer, read from its metadata
    /// ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414),
    /// [OpenID Connect Discovery](https://openid.net/specs/openid-connect-discovery-1_0.html)).
    ///
    /// This function only checks the text of the issuer. The metadata is fetched, through the same service, when the first token
    /// request or revocation needs it, so a program starts while the server is down.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes; use http::{Request, Response}; use http_body_util::Full;
    /// use tower_reauth::{ClientAuth, ClientCredentialsGrant, Session, TokenEndpoint};
    ///
    /// # let https = tower::service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    /// let endpoint = TokenEndpoint::discover(https, "https://login.example/realms/shop")?
    ///     .client_auth(ClientAuth::basic("billing", "consumer-secret"));
    /// let session = Session::new(ClientCredentialsGrant::new(endpoint));
    /// # Ok::<(), tower_reauth::Error>(())
    /// ```
    ///
    /// # Where it is looked for
    /// 1. `https://login.example/.well-known/oauth-authorization-server/realms/shop` (RFC 8414 §3.1).
    /// 2. If that answers with a redirect, a 4xx, no JSON, or JSON without `issuer`: `https://login.example/realms/shop/.well-known/openid-configuration`.
    ///
    /// No other address is ever asked. No redirect is followed, and no address that an API names in a challenge (such as
    /// `resource_metadata` of RFC 9728) is fetched. A 408, 425, 429 or 5xx is a failure.
    ///
    /// # What is read
    /// `issuer` must be the given one, byte for byte: a slash at the end counts. `token_endpoint` must be there;
    /// `revocation_endpoint` may be. For clients with [mutual TLS](ClientAuth::mutual_tls) the
    /// `mtls_endpoint_aliases` win (RFC 8705 §5). Your own [`revocation`](TokenEndpoint::revocation) wins over all of them. A member that is
    /// read and is there twice makes the metadata unusable, and so does more than 256 KiB. Other members mean nothing here.
    ///
    /// # Where secrets may go
    /// Whoever can answer for the issuer's host decides where the secrets go, so the issuer must be `https`, except on this machine (or by
    /// [`danger_discover_plaintext`](TokenEndpoint::danger_discover_plaintext)), and
    /// the service must check certificates. The endpoints must be `https` as well, or at the plain issuer's own
    /// origin, without userinfo or fragment. They may have
    /// another origin than the issuer: Google's issuer is `https://accounts.google.com`, its token endpoint is at
    /// `https://oauth2.googleapis.com`. The origins that the first metadata names are kept for the life of the endpoint. Later
    /// metadata with an endpoint at any other origin is refused, unless [`endpoint_origins`](TokenEndpoint::endpoint_origins) allows
    /// that origin.
    ///
    /// # How long it is used
    /// For 24 hours. It is fetched again before that, with the next request, if an endpoint answers with 404, 405, 410, 421 or
    /// a redirect, or if the connection to it fails; but not within a minute after the last attempt. If the new metadata cannot be had, or
    /// is refused, the present one goes on being used, and the log has the line `metadata not renewed`. `Cache-Control` means nothing
    /// here. All clones share the metadata.
    ///
    /// # Failures
    /// A fetch may take 10 s, and no longer than the [`timeout`](TokenEndpoint::timeout). Without metadata the token request fails, and
    /// so do all that waited for it. The next fetch is a second later at the earliest, or when a `Retry-After` says. Nothing of
    /// the credentials was sent, so no attempt counts, and the session goes on trying: such a failure is never final. The kinds
    /// are [`Discovery`](crate::ErrorKind::Discovery), [`Transport`](crate::ErrorKind::Transport),
    /// [`TimedOut`](crate::ErrorKind::TimedOut) and [`Unavailable`](crate::ErrorKind::Unavailable).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the issuer is not absolute, holds userinfo, a query or a fragment, or is
    /// plain `http` to another host than `localhost`, 127.0.0.0/8 or `::1`. For those there is
    /// [`danger_discover_plaintext`](TokenEndpoint::danger_discover_plaintext).
    pub fn discover(service: impl EndpointService<Full<Bytes>>, issuer: impl AsRef<str>) -> Result<Self, Error> {
        Self::discover_with_body::<Full<Bytes>>(service, issuer)
    }

    /// As [`discover`](TokenEndpoint::discover), over a service that takes another request body.
    ///
    /// ```
    /// use axum::{Router, body::Body};
    /// use tower_reauth::TokenEndpoint;
    ///
    /// TokenEndpoint::discover_with_body::<Body>(Router::new(), "https://login.example")?;
    /// # Ok::<(), tower_reauth::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`discover`](TokenEndpoint::discover).
    pub fn discover_with_body<B: From<Bytes> + 'static>(
        service: impl EndpointService<B>,
        issuer: impl AsRef<str>,
    ) -> Result<Self, Error> {
        let cache = MetadataCache::new(Issuer::new(issuer.as_ref())?, None);
        Ok(Self::at(service, Location::Discovered(Arc::new(cache))))
    }

    /// The origins at which [discovered](TokenEndpoint::discover) endpoints may be, besides the issuer's own. This holds for the first
    /// metadata, too. Default: the origins that the first metadata names.
    ///
    /// Set it right after `discover`: an endpoint with other origins shares no metadata with its clones. It means nothing for
    /// an endpoint whose address was given.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use bytes::Bytes; use http::{Request, Response}; use http_body_util::Full;
    /// use tower_reauth::{Origins, TokenEndpoint};
    ///
    /// # let https = tower::service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    /// let endpoint = TokenEndpoint::discover(https, "https://accounts.google.com")?
    ///     .endpoint_origins(Origins::only("https://oauth2.googleapis.com")?);
    /// # Ok::<(), tower_reauth::Error>(())
    /// ```
    #[must_use]
    pub fn endpoint_origins(self, origins: Origins) -> Self {
        self.set(|settings| {
            if let Location::Discovered(cache) = &settings.location {
                let cache = MetadataCache::new(cache.issuer().clone(), Some(origins));
                settings.location = Location::Discovered(Arc::new(cache));
            }
        })
    }

    /// Where the endpoints are, discovered first where that is due.
    ///
    /// # Errors
    /// Says that nothing was sent.
    pub(super) async fn locate(&self) -> Result<Arc<Addresses>, Error> {
        let cache = match &self.settings.location {
            Location::Fixed(addresses) => return Ok(Arc::clone(addresses)),
            Location::Discovered(cache) => cache,
        };
        let metadata = cache.metadata(&self.shared.transport, self.settings.timeout).await?;
        let is_mutual_tls = self.settings.client.as_ref().is_some_and(ClientAuth::is_mutual_tls);
        Ok(if is_mutual_tls { metadata.mutual_tls } else { metadata.usual })
    }
}
