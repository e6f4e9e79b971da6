//! Tests of metadata that is well, and of metadata that lies.

use super::*;

const ISSUER: &str = "https://as.example/shop";

fn read(json: &str) -> Result<Metadata, String> {
    read_of(ISSUER, json)
}

fn read_of(issuer: &str, json: &str) -> Result<Metadata, String> {
    Metadata::read(issuer, &Address::danger_plaintext(issuer).unwrap(), json.as_bytes()).map_err(|fault| match fault {
        Fault::Other(why) => why.to_owned(),
        Fault::Unusable(why) => why,
    })
}

/// Metadata with these members besides the issuer.
fn with(members: &str) -> String {
    format!(r#"{{"issuer":"{ISSUER}",{members}}}"#)
}

fn shown(addresses: &Addresses) -> (String, Option<String>) {
    (addresses.token.to_string(), addresses.revocation.as_ref().map(ToString::to_string))
}

#[test]
fn endpoints_are_read_and_everything_else_means_nothing() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for more in [
        "",
        r#","revocation_endpoint":null,"mtls_endpoint_aliases":null"#,
        &format!(r#","deep":{deep}"#),
        r#","x":1,"x":2"#,
    ] {
        let json = with(&format!(r#""token_endpoint":"https://as.example/token?a=b"{more}"#));
        for json in [&json, &format!("\u{feff} \n{json}")] {
            let metadata = read(json).unwrap();
            assert_eq!(shown(&metadata.usual), ("https://as.example/token".into(), None));
            assert_eq!(shown(&metadata.mutual_tls), ("https://as.example/token".into(), None));
            assert_eq!(metadata.usual.token.uri().query(), Some("a=b"));
        }
    }
}

#[test]
fn aliases_for_mutual_tls_stand_in_for_what_they_name() {
    let usual = r#""token_endpoint":"https://as.example/t","revocation_endpoint":"https://as.example/r""#;
    for (aliases, token, revocation) in [
        (r#"{"token_endpoint":"https://mtls.example/t"}"#, "https://mtls.example/t", "https://as.example/r"),
        (r#"{"revocation_endpoint":"https://mtls.example/r"}"#, "https://as.example/t", "https://mtls.example/r"),
        (r#"{"par":"https://mtls.example/p"}"#, "https://as.example/t", "https://as.example/r"),
    ] {
        let metadata = read(&with(&format!(r#"{usual},"mtls_endpoint_aliases":{aliases}"#))).unwrap();
        assert_eq!(shown(&metadata.mutual_tls), (token.into(), Some(revocation.into())));
        assert_eq!(shown(&metadata.usual), ("https://as.example/t".into(), Some("https://as.example/r".into())));
        assert_eq!(metadata.origins().count(), 4);
    }
}

#[test]
fn metadata_that_lies_is_refused_and_says_why() {
    let token = r#""token_endpoint":"https://as.example/t""#;
    for (json, why) in [
        ("<html>".into(), "not JSON"),
        ("[]".into(), "not JSON"),
        (String::new(), "not JSON"),
        (r#"{"issuer":"#.into(), "is cut off"),
        (format!("{}{{}}", with(token)), "is cut off"),
        (format!(r#"{{{token}}}"#), "has no `issuer`"),
        (format!(r#"{{"issuer":null,{token}}}"#), "has no `issuer`"),
        (format!(r#"{{"issuer":["{ISSUER}"],{token}}}"#), "`issuer` is not a string"),
        (format!(r#"{{"issuer":"{ISSUER}/",{token}}}"#), "by a slash at the end"),
        (format!(r#"{{"issuer":"https://AS.example/shop",{token}}}"#), "another issuer, `https://AS.example/shop`"),
        (format!(r#"{{"issuer":"https://u:hunter2@as.example",{token}}}"#), "of another issuer"),
        (format!(r#"{{"issuer":"{ISSUER}","issuer":"{ISSUER}",{token}}}"#), "has `issuer` twice"),
        (with(r#""a":1"#), "has no `token_endpoint`"),
        (with(r#""token_endpoint":7"#), "`token_endpoint` is not a string"),
        (with(r#""token_endpoint":{"a":1}"#), "`token_endpoint` is not a string"),
        (with(&format!("{token},{token}")), "has `token_endpoint` twice"),
        (with(&format!(r#"{token},"token\u005fendpoint":"https://as.example/t""#)), "has `token_endpoint` twice"),
        (
            with(r#""token_endpoint":"http://as.example/t""#),
            "`token_endpoint` is at http://as.example:80, which is not encrypted",
        ),
        (with(r#""token_endpoint":"http://localhost/t""#), "is not encrypted, and the issuer is"),
        (with(r#""token_endpoint":"https://u:hunter2@as.example/t""#), "holds a user name"),
        (with(r#""token_endpoint":"https://as.example/t#hunter2""#), "holds a fragment"),
        (with(r#""token_endpoint":"/t""#), "has no scheme"),
        (with(r#""token_endpoint":"""#), "is not a URI"),
        (
            with(&format!(r#"{token},"revocation_endpoint":"http://as.example/r""#)),
            "`revocation_endpoint` is at http://as.example:80",
        ),
        (with(&format!(r#"{token},"mtls_endpoint_aliases":[]"#)), "`mtls_endpoint_aliases` is not an object"),
        (
            with(&format!(r#"{token},"mtls_endpoint_aliases":{{"token_endpoint":"http://as.example/t"}}"#)),
            "`mtls_endpoint_aliases`: the metadata's `token_endpoint` is at http://as.example:80",
        ),
        (
            with(&format!(
                r#"{token},"mtls_endpoint_aliases":{{"token_endpoint":"https://a","token_endpoint":"https://a"}}"#
            )),
            "`mtls_endpoint_aliases`: the metadata has `token_endpoint` twice",
        ),
    ] {
        let told = read(&json).err().unwrap_or_else(|| panic!("{json} passed"));
        assert!(told.contains(why), "{json}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn what_is_shown_of_metadata_is_no_longer_than_a_line() {
    let host = "a".repeat(60_000);
    for json in [with(&format!(r#""token_endpoint":"http://{host}/t""#)), format!(r#"{{"issuer":"https://{host}"}}"#)] {
        let told = read(&json).err().unwrap();
        assert!(told.len() < 300, "{}", told.len());
    }
}

#[test]
fn metadata_from_this_machine_may_name_endpoints_on_it() {
    let issuer = "http://localhost:8080";
    let told = |endpoint: &str| read_of(issuer, &format!(r#"{{"issuer":"{issuer}","token_endpoint":"{endpoint}"}}"#));
    assert!(told("http://127.0.0.1:8080/t").is_ok());
    assert!(told("https://as.example/t").is_ok());
    assert!(told("http://as.example/t").is_err());
}

#[test]
fn metadata_from_a_plain_issuer_may_name_plain_endpoints_at_its_origin_alone() {
    let issuer = "http://keycloak:8080/realms/shop";
    let told = |endpoint: &str| read_of(issuer, &format!(r#"{{"issuer":"{issuer}","token_endpoint":"{endpoint}"}}"#));
    assert!(told("http://keycloak:8080/t").is_ok());
    assert!(told("https://as.example/t").is_ok());
    for elsewhere in ["http://keycloak/t", "http://keycloak:8081/t", "http://as.example/t"] {
        let why = told(elsewhere).err().expect("refused");
        assert!(why.contains("not encrypted: use https anywhere but at http://keycloak:8080"), "{why}");
    }
    // Nor on this machine, where something else may listen.
    for here in ["http://127.0.0.1/t", "http://localhost:8080/t"] {
        let why = told(here).err().expect("refused");
        assert!(why.contains("on this machine"), "{why}");
    }
    // Not even at its own host, where the issuer is encrypted.
    let encrypted = with(r#""token_endpoint":"http://as.example:443/t""#);
    assert!(read(&encrypted).is_err());
}
