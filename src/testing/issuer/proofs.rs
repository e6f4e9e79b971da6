//! An issuer that binds tokens to keys (RFC 9449).

use http::{HeaderMap, Method, Response, Uri, header::AUTHORIZATION};

use super::{
    super::proof::{Nonces, Proved},
    Issuer,
};

impl Issuer {
    /// Asks each token request for a DPoP proof from now on, and binds its tokens to the key that it proves
    /// ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): `token_type` is `DPoP`, and a refresh token is good with that key alone. The
    /// [`Resource`](super::super::Resource)s of this issuer take such a token under the scheme `DPoP`, with a proof.
    ///
    /// A proof is good once, for its own request, and within 5 s of the server's clock. One that is not gets `invalid_dpop_proof`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_reauth::Error> {
    /// use tower_reauth::{DpopKey, PasswordGrant, Session, testing::Issuer};
    ///
    /// let issuer = Issuer::new();
    /// issuer.require_dpop();
    /// let grant = PasswordGrant::new(issuer.endpoint(), "alice", "right");
    /// let session = Session::builder(grant).dpop(DpopKey::generate()?).build();
    ///
    /// session.token().await?;
    /// assert!(issuer.last_request().proof().is_some());
    /// # Ok(()) }
    /// ```
    pub fn require_dpop(&self) {
        self.book().proofs.required = true;
    }

    /// Asks for a nonce in each proof, which every answer brings; after so many proofs there is another one.
    pub fn ask_for_nonces(&self, every: usize) {
        self.book().proofs.nonces = Some(Nonces::every(every));
    }

    /// Sets the server's clock so many seconds ahead of this machine's; negative: behind.
    pub fn set_clock(&self, ahead: i64) {
        self.book().proofs.ahead = ahead;
    }

    /// Whether a call has proved what its token is bound to; the code of the refusal if not. `None` for a bearer token.
    pub(in crate::testing) fn check_call(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        token: &str,
    ) -> Option<Result<(), &'static str>> {
        let key = self.of(token, |issued| issued.key.clone());
        let is_marked = headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"DPoP "));
        let Some(key) = key else { return is_marked.then_some(Err("invalid_token")) };
        if !is_marked {
            return Some(Err("invalid_token"));
        }
        let proved = self.book().proofs.check(&Proved { method, uri, headers, token: Some(token) });
        Some(proved.and_then(|prover| if prover == key { Ok(()) } else { Err("invalid_token") }))
    }

    pub(in crate::testing) fn stamped<B>(&self, mut response: Response<B>) -> Response<B> {
        self.book().proofs.stamp(&mut response);
        response
    }
}
