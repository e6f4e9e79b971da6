//! What all instances share, with `--redis`: cookie sessions and tokens. One key protects both; it comes from the environment, and
//! is the same for all instances. With another key everybody has to log in again.

use std::env;

use anyhow::{Context, anyhow, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use redis::IntoConnectionInfo;
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use secrecy::{ExposeSecret, SecretString};
use tower_reauth::StoreSecret;
use tower_reauth_redis::RedisStore;

use crate::{arguments::Arguments, redis_cookies::RedisCookies};

const KEY: &str = "REAUTH_BFF_KEY";
const ADDRESS: &str = "REAUTH_BFF_REDIS";

pub(crate) struct Shared {
    pub(crate) cookies: RedisCookies,
    pub(crate) tokens: RedisStore,
}

/// The key that all others are derived from (RFC 5869).
struct Key(Prk);

impl Shared {
    /// What the arguments ask for, if they do.
    pub(crate) async fn of(arguments: &Arguments) -> anyhow::Result<Option<Self>> {
        let url = match &arguments.redis {
            Some(url) => {
                let settings = url.as_str().into_connection_info().context("--redis")?;
                let has_password = settings.redis_settings().password().is_some();
                ensure!(!has_password, "--redis: everybody can read a password here; put the address into {ADDRESS}");
                SecretString::from(url.as_str())
            }
            None => match env::var(ADDRESS) {
                Ok(url) => url.into(),
                Err(_) => return Ok(None),
            },
        };
        let (key, url) = (Key::of_environment()?, url.expose_secret());
        let client = redis::Client::open(url).context("the address of Redis")?;
        let cookies = RedisCookies::connect(client, key.derive("names of cookies").into(), key.derive("cookies"));
        let cookies = cookies.await.context("Redis keeps no cookie sessions")?;
        let tokens = RedisStore::builder(url)
            .prefix("orchard:tokens")
            .naming_key(StoreSecret::from(key.derive("names of tokens")))
            .encrypt_with("1", StoreSecret::from(key.derive("tokens")))
            .connect()
            .await?;
        Ok(Some(Self { cookies, tokens }))
    }
}

impl Key {
    fn of_environment() -> anyhow::Result<Self> {
        let advice = || anyhow!("{KEY} must hold the key of all instances: `openssl rand -base64 32` makes one");
        let text = env::var(KEY).map(SecretString::from).map_err(|_| advice())?;
        let bytes = BASE64_STANDARD.decode(text.expose_secret().trim()).ok().filter(|bytes| bytes.len() == 32);
        Ok(Self(Salt::new(HKDF_SHA256, b"axum_bff").extract(&bytes.ok_or_else(advice)?)))
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let purpose = [purpose.as_bytes()];
        let derived = self.0.expand(&purpose, HKDF_SHA256).and_then(|derived| derived.fill(&mut key));
        derived.expect("a hash is as long as a key");
        key
    }
}
