//! What a client says that it can do, joined with the claims that a challenge asks for.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The members of an object, each as it was written.
type Members = BTreeMap<String, Box<RawValue>>;

/// `{"access_token":{"xms_cc":{"values":[..]}}}` with what a challenge asks for: its own members stay, the values of both are
/// there, and where it puts something else in the place of an object, that counts.
pub(super) fn with_capabilities(asked: Option<&str>, capabilities: &[Box<str>]) -> Option<Box<str>> {
    if capabilities.is_empty() {
        return asked.map(Into::into);
    }
    let claims = within(asked, "access_token", |token| {
        within(token, "xms_cc", |xms_cc| within(xms_cc, "values", |values| united(values, capabilities)))
    });
    Some(claims.into())
}

/// The object with another value of this member, which is told the present one.
fn within(object: Option<&str>, name: &str, change: impl FnOnce(Option<&str>) -> String) -> String {
    // A null asks for nothing in particular (OpenID Connect Core §5.5.1).
    let Ok(members) = serde_json::from_str::<Option<Members>>(object.unwrap_or("null")) else {
        return object.unwrap_or_default().to_owned();
    };
    let mut members = members.unwrap_or_default();
    let value = change(members.get(name).map(|value| value.get()));
    if let Ok(value) = RawValue::from_string(value) {
        members.insert(name.to_owned(), value);
    }
    written(&members)
}

fn united(values: Option<&str>, capabilities: &[Box<str>]) -> String {
    let Ok(values) = serde_json::from_str::<Option<Vec<Box<RawValue>>>>(values.unwrap_or("null")) else {
        return values.unwrap_or_default().to_owned();
    };
    let mut values = values.unwrap_or_default();
    for capability in capabilities {
        let capability = serde_json::value::to_raw_value(capability);
        values.extend(capability.ok().filter(|own| !values.iter().any(|value| value.get() == own.get())));
    }
    written(&values)
}

fn written(value: &impl serde_core::Serialize) -> String {
    serde_json::to_string(value).expect("text keys and JSON are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(asked: &str) -> String {
        with_capabilities(Some(asked), &["cp1".into(), "c\"p".into()]).unwrap().into()
    }

    #[test]
    fn capabilities_alone_are_the_claims() {
        let own = |capabilities: &[&str]| {
            with_capabilities(None, &capabilities.iter().map(|one| (*one).into()).collect::<Vec<_>>())
        };
        assert_eq!(own(&["cp1"]).as_deref(), Some(r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#));
        assert_eq!(own(&["a", "b", "a"]).as_deref(), Some(r#"{"access_token":{"xms_cc":{"values":["a","b"]}}}"#));
        assert_eq!(own(&[]), None);
        assert_eq!(with_capabilities(Some(r#"{ "a": 1 }"#), &[]).as_deref(), Some(r#"{ "a": 1 }"#));
    }

    #[test]
    fn what_a_challenge_asks_for_stays_and_values_are_united() {
        for (asked, claims) in [
            ("{}", r#"{"access_token":{"xms_cc":{"values":["cp1","c\"p"]}}}"#),
            (
                r#"{"access_token":{"nbf":{"essential":true,"value":"1701724800"}},"id_token":{"n":12345678901234567890.10}}"#,
                r#"{"access_token":{"nbf":{"essential":true,"value":"1701724800"},"xms_cc":{"values":["cp1","c\"p"]}},"id_token":{"n":12345678901234567890.10}}"#,
            ),
            (
                r#"{"access_token":{"xms_cc":{"essential":true,"values":["cp2", "cp1"]}}}"#,
                r#"{"access_token":{"xms_cc":{"essential":true,"values":["cp2","cp1","c\"p"]}}}"#,
            ),
            (r#"{"access_token":null}"#, r#"{"access_token":{"xms_cc":{"values":["cp1","c\"p"]}}}"#),
        ] {
            assert_eq!(merged(asked), claims);
        }
    }

    #[test]
    fn challenge_wins_where_it_says_something_else() {
        for asked in [
            r#"{"access_token":"all"}"#,
            r#"{"access_token":{"xms_cc":["cp1"]}}"#,
            r#"{"access_token":{"xms_cc":{"values":"cp1"}}}"#,
            "no JSON",
        ] {
            assert_eq!(merged(asked), asked);
        }
    }
}
