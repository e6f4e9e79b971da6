//! The table of credentials: one claim, run for every kind of them.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use secrecy::SecretString;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    ClientCredentialsGrant, Credential, Error, Grant, GrantContext, Origins, PasswordGrant, Reauth, ReauthLayer,
    RefreshTokenGrant, ResponseBody, Session, TokenEndpoint, TokenSet, grant_fn,
};

use super::{Issuer, ORIGIN, PASSWORD, Resource, USERNAME, get};

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Password,
    ClientCredentials,
    RefreshToken,
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

/// A grant of any kind.
pub struct AnyGrant(Box<dyn Erased>);

impl Kind {
    pub const ALL: [Self; 4] = [Self::Password, Self::ClientCredentials, Self::RefreshToken, Self::Custom];

    /// A grant of this kind for this owner, at the issuer's endpoint.
    pub fn grant(self, issuer: &Issuer, owner: &str) -> AnyGrant {
        self.grant_at(issuer.endpoint(), issuer, owner)
    }

    /// A grant of this kind for this owner, at an endpoint that leads to the issuer somehow.
    pub fn grant_at(self, endpoint: TokenEndpoint, issuer: &Issuer, owner: &str) -> AnyGrant {
        match self {
            Self::Password => AnyGrant::new(PasswordGrant::new(endpoint, owner, PASSWORD)),
            // The issuer knows one client: the scope stands for the owner.
            Self::ClientCredentials => AnyGrant::new(ClientCredentialsGrant::new(endpoint).scope(owner)),
            Self::RefreshToken => AnyGrant::new(RefreshTokenGrant::new(endpoint, issuer.mint_refresh_token(owner))),
            Self::Custom => {
                let owner = owner.to_owned();
                AnyGrant::new(grant_fn(move |context| {
                    let (endpoint, owner) = (endpoint.clone(), owner.clone());
                    async move {
                        let parameters = [("grant_type", "urn:example:custom"), ("owner", &owner)];
                        endpoint.request(&context, &parameters).await
                    }
                }))
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
    pub fn grant(&self) -> AnyGrant {
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

impl AnyGrant {
    pub fn new(grant: impl Grant) -> Self {
        Self(Box::new(grant))
    }
}

impl Grant for AnyGrant {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        self.0.fetch(context).await
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        self.0.endpoint()
    }

    fn initial_refresh_token(&mut self) -> Option<SecretString> {
        self.0.initial_refresh_token()
    }

    fn credential(&self) -> Credential {
        self.0.credential()
    }
}

trait Erased: Send + Sync {
    fn fetch(&self, context: GrantContext) -> Pin<Box<dyn Future<Output = Result<TokenSet, Error>> + Send + '_>>;
    fn endpoint(&self) -> Option<&TokenEndpoint>;
    fn initial_refresh_token(&mut self) -> Option<SecretString>;
    fn credential(&self) -> Credential;
}

impl<G: Grant> Erased for G {
    fn fetch(&self, context: GrantContext) -> Pin<Box<dyn Future<Output = Result<TokenSet, Error>> + Send + '_>> {
        Box::pin(Grant::fetch(self, context))
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Grant::endpoint(self)
    }

    fn initial_refresh_token(&mut self) -> Option<SecretString> {
        Grant::initial_refresh_token(self)
    }

    fn credential(&self) -> Credential {
        Grant::credential(self)
    }
}
