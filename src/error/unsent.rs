//! Whether a request left this machine, read off the error that its transport gave.

use std::{error::Error as StdError, io};

use super::chain;

/// Whether one of these errors, from the given one down to its last source, says that no connection came about. What is said
/// here must be certain: a password that was sent after all is a step towards a lock-out.
pub(super) fn was_unsent(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(says_so)
}

fn says_so(error: &(dyn StdError + 'static)) -> bool {
    // An `io::Error` made of another error hides it from `source`.
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return is_about_connecting(error.kind()) || error.get_ref().is_some_and(|inner| was_unsent(inner));
    }
    // Names that can't be resolved, refused and unreachable hosts, connect time-outs, TLS failures.
    #[cfg(feature = "hyper-util")]
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        return error.is_connect();
    }
    #[cfg(all(feature = "reqwest", not(all(target_arch = "wasm32", any(target_os = "unknown", target_os = "none")))))]
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return error.is_connect();
    }
    false
}

/// What the operating system says only of a connection that did not come about.
fn is_about_connecting(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(kind, ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable)
}
