//! A session's token as what another grant sends.

use secrecy::{ExposeSecret, SecretString};

use super::Session;
use crate::secret::SecretSource;

/// The session's token: renewed before, if it is about to expire, and after the other server has refused it. A renewal of this
/// session that fails says nothing of the other one's credentials: there it counts as nothing sent.
impl From<&Session> for SecretSource {
    fn from(session: &Session) -> Self {
        let session = session.clone();
        Self::renewable(move |refused| {
            let (session, refused) = (session.clone(), refused.cloned());
            async move {
                let mut token = session.token().await?;
                let is_refused =
                    |refused: SecretString| refused.expose_secret() == token.token_set().access_token().expose_secret();
                if refused.is_some_and(is_refused) {
                    token = session.renew(token.generation()).await?;
                }
                Ok(token.token_set().access_token().clone())
            }
        })
    }
}

impl From<Session> for SecretSource {
    fn from(session: Session) -> Self {
        (&session).into()
    }
}
