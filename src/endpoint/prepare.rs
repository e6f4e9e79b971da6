//! What is read or signed for one request, before it has a place among those that are under way.

use http::HeaderMap;
use secrecy::SecretString;
use tokio::time::timeout_at;

use super::{TokenEndpoint, client_auth::Prepared, proving::Proving, step::Step, transport::Deadline};
use crate::{
    assertion::{Assertion, Server},
    error::{Error, ErrorKind},
    events,
};

impl TokenEndpoint {
    /// Signs an assertion for this server, by its clock.
    ///
    /// # Errors
    /// Says that nothing was sent.
    pub(crate) async fn sign(&self, assertion: &Assertion) -> Result<SecretString, Error> {
        let here = self.locate().await?;
        assertion.sign(self.as_server(&here.token.uri().to_string())).await
    }

    /// How many seconds the server's clock is thought to be ahead. It changes with a refusal: what was dated is then signed anew.
    pub(crate) fn time_ahead(&self) -> i64 {
        self.shared.clock.ahead()
    }

    /// An assertion that was `dated` so many seconds ahead was refused: the next one may be dated otherwise.
    pub(super) fn date_anew(&self, step: &Step<'_>, dated: i64, headers: &HeaderMap) {
        if let Some(ahead) = self.shared.clock.refused(dated, headers) {
            events::clock_differs(step.address().uri().authority(), ahead);
        }
    }

    /// What the client authenticates with, the proof of the session's key, and a place among the requests that are under way. What waited too long for the place
    /// is read or signed again, without it: what is read may come from a session that needs one.
    pub(super) async fn prepare_for<P, F: Future<Output = Result<P, Error>>>(
        &self,
        step: &Step<'_>,
        proving: &mut Proving<'_>,
        place: impl Fn() -> F,
    ) -> Result<(Option<Prepared<'_>>, P), Error> {
        let client = self.prepare(step).await?;
        self.prove(step, proving).await?;
        let found = place().await?;
        if !client.as_ref().is_some_and(Prepared::is_stale) && !proving.is_stale() {
            return Ok((client, found));
        }
        drop(found);
        let client = self.prepare(step).await?;
        self.prove(step, proving).await?;
        Ok((client, place().await?))
    }

    /// What the client authenticates with, as it is now.
    async fn prepare(&self, step: &Step<'_>) -> Result<Option<Prepared<'_>>, Error> {
        let Some(client) = &self.settings.client else { return Ok(None) };
        let deadline = Deadline::after(step, self.settings.timeout)?;
        let address = step.address().uri().to_string();
        match timeout_at(deadline.at, client.prepare(self.as_server(&address))).await {
            Ok(prepared) => prepared.map(Some),
            Err(_) => {
                let why = "not sent, since the client's secret or signature could not be had in time";
                Err(step.error(ErrorKind::Secret, why).not_sent())
            }
        }
    }

    fn as_server<'a>(&'a self, endpoint: &'a str) -> Server<'a> {
        let issuer = self.settings.issuer.as_deref().or(self.settings.location.issuer());
        Server { issuer, endpoint, now: self.shared.clock.now() }
    }
}
