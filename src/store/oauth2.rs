//! A login that was done with the `oauth2` or the `openidconnect` crate.

use zeroize::Zeroizing;

use super::Record;
use crate::{
    endpoint,
    error::{Error, ErrorKind},
};

impl Record {
    /// The record of a login that was done with the [`oauth2`](https://docs.rs/oauth2) or the
    /// [`openidconnect`](https://docs.rs/openidconnect) crate: both tokens, scope, expiry, and the other members, such as `id_token`.
    ///
    /// Call it as soon as the response is there: its lifetime counts from now.
    ///
    /// ```
    /// use tower_reauth::{Record, RefreshTokenGrant, Session, TokenEndpoint};
    ///
    /// /// After `exchange_code(..).request_async(..)`, of any client and any flow.
    /// fn session(response: &impl oauth2::TokenResponse, endpoint: TokenEndpoint) -> Result<Session, tower_reauth::Error> {
    ///     Ok(Session::builder(RefreshTokenGrant::stored(endpoint)).record(Record::from_oauth2(response)?)?.build())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidAccessToken`] if the access token has characters that no header can carry.
    /// [`ErrorKind::MalformedAnswer`] if the response's own serialization fails.
    pub fn from_oauth2(response: &impl oauth2::TokenResponse) -> Result<Self, Error> {
        // The one way to `id_token` for both crates.
        let json = serde_json::to_vec(response).map(Zeroizing::new);
        let json = json.map_err(|_| Error::new(ErrorKind::MalformedAnswer, "the response could not be serialized"))?;
        Ok(Self::new(endpoint::tokens_of(&json)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use oauth2::{EmptyExtraTokenFields, ExtraTokenFields, StandardTokenResponse, basic::BasicTokenType};
    use secrecy::ExposeSecret;
    use serde::{Deserialize, Serialize};

    use super::*;

    /// As `openidconnect` adds it.
    #[derive(Debug, Deserialize, Serialize)]
    struct IdToken {
        id_token: Option<String>,
    }

    impl ExtraTokenFields for IdToken {}

    const ANSWER: &str = r#"{"access_token":"at","token_type":"bearer","expires_in":3600,"refresh_token":"rt",
        "scope":"openid orders","id_token":"e30.e30.c2ln"}"#;

    #[test]
    fn response_becomes_a_record_with_its_expiry_and_its_id_token() {
        let response: StandardTokenResponse<IdToken, BasicTokenType> = serde_json::from_str(ANSWER).unwrap();
        let now = SystemTime::now();
        let record = Record::from_oauth2(&response).unwrap();
        let secret = |secret: Option<&secrecy::SecretString>| secret.unwrap().expose_secret().to_owned();
        assert_eq!((secret(record.access_token()), secret(record.refresh_token())), ("at".into(), "rt".into()));
        assert_eq!((secret(record.extra("id_token")), record.scope()), ("e30.e30.c2ln".into(), Some("openid orders")));
        let left = record.expires_at().unwrap().duration_since(now).unwrap();
        assert!(left.abs_diff(Duration::from_secs(3600)) < Duration::from_secs(10), "{left:?}");
    }

    #[test]
    fn token_that_is_bound_to_a_key_stays_so() {
        let record = |kind: &str| {
            let answer = ANSWER.replace("bearer", kind);
            let response: StandardTokenResponse<IdToken, BasicTokenType> = serde_json::from_str(&answer).unwrap();
            Record::from_oauth2(&response).unwrap()
        };
        assert!(record("DPoP").is_bound() && record("dpop").is_bound());
        assert!(!record("Bearer").is_bound() && !record("mac").is_bound());
    }

    #[test]
    fn response_without_an_id_token_or_with_a_bad_token_is_no_surprise() {
        let response: StandardTokenResponse<EmptyExtraTokenFields, BasicTokenType> =
            serde_json::from_str(r#"{"access_token":"at","token_type":"bearer"}"#).unwrap();
        let record = Record::from_oauth2(&response).unwrap();
        assert!(
            record.extra("id_token").is_none() && record.expires_at().is_none() && record.refresh_token().is_none()
        );
        let response: StandardTokenResponse<EmptyExtraTokenFields, BasicTokenType> =
            serde_json::from_str(r#"{"access_token":"a t","token_type":"bearer"}"#).unwrap();
        assert_eq!(Record::from_oauth2(&response).unwrap_err().kind(), ErrorKind::InvalidAccessToken);
    }
}
