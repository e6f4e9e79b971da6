//! What went wrong, at which step, and what the user can do.

use std::time::Duration;

use redis::RedisError;
use tower_reauth::Error;

pub(crate) fn slow(step: &str, bound: Duration) -> Error {
    Error::store(format!("could not {step}: Redis has not answered within {bound:?}"))
}

pub(crate) fn told(step: &str, error: RedisError) -> Error {
    Error::store(format!("could not {step}")).with_source(error)
}
