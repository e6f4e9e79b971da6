//! A login that is good for several APIs, each of which takes the tokens that are meant for it and no other.

use http::Response;
use http_body_util::Full;
use secrecy::ExposeSecret;
use tower::{Layer, ServiceExt};
use tower_reauth::{Error, Origins, PasswordGrant, ReauthLayer, RefreshTokenGrant, ResponseBody, Session};

use crate::support::*;

pub const ORDERS: &str = "https://orders.example";
pub const BILLS: &str = "https://bills.example";

#[derive(Clone)]
pub struct House {
    pub issuer: Issuer,
    pub apis: Resource,
    pub session: Session,
}

impl House {
    /// A login that began elsewhere, with a refresh token that is good for one use.
    pub fn new() -> Self {
        let issuer = Issuer::new();
        issuer.regime(Regime::Rotating);
        let session = Session::new(RefreshTokenGrant::new(issuer.endpoint(), issuer.mint_refresh_token(USERNAME)));
        Self::with(issuer, session)
    }

    pub fn with_password() -> Self {
        let issuer = Issuer::new();
        issuer.regime(Regime::Rotating);
        let session = Session::new(PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD).scope("all"));
        Self::with(issuer, session)
    }

    pub fn with(issuer: Issuer, session: Session) -> Self {
        let apis = Resource::new(&issuer);
        for api in [ORDERS, BILLS] {
            apis.only_for(api, api);
        }
        Self { issuer, apis, session }
    }

    /// A call to an API with the session that is meant for it.
    pub async fn call(&self, api: &str) -> Result<Response<ResponseBody<Full<bytes::Bytes>>>, Error> {
        call_with(&self.session.for_resource(api), &self.apis, api).await
    }
}

pub async fn call_with(
    session: &Session,
    apis: &Resource,
    api: &str,
) -> Result<Response<ResponseBody<Full<bytes::Bytes>>>, Error> {
    let layer = ReauthLayer::new(session, Origins::only(api).unwrap());
    layer.layer(apis.clone()).oneshot(get(&format!("{api}/items"))).await
}

pub async fn token(session: &Session) -> String {
    session.token().await.unwrap().token_set().access_token().expose_secret().to_owned()
}
