//! What went wrong, at which step, and what the user can do.

use std::time::Duration;

use redis::{ErrorKind, RedisError};
use tokio::runtime::Handle;
use tower_reauth::Error;

const ACL: &str = "the ACL of this user forbids it: the crate's documentation has the line that is needed";

/// What Redis answers, and what to do.
const ANSWERS: [(&str, &str); 18] = [
    ("NOPERM", ACL),
    ("ACL failure in script", ACL),
    ("can't run this command", ACL),
    ("can't access at least one of the", ACL),
    ("can't publish to", ACL),
    ("WRONGPASS", "Redis refuses the user name or the password in the URL"),
    ("NOAUTH", "Redis asks for a password: put it into the URL"),
    ("READONLY", "this Redis is a replica, and read-only: name the master, or use sentinels"),
    ("OOM", "Redis has reached its `maxmemory`: give it more memory"),
    ("MISCONF", "Redis cannot write to its disk, and takes no writes: look at its log"),
    ("LOADING", "Redis is still reading its data from the disk: it is tried again"),
    ("MASTERDOWN", "this Redis is a replica that has lost its master: name the master, or use sentinels"),
    ("NOREPLICAS", "Redis has too few replicas to take writes (`min-replicas-to-write`)"),
    ("CLUSTERDOWN", "the cluster is down, or not all of its slots are served"),
    ("MOVED", "this Redis is part of a cluster: use the feature `cluster` and `RedisStore::cluster`"),
    ("CROSSSLOT", "this Redis is part of a cluster: use the feature `cluster` and `RedisStore::cluster`"),
    ("WRONGTYPE", "something else stands under a key of this store: choose another prefix"),
    ("BUSY", "a script of somebody else keeps Redis busy"),
];

/// Tokio panics without one.
pub(crate) fn runtime() -> Result<Handle, Error> {
    Handle::try_current().map_err(|error| {
        Error::new(tower_reauth::ErrorKind::NoRuntime, "a store in Redis works on a tokio runtime").with_source(error)
    })
}

pub(crate) fn slow(step: &str, bound: Duration) -> Error {
    Error::store(format!("could not {step}: Redis has not answered within {bound:?}"))
}

pub(crate) fn told(step: &str, error: RedisError) -> Error {
    let text = error.to_string();
    let code = error.code().unwrap_or_default();
    let answer = ANSWERS.iter().find(|(sign, _)| code == *sign || text.contains(sign)).map(|(_, what)| *what);
    let what = answer.unwrap_or_else(|| match error.kind() {
        ErrorKind::AuthenticationFailed => "Redis refuses the user name or the password in the URL",
        ErrorKind::Io if error.is_connection_refusal() => "nothing listens at the address in the URL, or Redis is down",
        ErrorKind::Io if error.is_timeout() => "Redis does not answer in time",
        ErrorKind::Io => "the connection to Redis cannot be made, or broke",
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType | ErrorKind::RESP3NotSupported => {
            "what answers there is no Redis 6.2 or later"
        }
        ErrorKind::MasterNameNotFoundBySentinel => "the sentinels know no master of this name that is up",
        ErrorKind::ClusterConnectionNotFound => "no node of the cluster can be reached",
        _ => "Redis refused it",
    });
    let told = Error::store(format!("could not {step}: {what}"));
    // What does not know a command says it again with its arguments, a password perhaps.
    match text.split_once(", with args beginning with") {
        Some((said, _)) => told.with_source(std::io::Error::other(said.to_owned())),
        None => told.with_source(error),
    }
}
