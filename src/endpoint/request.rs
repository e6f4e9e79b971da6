//! Token requests (RFC 6749 §4 and §6): what is sent, and what becomes of the answer.

use std::time::Duration;

use http::response::Parts;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{
    TokenEndpoint,
    client_auth::{ClientAuth, Prepared},
    failure::{holds_everyone, retry_after},
    form::Form,
    hold::Turn,
    proving::Proving,
    response::{refusal, tokens},
    step::{Purpose, Step},
    token_type::Accepted,
    transport::{AnswerBody, Deadline, read},
};
use crate::{
    clock,
    context::GrantContext,
    dpop::Binding,
    error::{Error, ErrorKind, TokenVerdict},
    events,
    token::TokenSet,
};

/// What a token request says. Asked for when the request is about to be sent, so that one that waits for its turn, or for its
/// service, holds no secret (invariant 6).
pub(crate) type Parameters<'a> = Vec<(&'a str, SecretString)>;

/// How long a token request waits for a place among those that are under way.
const PLACE_TIME: Duration = Duration::from_secs(30);

impl TokenEndpoint {
    /// Makes one token request, for grants written by users.
    ///
    /// `parameters` are names and values as the grant's specification says, `grant_type` included. The endpoint adds client
    /// authentication, its own [`parameter`](TokenEndpoint::parameter)s and the context's [`claims`](GrantContext::claims).
    /// A name in `parameters` wins over the endpoint's own. The context's [`resource`](GrantContext::resource) and
    /// [`scope`](GrantContext::scope) win over both.
    ///
    /// ```
    /// use tower_reauth::{Error, Grant, GrantContext, TokenEndpoint, TokenSet};
    ///
    /// struct DeviceGrant {
    ///     endpoint: TokenEndpoint,
    ///     device_code: String,
    /// }
    ///
    /// impl Grant for DeviceGrant {
    ///     async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
    ///         let grant_type = "urn:ietf:params:oauth:grant-type:device_code";
    ///         let parameters = [("grant_type", grant_type), ("device_code", &self.device_code)];
    ///         self.endpoint.request(&context, &parameters).await
    ///     }
    ///
    ///     fn endpoint(&self) -> Option<&TokenEndpoint> {
    ///         Some(&self.endpoint)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind`] lists the failures. The message names the request and the endpoint; of the answer it holds at most an
    /// OAuth error code. [`ErrorKind::Unavailable`] without a [`status`](Error::status) means that nothing was sent,
    /// because an earlier answer asked for a pause.
    ///
    /// # Cancel safety
    /// Not safe by itself: a dropped request may have reached the server, and its answer is lost. A session runs the request
    /// on a task of its own.
    pub async fn request(&self, context: &GrantContext, parameters: &[(&str, &str)]) -> Result<TokenSet, Error> {
        let grant_type = parameters.iter().find(|(name, _)| *name == "grant_type").map(|(_, value)| *value);
        let parameters = || Ok(parameters.iter().map(|(name, value)| (*name, SecretString::from(*value))).collect());
        self.exchange(Purpose::Token(grant_type), context, parameters).await
    }

    /// As [`request`](TokenEndpoint::request), with parameters that are asked for when the request is about to be sent.
    pub(crate) async fn request_with<'a>(
        &self,
        context: &GrantContext,
        grant_type: &str,
        parameters: impl Fn() -> Result<Parameters<'a>, Error>,
    ) -> Result<TokenSet, Error> {
        self.exchange(Purpose::Token(Some(grant_type)), context, parameters).await
    }

    /// Redeems a refresh token ([RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)); no scope is sent
    /// unless a derived session wants one, since the server then keeps the one that was granted.
    ///
    /// # Errors
    /// As [`request`](TokenEndpoint::request).
    ///
    /// # Cancel safety
    /// As [`request`](TokenEndpoint::request): the refresh token may be spent.
    pub(crate) async fn refresh(
        &self,
        context: &GrantContext,
        token: impl Fn() -> Result<SecretString, Error>,
    ) -> Result<TokenSet, Error> {
        let parameters = || Ok(vec![("grant_type", "refresh_token".into()), ("refresh_token", token()?)]);
        self.exchange(Purpose::Refresh, context, parameters).await
    }

    /// As [`request_with`](TokenEndpoint::request_with), for an assertion that was signed here.
    pub(crate) async fn request_signed<'a>(
        &self,
        context: &GrantContext,
        grant_type: &str,
        parameters: impl Fn() -> Result<Parameters<'a>, Error>,
    ) -> Result<TokenSet, Error> {
        self.exchange(Purpose::Signed(grant_type), context, parameters).await
    }

    /// Whether a token request may go out now: what is to be read or signed for it waits until then.
    ///
    /// # Errors
    /// The server asked for a pause. Says that nothing was sent.
    pub(crate) fn is_open(&self, context: &GrantContext, grant_type: &str) -> Result<(), Error> {
        context.prepares();
        self.enter(&Step::new(Purpose::Token(Some(grant_type)), self.settings.location.name())).map(drop)
    }

    /// One token request; two where a signed client is refused, and its next assertion is dated by another clock.
    async fn exchange<'a>(
        &self,
        purpose: Purpose<'_>,
        context: &GrantContext,
        parameters: impl Fn() -> Result<Parameters<'a>, Error>,
    ) -> Result<TokenSet, Error> {
        let before = self.time_ahead();
        let answer = self.exchange_proven(purpose, context, &parameters).await;
        // Invariant 5: a password does not go along twice.
        let may_repeat = !matches!(purpose, Purpose::Token(Some("password")));
        match &answer {
            Err(error) if may_repeat && self.refuses_client(error, purpose) && self.time_ahead() != before => {
                self.exchange_proven(purpose, context, &parameters).await
            }
            _ => answer,
        }
    }

    /// One token request; another one where the server asks for another proof of the session's key.
    async fn exchange_proven<'a>(
        &self,
        purpose: Purpose<'_>,
        context: &GrantContext,
        parameters: &impl Fn() -> Result<Parameters<'a>, Error>,
    ) -> Result<TokenSet, Error> {
        let mut proving = Proving::of(context);
        loop {
            let answer = self.exchange_once(purpose, context, &mut proving, parameters).await;
            // An assertion that was signed here is signed anew, by whoever signed it.
            if matches!(purpose, Purpose::Signed(_)) {
                return answer;
            }
            if !proving.again(&answer) {
                return proving.end(answer);
            }
        }
    }

    async fn exchange_once<'a>(
        &self,
        purpose: Purpose<'_>,
        context: &GrantContext,
        proving: &mut Proving<'_>,
        parameters: &impl Fn() -> Result<Parameters<'a>, Error>,
    ) -> Result<TokenSet, Error> {
        context.prepares();
        // In a pause nothing is fetched, read or signed.
        self.enter(&Step::new(purpose, self.settings.location.name()))?;
        // Before there is a place: others may wait for the metadata, and what is read may come from a session that needs a place.
        let here = self.locate().await?;
        let step = Step::new(purpose, &here.token);
        let dated = self.time_ahead();
        let (client, _place) = self.prepare_for(&step, proving, || self.place(&step)).await?;
        let turn = self.enter(&step)?;
        let mut asked = None;
        let form = || {
            // Invariant 6: a login that ended while this waited sends nothing more.
            if context.is_over() {
                return Err(step.error(ErrorKind::LoggedOut, "not sent, since its login has ended").not_sent());
            }
            let now = Instant::now();
            clock::look(now);
            asked = Some(clock::with_sleep(now));
            context.sends();
            Ok(self.form(purpose, context, &parameters()?, client.as_ref()))
        };
        let (parts, body, deadline, carried) =
            self.post(&step, (client.as_ref(), || proving.header(&step)), form, Some(context.session())).await?;
        proving.hears(&step, &parts.headers);
        let step = step.after(&carried, Some(context));
        let pause = || {
            let wait = retry_after(&parts.headers);
            events::requests_paused(step.address().uri().authority(), parts.status, wait);
            self.shared.hold.begin(turn, parts.status, wait);
        };
        // Before the body, which may be slow: others are about to ask.
        let holds = holds_everyone(parts.status);
        if holds {
            pause();
        }
        let answer = self.answer(&step, &parts, body, deadline, context.dpop()).await;
        let answer = answer.map_err(|error| proving.judge(&step, error, &parts.headers));
        match &answer {
            Err(error) if error.asks_to_wait() && !holds => pause(),
            _ if parts.status.is_server_error() || holds => {}
            _ => self.shared.hold.end(turn),
        }
        if let Err(error) = &answer {
            let is_dated = matches!(purpose, Purpose::Signed(_)) && refuses(error);
            if is_dated || self.refuses_client(error, purpose) {
                self.date_anew(&step, dated, &parts.headers);
            }
        }
        answer.map(|tokens| tokens.asked_at(asked))
    }

    async fn answer(
        &self,
        step: &Step<'_>,
        parts: &Parts,
        body: AnswerBody,
        deadline: Deadline,
        dpop: Option<&Binding>,
    ) -> Result<TokenSet, Error> {
        let limit = self.settings.response_limit;
        if !parts.status.is_success() {
            return Err(refusal(step, parts, body, limit, deadline).await);
        }
        let body = read(step, body, limit, deadline).await.map_err(|error| error.with_status(parts.status))?;
        tokens(step, parts, Accepted { types: &self.settings.token_types, dpop }, body.as_slice())
    }

    /// A place among the requests that may be under way. Whoever waits longer for one than callers wait for a token is not
    /// sent, and must not count as sent: the requests ahead may hang for as long as they may take.
    async fn place(&self, step: &Step<'_>) -> Result<SemaphorePermit<'_>, Error> {
        let turns = &self.settings.turns;
        if let Ok(place) = turns.try_acquire() {
            return Ok(place);
        }
        let deadline = Deadline::after(step, PLACE_TIME)?;
        match timeout_at(deadline.at, turns.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => {
                let why = format!("not sent, since the requests before it took longer than {PLACE_TIME:?}");
                Err(step.error(ErrorKind::Unavailable, why).not_sent())
            }
        }
    }

    /// Whether a refusal says that an assertion of the client was not believed: in the words for it, or since there was nothing
    /// else to refuse.
    pub(super) fn refuses_client(&self, error: &Error, purpose: Purpose<'_>) -> bool {
        let is_alone = matches!(purpose, Purpose::Token(Some("client_credentials")));
        let is_refused = error.known_verdict() == Some(TokenVerdict::Client) || (is_alone && refuses(error));
        is_refused && self.settings.client.as_ref().is_some_and(ClientAuth::is_signed)
    }

    fn enter(&self, step: &Step<'_>) -> Result<Turn, Error> {
        self.shared.hold.enter().map_err(|held| {
            let why = format!("not sent, since the server answered with {} just before", held.status.as_u16());
            step.error(ErrorKind::Unavailable, why).with_retry_after(held.remaining).not_sent()
        })
    }

    /// RFC 6749 §3.2: no parameter twice, so what comes first wins, and what the client authenticates with comes before all. Only
    /// `audience` and `resource` may be there more than once, and then from one list (RFC 8693 §2.1).
    fn form(
        &self,
        purpose: Purpose<'_>,
        context: &GrantContext,
        parameters: &[(&str, SecretString)],
        client: Option<&Prepared<'_>>,
    ) -> Form {
        let told = |(name, value): (_, Option<_>)| Some((name, value?));
        let repeated = Some(&self.settings.refresh_parameters).filter(|_| matches!(purpose, Purpose::Refresh));
        let lists: [Vec<(&str, &str)>; 5] = [
            // What a derived session wants.
            [("resource", context.resource()), ("scope", context.scope())].into_iter().filter_map(told).collect(),
            parameters.iter().map(|(name, value)| (*name, value.expose_secret())).collect(),
            [("claims", context.claims())].into_iter().filter_map(told).collect(),
            repeated.into_iter().flatten().map(|(name, value)| (&**name, value.expose_secret())).collect(),
            self.settings.parameters.iter().map(|(name, value)| (&**name, value.expose_secret())).collect(),
        ];
        let mut form = Form::default();
        for (number, list) in lists.iter().enumerate() {
            for (place, (name, value)) in list.iter().enumerate() {
                let own = if matches!(*name, "audience" | "resource") { 0 } else { place };
                let mut earlier = lists[..number].iter().flatten().chain(&list[..own]);
                if !earlier.any(|(other, _)| other == name) && !client.is_some_and(|client| client.names(name)) {
                    form.append(name, value);
                }
            }
        }
        form
    }
}

/// Whether the server would not have what it was sent.
fn refuses(error: &Error) -> bool {
    matches!(error.known_verdict(), Some(TokenVerdict::Client | TokenVerdict::Refused(_)))
}

#[cfg(test)]
mod tests;
