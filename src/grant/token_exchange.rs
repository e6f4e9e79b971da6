//! The token exchange grant (RFC 8693).

use std::fmt;

use secrecy::SecretString;

use super::{
    Grant,
    subject::{Read, Subject},
    subject_key::SubjectKey,
    token_type::TokenType,
    wanted::{Wanted, wanting},
};
use crate::{
    context::GrantContext,
    credential::Credential,
    endpoint::TokenEndpoint,
    error::{Error, ErrorKind},
    secret::SecretSource,
    token::TokenSet,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What a server calls the type of a token that opens nothing by itself (RFC 8693 §2.2.1).
const NOT_APPLICABLE: &str = "N_A";

/// A token of somebody's, exchanged for another one ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)): for another audience, with
/// less scope, of another kind.
///
/// The *subject token* says whom the new token is about. With it alone this program acts as that user (impersonation). With an
/// [`actor_token`](TokenExchangeGrant::actor_token) the new token says also who acts (delegation).
///
/// ```
/// use tower_reauth::{Session, TokenEndpoint, TokenExchangeGrant, TokenType};
///
/// /// A session that gets its tokens for what another one holds.
/// fn downstream(upstream: &Session, endpoint: TokenEndpoint) -> Session {
///     Session::new(TokenExchangeGrant::new(endpoint, upstream).audience("orders").scope("orders:read"))
/// }
///
/// /// An identity assertion for another company's authorization server, to be sent by a `JwtBearerGrant`.
/// fn identity(id_token: String, endpoint: TokenEndpoint) -> Session {
///     let grant = TokenExchangeGrant::new(endpoint, id_token)
///         .subject_token_type(TokenType::ID_TOKEN)
///         .requested_token_type(TokenType::ID_JAG)
///         .audience("https://auth.api.example");
///     Session::new(grant)
/// }
/// ```
///
/// # Tokens of inbound requests
/// A server that exchanges its callers' tokens keeps a session for each subject, audience and scope in
/// [`Sessions`](crate::Sessions), found by [`key`](TokenExchangeGrant::key). So no caller is ever served by another one's token.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::{Error, Session, Sessions, SubjectKey, TokenEndpoint, TokenExchangeGrant};
///
/// /// Returns the key that goes into the extensions of the outbound request.
/// async fn on_behalf_of(
///     sessions: &Sessions<SubjectKey>,
///     endpoint: &TokenEndpoint,
///     inbound: String,
/// ) -> Result<Option<SubjectKey>, Error> {
///     let grant = TokenExchangeGrant::new(endpoint.clone(), inbound).audience("orders");
///     let Some(key) = grant.key() else { return Ok(None) };
///     sessions.get_or_login(key.clone(), || async { Ok::<_, Error>(Session::new(grant)) }).await?;
///     Ok(Some(key))
/// }
/// ```
///
/// # Refusals
/// A subject token that is fixed and refused is not sent again: that session is [`Refused`](crate::Status::Refused), and no other
/// one. One that changes is read once more, and another one is sent at once; the same one is tried again after 60 s doubling to 15
/// min.
pub struct TokenExchangeGrant {
    base: TokenEndpoint,
    /// The same with what is repeated at a refresh.
    endpoint: TokenEndpoint,
    subject: Subject,
    subject_type: TokenType,
    actor: Option<(Subject, TokenType)>,
    requested: Option<TokenType>,
    wanted: Wanted,
}

impl TokenExchangeGrant {
    /// Tokens in exchange for this one, at this endpoint.
    pub fn new(endpoint: TokenEndpoint, subject_token: impl Into<SecretSource>) -> Self {
        Self {
            base: endpoint.clone(),
            endpoint,
            subject: Subject::new(subject_token.into(), false),
            subject_type: TokenType::ACCESS_TOKEN,
            actor: None,
            requested: None,
            wanted: Wanted::default(),
        }
    }

    /// What the subject token is. Default: [`TokenType::ACCESS_TOKEN`].
    #[must_use]
    pub fn subject_token_type(mut self, kind: TokenType) -> Self {
        self.subject = self.subject.with_jwt(kind.is_jwt());
        self.subject_type = kind;
        self
    }

    /// Who acts for the subject, and what that token is. Default: nobody.
    #[must_use]
    pub fn actor_token(mut self, token: impl Into<SecretSource>, kind: TokenType) -> Self {
        self.actor = Some((Subject::new(token.into(), kind.is_jwt()), kind));
        self
    }

    /// What the new token is to be. Default: not said, and the server decides.
    ///
    /// A token that is no access token opens nothing by itself: get it by [`Session::token`](crate::Session::token), or feed another
    /// grant with the session.
    #[must_use]
    pub fn requested_token_type(mut self, kind: TokenType) -> Self {
        self.requested = Some(kind);
        self.want(|_| {})
    }

    wanting!();

    /// Names the exchange among those of [`Sessions`](crate::Sessions): a keyed hash of all that it asks with and for, the subject
    /// token first. `None` if the subject or the actor token may change.
    pub fn key(&self) -> Option<SubjectKey> {
        let subject = self.subject.fixed()?;
        let actor = match &self.actor {
            Some((actor, kind)) => Some((actor.fixed()?, kind)),
            None => None,
        };
        Some(SubjectKey::of(&self.base, (&subject, &self.subject_type), actor, self.requested.as_ref(), &self.wanted))
    }

    fn want(mut self, change: impl FnOnce(&mut Wanted)) -> Self {
        change(&mut self.wanted);
        self.endpoint = self.wanted.at(&self.base);
        if self.requested.as_ref().is_some_and(|kind| *kind != TokenType::ACCESS_TOKEN) {
            self.endpoint = self.endpoint.accept_token_type(NOT_APPLICABLE);
        }
        self
    }

    async fn send(
        &self,
        context: &GrantContext,
        subject: &Read<'_>,
        actor: Option<&Read<'_>>,
    ) -> Result<TokenSet, Error> {
        let actor = actor.zip(self.actor.as_ref().map(|(_, kind)| kind));
        let parameters = || {
            let mut parameters = vec![
                ("grant_type", GRANT_TYPE.into()),
                ("subject_token", subject.token()?),
                ("subject_token_type", self.subject_type.as_str().into()),
            ];
            if let Some((actor, kind)) = &actor {
                parameters.push(("actor_token", actor.token()?));
                parameters.push(("actor_token_type", kind.as_str().into()));
            }
            if let Some(kind) = &self.requested {
                parameters.push(("requested_token_type", kind.as_str().into()));
            }
            parameters.extend(self.wanted.parameters());
            Ok(parameters)
        };
        let tokens = self.endpoint.request_with(context, GRANT_TYPE, parameters).await?;
        self.is_what_was_asked_for(&tokens)?;
        // A refresh would bring an access token.
        Ok(if self.is_for_access() { tokens } else { tokens.split_refresh_token().0 })
    }

    /// Whether it is an access token that was asked for, as far as that was said.
    fn is_for_access(&self) -> bool {
        self.requested.as_ref().is_none_or(|requested| requested.is_met_by(&TokenType::ACCESS_TOKEN))
    }

    /// A token of another kind must not be sent where the asked one was meant to go.
    fn is_what_was_asked_for(&self, tokens: &TokenSet) -> Result<(), Error> {
        use secrecy::ExposeSecret;

        let Some(requested) = &self.requested else { return Ok(()) };
        let issued = tokens.extra("issued_token_type").map(|kind| TokenType::other(kind.expose_secret().to_owned()));
        // RFC 8693 §2.2.1: the type is there. Where it is not, what came is taken for an access token.
        if requested.is_met_by(&issued.unwrap_or(TokenType::ACCESS_TOKEN)) {
            return Ok(());
        }
        let why = format!("the server issued another kind of token than `{}`", requested.as_str());
        Err(Error::new(ErrorKind::UnsupportedTokenType, why))
    }
}

impl Grant for TokenExchangeGrant {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        self.endpoint.is_open(&context, GRANT_TYPE)?;
        let subject = self.subject.read(None).await?;
        let actor = match &self.actor {
            Some((actor, _)) => Some(actor.read(None).await?),
            None => None,
        };
        let answer = self.send(&context, &subject, actor.as_ref()).await;
        let other_subject = self.subject.another(&subject, &answer).await;
        let other_actor = match self.actor.as_ref().zip(actor.as_ref()) {
            Some(((actor, _), sent)) => actor.another(sent, &answer).await,
            None => None,
        };
        if other_subject.is_none() && other_actor.is_none() {
            return answer;
        }
        self.send(&context, &other_subject.unwrap_or(subject), other_actor.or(actor).as_ref()).await
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.endpoint)
    }

    fn credential(&self) -> Credential {
        // What can change may do better.
        match &self.actor {
            Some((actor, _)) if !actor.is_fixed() => actor.credential(),
            _ => self.subject.credential(),
        }
    }

    fn forget(&self) {
        self.subject.forget();
        if let Some((actor, _)) = &self.actor {
            actor.forget();
        }
    }
}

impl fmt::Debug for TokenExchangeGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchangeGrant")
            .field("endpoint", &self.base)
            .field("subject_token_type", &self.subject_type)
            .field("requested_token_type", &self.requested)
            .field("scope", &self.wanted.scope)
            .field("audience", &self.wanted.audiences)
            .field("resource", &self.wanted.resources)
            .finish_non_exhaustive()
    }
}
