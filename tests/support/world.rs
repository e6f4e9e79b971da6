//! The table of credentials: one claim, run for every kind of them.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    BoxGrant, ClientCredentialsGrant, Error, Grant, JwtBearerGrant, Origins, PasswordGrant, Reauth, ReauthLayer,
    RefreshTokenGrant, ResponseBody, SecretSource, Session, TokenEndpoint, TokenExchangeGrant, grant_fn,
};

use super::{Issuer, ORIGIN, PASSWORD, Resource, USERNAME, get};

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Password,
    ClientCredentials,
    RefreshToken,
    /// A JWT that a closure reads for each request.
    JwtBearer,
    /// A subject token that never changes.
    TokenExchange,
    /// A closure of the user's own, without an endpoint: the session knows nothing of refresh tokens or revocation.
    Custom,
}

/// One session with everything around it.
#[derive(Clone)]
pub struct World {
    pub kind: Kind,
    pub issuer: Issuer,
    pub resource: Resource,
    pub session: Session,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Password,
        Self::ClientCredentials,
        Self::RefreshToken,
        Self::JwtBearer,
        Self::TokenExchange,
        Self::Custom,
    ];

    /// A grant of this kind for this owner, at the issuer's endpoint.
    pub fn grant(self, issuer: &Issuer, owner: &str) -> BoxGrant {
        self.grant_at(issuer.endpoint(), issuer, owner)
    }

    /// A grant of this kind for this owner, at an endpoint that leads to the issuer somehow.
    pub fn grant_at(self, endpoint: TokenEndpoint, issuer: &Issuer, owner: &str) -> BoxGrant {
        match self {
            Self::Password => PasswordGrant::new(endpoint, owner, PASSWORD).boxed(),
            // The issuer knows one client: the scope stands for the owner.
            Self::ClientCredentials => ClientCredentialsGrant::new(endpoint).scope(owner).boxed(),
            Self::RefreshToken => RefreshTokenGrant::new(endpoint, issuer.mint_refresh_token(owner)).boxed(),
            Self::JwtBearer => {
                let jwt = Issuer::subject_token(owner);
                let source = SecretSource::from_fn(move || std::future::ready(Ok(jwt.as_str().into())));
                JwtBearerGrant::new(endpoint, source).boxed()
            }
            Self::TokenExchange => TokenExchangeGrant::new(endpoint, Issuer::subject_token(owner)).boxed(),
            Self::Custom => {
                let owner = owner.to_owned();
                grant_fn(move |context| {
                    let (endpoint, owner) = (endpoint.clone(), owner.clone());
                    async move {
                        let parameters = [("grant_type", "urn:example:custom"), ("owner", &owner)];
                        endpoint.request(&context, &parameters).await
                    }
                })
                .boxed()
            }
        }
    }
}

impl World {
    pub fn new(kind: Kind) -> Self {
        let issuer = Issuer::new();
        let session = Session::new(kind.grant(&issuer, USERNAME));
        Self { kind, resource: Resource::new(&issuer), issuer, session }
    }

    /// A fresh grant of the same kind and owner: for `login`, or for a session with settings of its own.
    pub fn grant(&self) -> BoxGrant {
        self.kind.grant(&self.issuer, USERNAME)
    }

    /// The same world with another session.
    pub fn with_session(&self, session: Session) -> Self {
        Self { session, ..self.clone() }
    }

    pub fn layer(&self) -> ReauthLayer {
        ReauthLayer::new(self.session.clone(), Origins::only(ORIGIN).expect("a valid origin"))
    }

    /// The resource server behind a layer.
    pub fn api(&self) -> Reauth<Resource> {
        self.layer().layer(self.resource.clone())
    }

    /// Sends one request through a layer of its own.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<ResponseBody<Full<Bytes>>>, Error> {
        self.api().oneshot(request).await
    }

    pub async fn get(&self, path: &str) -> Result<Response<ResponseBody<Full<Bytes>>>, Error> {
        self.send(get(path)).await
    }
}

/// Runs a claim for every kind of credential, each in a world of its own. It must not hang.
pub async fn for_every_credential(claim: impl AsyncFn(World)) {
    for kind in Kind::ALL {
        // Shown when the claim fails.
        println!("credential: {kind:?}");
        Box::pin(never_hangs(claim(World::new(kind)))).await;
    }
}

/// Fails when nothing moves any more; on the paused clock only, where a day passes at once then.
pub async fn never_hangs<T>(claim: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(24 * 3600), claim).await.expect("nothing moves any more")
}
