//! A session's token as what another grant sends.

use secrecy::{ExposeSecret, SecretString};

use super::Session;
use crate::{
    error::{Error, ErrorKind},
    secret::SecretSource,
};

/// The session's token: renewed before, if it is about to expire, and after the other server has refused it. A renewal of this
/// session that fails says nothing of the other one's credentials: there it counts as nothing sent.
impl From<&Session> for SecretSource {
    fn from(session: &Session) -> Self {
        let session = session.clone();
        Self::renewable(move |refused| {
            let (session, refused) = (session.clone(), refused.cloned());
            async move {
                let mut token = session.token().await.map_err(failed)?;
                let is_refused =
                    |refused: SecretString| refused.expose_secret() == token.token_set().access_token().expose_secret();
                if refused.is_some_and(is_refused) {
                    token = session.renew(token.generation()).await.map_err(failed)?;
                }
                Ok(token.token_set().access_token().clone())
            }
        })
    }
}

/// Its kind and its verdict are the other session's business.
fn failed(error: Error) -> Error {
    let wait = error.retry_after();
    let told = Error::new(ErrorKind::Secret, "the session that the token comes from has none").with_source(error);
    match wait {
        Some(wait) => told.with_retry_after(wait),
        None => told,
    }
}

impl From<Session> for SecretSource {
    fn from(session: Session) -> Self {
        (&session).into()
    }
}
