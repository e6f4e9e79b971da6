//! Whether Redis may throw records away.

use redis::{Value, cmd};

use crate::connection::Connection;

/// Warns of a Redis that evicts keys. One that does not say is not asked twice.
pub(crate) async fn look(connection: &Connection) {
    let answer = connection.send::<Value>("look at the memory of Redis", cmd("INFO").arg("memory")).await;
    match answer.as_ref().map(evicting) {
        Ok(Some(policy)) => tracing::warn!(
            policy,
            "Redis may evict tokens when its memory is full, which ends logins: set `maxmemory-policy noeviction`, or keep tokens \
             in a Redis of their own"
        ),
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "it is not known whether Redis may evict tokens"),
    }
}

/// The policy by which a node evicts keys that have an end, as all of ours do.
fn evicting(answer: &Value) -> Option<String> {
    match answer {
        Value::BulkString(text) => evicting_in(&String::from_utf8_lossy(text)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => evicting_in(text),
        Value::Array(values) | Value::Set(values) => values.iter().find_map(evicting),
        Value::Map(pairs) => pairs.iter().find_map(|(_, value)| evicting(value)),
        _ => None,
    }
}

fn evicting_in(info: &str) -> Option<String> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let policy = field("maxmemory_policy")?;
    (policy != "noeviction" && field("maxmemory") != Some("0")).then(|| policy.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(most: &str, policy: &str) -> Value {
        let text = format!("# Memory\r\nmaxmemory:{most}\r\nmaxmemory_human:1G\r\nmaxmemory_policy:{policy}\r\n");
        Value::BulkString(text.into_bytes())
    }

    #[test]
    fn only_a_redis_that_evicts_is_told_of() {
        assert_eq!(evicting(&info("1000", "allkeys-lru")).as_deref(), Some("allkeys-lru"));
        assert_eq!(evicting(&info("1000", "volatile-ttl")).as_deref(), Some("volatile-ttl"));
        assert_eq!(evicting(&info("1000", "noeviction")), None);
        assert_eq!(evicting(&info("0", "allkeys-lru")), None, "without a limit nothing is evicted");
        assert_eq!(evicting(&Value::Nil), None);
    }

    #[test]
    fn one_node_of_a_cluster_that_evicts_is_enough() {
        let node = |name: &str, info| (Value::SimpleString(name.to_owned()), info);
        let answer = Value::Map(vec![node("a", info("1", "noeviction")), node("b", info("1", "volatile-lru"))]);
        assert_eq!(evicting(&answer).as_deref(), Some("volatile-lru"));
    }
}
