//! The key that encrypts the stored tokens: from the environment on a server, from the platform's keyring on a desktop.

use secrecy::ExposeSecret;
use tower_reauth::StoreSecret;

use crate::{failure::Failure, server::secret};

const VARIABLE: &str = "TOWER_REAUTH_CLI_KEY";

/// The key, if there is one; with the feature `keyring`, a first one is made `at_login`.
pub(crate) fn find(at_login: bool) -> Result<Option<StoreSecret>, Failure> {
    match secret(VARIABLE)? {
        Some(text) => {
            let key = StoreSecret::from_base64(text.expose_secret());
            key.map(Some).map_err(|error| Failure::input(format_args!("{VARIABLE}: {error}")))
        }
        None => from_keyring(at_login),
    }
}

#[cfg(not(feature = "keyring"))]
fn from_keyring(_at_login: bool) -> Result<Option<StoreSecret>, Failure> {
    Ok(None)
}

/// The Keychain of macOS, the Credential Manager of Windows, the Secret Service of other desktops.
#[cfg(feature = "keyring")]
fn from_keyring(at_login: bool) -> Result<Option<StoreSecret>, Failure> {
    use anyhow::{Context, anyhow};
    use keyring::{Entry, Error};
    use ring::rand::{SecureRandom, SystemRandom};

    const LOCKED: &str = "the keyring can't be used (without one, set TOWER_REAUTH_CLI_KEY)";

    let entry = Entry::new(crate::NAME, "key of the stored tokens").context(LOCKED)?;
    match entry.get_secret() {
        Ok(key) => {
            let key: [u8; 32] = key.try_into().map_err(|_| anyhow!("the keyring holds a key of another length"))?;
            Ok(Some(key.into()))
        }
        Err(Error::NoEntry) if at_login => {
            let mut key = [0; 32];
            SystemRandom::new().fill(&mut key).map_err(|_| anyhow!("the system has no random bytes"))?;
            entry.set_secret(&key).context(LOCKED)?;
            Ok(Some(key.into()))
        }
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(anyhow::Error::new(error).context(LOCKED).into()),
    }
}
