//! Giving tokens back ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use super::{
    TokenEndpoint,
    failure::{failure, holds_everyone},
    form::Form,
    proving::Proving,
    response::{Answer, refusal},
    step::{Purpose, Step, TokenKind},
    transport::read_start,
};
use crate::{
    context::GrantContext,
    error::{Error, ErrorKind, TokenVerdict},
};

const SENDS: u32 = 3;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl TokenEndpoint {
    /// Whether tokens can be revoked here; yes, where that has to be discovered first.
    pub(crate) fn revokes(&self) -> bool {
        self.settings.revocation.is_some() || self.settings.location.may_revoke()
    }

    /// Revokes a token: sent at most three times, and again only after a 429 or 503. A pause that the server asked for
    /// at the token endpoint does not hold it up. Without an address for revocations nothing is sent and nothing fails.
    /// `context` has all that its session held: no error tells of it.
    ///
    /// # Errors
    /// [`ErrorKind::NotRevoked`], with status, OAuth code and cause of the last attempt.
    ///
    /// # Cancel safety
    /// When dropped, the request may or may not have reached the server.
    pub(crate) async fn revoke(
        &self,
        token: &SecretString,
        kind: TokenKind,
        context: &GrantContext,
    ) -> Result<(), Error> {
        if !self.revokes() {
            return Ok(());
        }
        let mut sends = 0;
        let mut pause = Duration::from_secs(1);
        loop {
            sends += 1;
            let dated = self.time_ahead();
            let Err(error) = self.send_revocation(token, kind, context).await else {
                return Ok(());
            };
            if sends < SENDS && self.time_ahead() != dated {
                continue;
            }
            // A secret that could not be read, metadata that could not be had: in a moment they may be there.
            let is_unsent = error.known_verdict() == Some(TokenVerdict::Unsent) && error.kind() != ErrorKind::NoRuntime;
            if sends == SENDS || !(is_unsent || error.status().is_some_and(holds_everyone)) {
                let address = self.settings.revocation.as_ref().unwrap_or(self.settings.location.name());
                return Err(not_revoked(&Step::new(Purpose::Revocation(kind), address), error));
            }
            sleep(error.retry_after().unwrap_or(pause).min(LONGEST_WAIT)).await;
            pause *= 2;
        }
    }

    async fn send_revocation(
        &self,
        token: &SecretString,
        kind: TokenKind,
        context: &GrantContext,
    ) -> Result<(), Error> {
        let here = self.locate().await?;
        let Some(address) = self.settings.revocation.as_ref().or(here.revocation.as_ref()) else {
            return Ok(());
        };
        let step = &Step::new(Purpose::Revocation(kind), address);
        let form = || {
            let mut form = Form::default();
            form.append("token", token.expose_secret());
            form.append("token_type_hint", kind.hint());
            Ok(form)
        };
        let dated = self.time_ahead();
        // Waits as long as it takes: nobody would try again. Never closed.
        let (client, _place) =
            self.prepare_for(step, &mut Proving::nothing(), async || Ok(self.settings.turns.acquire().await)).await?;
        let (parts, body, deadline, carried) = self.post(step, (client.as_ref(), || Ok(None)), form, None).await?;
        let step = &step.after(&carried, Some(context));
        let limit = self.settings.response_limit;
        if !parts.status.is_success() {
            let error = refusal(step, &parts, body, limit, deadline).await;
            if self.refuses_client(&error, Purpose::Revocation(kind)) {
                self.date_anew(step, dated, &parts.headers);
            }
            return Err(error);
        }
        // RFC 7009 §2.2: the status says it all. But errors and pages to log in at come with a 2xx, too.
        let body = read_start(step, body, limit, deadline).await.map_err(|error| error.with_status(parts.status))?;
        let answer = Answer::parse(&parts.headers, body.as_slice()).unwrap_or_default();
        let told = answer.told(body.as_slice());
        if told.is_error || told.page {
            return Err(failure(step, parts.status, &parts.headers, told));
        }
        Ok(())
    }
}

impl TokenKind {
    fn hint(self) -> &'static str {
        match self {
            Self::Access => "access_token",
            Self::Refresh => "refresh_token",
        }
    }
}

fn not_revoked(step: &Step<'_>, cause: Error) -> Error {
    let mut error = step.error(ErrorKind::NotRevoked, "the server did not revoke it");
    if let Some(status) = cause.status() {
        error = error.with_status(status);
    }
    if let Some(code) = cause.oauth_code() {
        error = error.with_oauth_code(code);
    }
    if let Some(verdict) = cause.known_verdict() {
        error = error.with_verdict(verdict);
    }
    error.with_source(cause)
}

#[cfg(test)]
mod tests;
