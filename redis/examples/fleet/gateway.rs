//! The gateway: a token endpoint and an API. It has one user, with one active token; a refresh token that comes twice ends the login.

use std::{io, time::Duration};

use tower_reauth::{
    Session,
    testing::{Answer, Issuer, Regime, Resource, Server},
};

use crate::replica::{Place, USER};

/// Long enough to be seen, and for every replica to meet the rejection.
const RENEWAL: Duration = Duration::from_millis(300);

pub(crate) struct Gateway {
    pub(crate) issuer: Issuer,
    pub(crate) api: Resource,
    tokens: Server,
    calls: Server,
}

impl Gateway {
    pub(crate) async fn start() -> io::Result<Self> {
        let issuer = Issuer::new();
        issuer.regime(Regime::Rotating);
        issuer.always(Answer::tokens().after(RENEWAL));
        let api = Resource::new(&issuer);
        Ok(Self { tokens: issuer.serve().await?, calls: api.serve().await?, issuer, api })
    }

    /// Where tokens are asked for, and where the API is.
    pub(crate) fn url(&self) -> (String, String) {
        (self.tokens.url("/token"), self.calls.url(""))
    }

    /// As a login page does it: the tokens go into the store, and all replicas go on from there.
    pub(crate) async fn log_in(&self, place: &Place) -> Result<(), tower_reauth::Error> {
        let refresh_token = self.issuer.mint_refresh_token(USER);
        let session =
            Session::builder(tower_reauth::RefreshTokenGrant::new(self.issuer.endpoint(), refresh_token)).build();
        let tokens = session.token().await?;
        let shared = place.session(place.endpoint()?).await?.record(tokens.token_set().clone())?.build();
        shared.save().await
    }

    /// Another device of this user took a token of its own: the one that the fleet has is dead.
    pub(crate) fn end_token(&self) {
        self.issuer.revoke_all();
    }
}
