//! A device: a client with the layer. This is the code to take along.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_reauth::{
    ClientAuth, Error, Origins, PasswordGrant, Reauth, ReauthLayer, Session, TokenEndpoint, Wso2Classifier,
};
use tracing::{Instrument, Span, info_span};

use crate::{
    arguments::GatewayKind,
    target::Target,
    timeline::Timeline,
    wire::{self, Wire},
};

/// A device of the user, with a session of its own.
pub(crate) struct Device {
    name: &'static str,
    session: Session,
    api: Reauth<Wire>,
    timeline: Timeline,
    span: Span,
    calls: u64,
    failures: u64,
    #[cfg(feature = "dpop")]
    last_sent: wire::LastSent,
}

#[cfg(feature = "dpop")]
fn session(grant: PasswordGrant, target: &Target) -> Result<Session, Error> {
    let session = Session::builder(grant);
    Ok(if target.dpop { session.dpop(tower_reauth::DpopKey::generate()?).build() } else { session.build() })
}

#[cfg(not(feature = "dpop"))]
fn session(grant: PasswordGrant, _: &Target) -> Result<Session, Error> {
    Ok(Session::new(grant))
}

impl Device {
    /// A device that logs in. The layer would fetch its first token with the first call; here a wrong password is to be
    /// told at once.
    pub(crate) async fn log_in(name: &'static str, target: &Target, timeline: &Timeline) -> Result<Self, Error> {
        timeline.device(name, "logs in");
        let device = Self::new(name, target, timeline)?;
        device.session.token().instrument(device.span.clone()).await?;
        timeline.good(name, "is logged in");
        Ok(device)
    }

    fn new(name: &'static str, target: &Target, timeline: &Timeline) -> Result<Self, Error> {
        let client = wire::client();
        // The embedded gateway tells by itself what it says.
        let told = (!target.embedded).then(|| timeline.clone());

        let token_client = wire::tell(client.clone(), name, "authorization server", told.clone());
        let mut endpoint =
            TokenEndpoint::new(token_client, &target.token_url)?.client_auth(match &target.client_secret {
                Some(secret) => ClientAuth::basic(target.client_id.as_str(), secret.clone()),
                None => ClientAuth::none(target.client_id.as_str()),
            });
        if let Some(url) = &target.revoke_url {
            endpoint = endpoint.revocation(url)?;
        }
        let mut grant = PasswordGrant::new(endpoint, target.username.as_str(), target.password.clone());
        if let Some(scope) = &target.scope {
            grant = grant.scope(scope.as_str());
        }
        let span = info_span!("device", device = name);
        let session = span.in_scope(|| session(grant, target))?;

        let mut layer = ReauthLayer::new(session.clone(), Origins::only(&target.origin)?);
        if target.kind == GatewayKind::Wso2 {
            layer = layer.classify(Wso2Classifier::new());
        }
        let api = wire::tell(client, name, "API", told);
        #[cfg(feature = "dpop")]
        let last_sent = wire::LastSent::default();
        #[cfg(feature = "dpop")]
        let api = last_sent.clone().listen(api);
        let api = ServiceBuilder::new().layer(layer).service(api);

        Ok(Self {
            name,
            session,
            api,
            timeline: timeline.clone(),
            span,
            calls: 0,
            failures: 0,
            #[cfg(feature = "dpop")]
            last_sent,
        })
    }

    /// The headers of the last call, as a careless proxy would log them.
    #[cfg(feature = "dpop")]
    pub(crate) fn last_sent(&self) -> http::HeaderMap {
        self.last_sent.read()
    }

    /// Calls the API once.
    pub(crate) async fn call(&mut self, method: Method, target: &Target) -> anyhow::Result<()> {
        self.timeline.device(self.name, &format!("{method} {}", target.path()));
        self.calls += 1;
        let body = if method == Method::POST { r#"{"item":"pears","amount":2}"# } else { "" };
        let request = Request::builder()
            .method(method)
            .uri(&target.api_url)
            .header("accept", "application/json")
            // By this the gateway counts replays.
            .header("x-request-id", format!("{}-{}", self.name, self.calls))
            .body(Full::new(Bytes::from_static(body.as_bytes())))?;

        let answer = async {
            let response = self.api.ready().await?.call(request).await?;
            let status = response.status();
            // An answer that breaks off is a failure as well.
            response.into_body().collect().await?;
            anyhow::Ok(status)
        };
        match answer.instrument(self.span.clone()).await {
            Ok(status) if status.is_success() => self.timeline.good(self.name, &status.to_string()),
            Ok(status) => self.fails(&status.to_string()),
            // Nothing worked yet, so it is not the story that fails but its beginning.
            Err(error) if self.calls == 1 => return Err(error.context(format!("{} is out of reach", target.origin))),
            Err(error) => self.fails(&format!("{error:#}")),
        }
        Ok(())
    }

    /// Gets a new token although the old one is good.
    pub(crate) async fn refresh(&mut self) {
        self.timeline.device(self.name, "refreshes its token");
        let renewed = async {
            let token = self.session.token().await?;
            self.session.renew(token.generation()).await
        };
        match renewed.instrument(self.span.clone()).await {
            Ok(_) => self.timeline.good(self.name, "has a new token"),
            Err(error) => self.fails(&error.to_string()),
        }
    }

    /// Forgets password and tokens, and revokes the tokens.
    pub(crate) async fn log_out(&mut self) {
        self.timeline.device(self.name, "logs out");
        match self.session.logout().instrument(self.span.clone()).await {
            Ok(()) => self.timeline.good(self.name, "is logged out"),
            Err(error) => self.fails(&error.to_string()),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    fn fails(&mut self, what: &str) {
        self.failures += 1;
        self.timeline.bad(self.name, what);
    }
}
