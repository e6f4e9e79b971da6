//! Who signs: a key in memory, or a service that keeps it.

use std::{future::Future, pin::Pin};

use crate::error::Error;

/// Signs for a client: the place for a key that lives in a KMS, an HSM or an agent. `JwtKey` is one for keys in
/// memory (feature `jwt`).
///
/// ```
/// use tower_reauth::{Assertion, ClientAuth, Error, ErrorKind, Signer};
///
/// # struct Kms;
/// # impl Kms { async fn sign_p256(&self, _key: &str, _message: &[u8]) -> std::io::Result<[u8; 64]> { Ok([0; 64]) } }
/// struct KmsKey {
///     kms: Kms,
///     key: String,
/// }
///
/// impl Signer for KmsKey {
///     fn algorithm(&self) -> &str {
///         "ES256"
///     }
///
///     fn key_id(&self) -> Option<&str> {
///         Some(&self.key)
///     }
///
///     async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
///         let signature = self.kms.sign_p256(&self.key, message).await;
///         let failed = |error| Error::new(ErrorKind::Secret, "the KMS did not sign").with_source(error);
///         Ok(signature.map_err(failed)?.to_vec())
///     }
/// }
///
/// let client = ClientAuth::private_key_jwt("billing", KmsKey { kms: Kms, key: "2026-11".into() });
/// ```
pub trait Signer: Send + Sync + 'static {
    /// `alg` ([RFC 7518 §3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1)), such as `ES256`.
    fn algorithm(&self) -> &str;

    /// `kid`, where the key has an id. Default: none.
    fn key_id(&self) -> Option<&str> {
        None
    }

    /// The signature of a message. That of `ES256` is R and S, 32 bytes each, and not the DER form that many services give.
    ///
    /// # Errors
    /// Whatever kept the message from being signed. It counts as nothing sent: the session backs off, and asks again.
    ///
    /// # Cancel safety
    /// Dropped at the limit of the renewal, and when its runtime goes down.
    fn sign(&self, message: &[u8]) -> impl Future<Output = Result<Vec<u8>, Error>> + Send;
}

pub(crate) type Ready<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A [`Signer`] in a form that can be a trait object.
pub(crate) trait Signed: Send + Sync {
    fn algorithm(&self) -> &str;
    fn key_id(&self) -> Option<&str>;
    fn sign<'a>(&'a self, message: &'a [u8]) -> Ready<'a, Vec<u8>>;
}

/// One that may have to be read first.
pub(crate) trait DynSigner: Send + Sync {
    fn ready(&self) -> Ready<'_, Box<dyn Signed + '_>>;
}

impl<S: Signer> Signed for &S {
    fn algorithm(&self) -> &str {
        Signer::algorithm(*self)
    }

    fn key_id(&self) -> Option<&str> {
        Signer::key_id(*self)
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Ready<'a, Vec<u8>> {
        Box::pin(Signer::sign(*self, message))
    }
}

impl<S: Signer> DynSigner for S {
    fn ready(&self) -> Ready<'_, Box<dyn Signed + '_>> {
        Box::pin(async move { Ok(Box::new(self) as Box<dyn Signed + '_>) })
    }
}
