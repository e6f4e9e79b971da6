//! Claims about WSO2's faults: where a code counts, and what decides without one.

use http::{Response, header::WWW_AUTHENTICATE};
use proptest::prelude::*;

use super::*;

/// Every code of the table, with whether it renews.
const CODES: [(u32, bool); 13] = [
    (900900, false),
    (900901, true),
    (900902, false),
    (900903, true),
    (900904, true),
    (900905, false),
    (900906, false),
    (900907, false),
    (900908, false),
    (900909, false),
    (900910, false),
    (900950, false),
    (900999, false),
];

const GATEWAY: &str = r#"OAuth2 realm="WSO2 API Manager""#;

fn response(challenge: &str) -> Response<()> {
    let mut response = Response::builder().status(401);
    if !challenge.is_empty() {
        response = response.header(WWW_AUTHENTICATE, challenge);
    }
    response.body(()).unwrap()
}

/// Whether a body renews that comes in pieces of these sizes, as a layer asks for it, and how many bytes that took.
fn renews_in_pieces(challenge: &str, body: &[u8], sizes: impl IntoIterator<Item = usize>) -> (bool, usize) {
    let response = response(challenge);
    let (classifier, head) = (Wso2Classifier::new(), Head::of(&response));
    assert!(matches!(classifier.head(&head), Verdict::Look { at_most: MAX_BYTES }));
    let mut end = 0;
    for size in sizes {
        end = body.len().min(end + size);
        match classifier.body(&head, &Seen::new(&body[..end], None, false)) {
            Verdict::Look { at_most } => assert_eq!(at_most, MAX_BYTES),
            verdict => return (matches!(verdict, Verdict::Reject(_)), end),
        }
        if end == body.len() {
            break;
        }
    }
    match classifier.body(&head, &Seen::new(body, None, true)) {
        Verdict::Look { .. } => panic!("nothing decided at the last look"),
        verdict => (matches!(verdict, Verdict::Reject(_)), body.len()),
    }
}

fn renews_behind(challenge: &str, body: &[u8]) -> bool {
    let whole = renews_in_pieces(challenge, body, [usize::MAX]).0;
    let last = renews_in_pieces(challenge, body, []).0;
    assert_eq!(whole, last, "the last look decides otherwise: {:?}", String::from_utf8_lossy(body));
    whole
}

/// Whether the body says by itself that the token is dead: behind a header that passes it renews, behind one that
/// renews it does not pass. `None` where the header decides.
fn told_by(body: &[u8]) -> Option<bool> {
    match (renews_behind("", body), renews_behind(GATEWAY, body)) {
        (false, true) => None,
        (told, also) => {
            assert_eq!(told, also);
            Some(told)
        }
    }
}

fn shapes(code: u32) -> Vec<String> {
    [
        r#"<ams:fault xmlns:ams="http://wso2.org/apimanager/security"><ams:code>CODE</ams:code><ams:message>Invalid Credentials</ams:message><ams:description>Access failure for API: /a, version: 1</ams:description></ams:fault>"#,
        r#"<am:fault xmlns:am="http://wso2.org/apimanager"><am:code>CODE</am:code><am:type>Status report</am:type></am:fault>"#,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<fault xmlns=\"http://wso2.org/apimanager/security\">\n  <code>\n    CODE\n  </code>\n</fault>",
        r#"<!-- a > b --><!DOCTYPE fault><ns1:fault a="x>y" b='"'><ns1:message>x</ns1:message><ns1:code xml:lang="en">CODE</ns1:code></ns1:fault>"#,
        r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>Authentication Failure</faultstring><detail><ams:fault xmlns:ams="http://wso2.org/apimanager/security"><ams:code>CODE</ams:code></ams:fault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"#,
        r#"<soapenv:Envelope xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope"><soapenv:Body><soapenv:Fault><soapenv:Code><soapenv:Value>soapenv:Receiver</soapenv:Value></soapenv:Code><soapenv:Detail><code>CODE</code></soapenv:Detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"#,
        r#"{"code":"CODE","message":"Invalid Credentials","description":"Make sure you have provided the correct security credentials"}"#,
        r#"{"fault":{"code":CODE,"message":"Invalid Credentials","description":"x"}}"#,
        "\n{ \"message\" : \"say \\\"code: 1\" , \"code\" :\tCODE }",
        r#"{"error":{"code":401},"inner":[{"code":"CODE"}]}"#,
        r#"[{"code":CODE}]"#,
    ]
    .iter()
    .map(|shape| shape.replace("CODE", &code.to_string()))
    .collect()
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2], with_mark: bool) -> Vec<u8> {
    let mark = with_mark.then_some(0xfeff);
    mark.into_iter().chain(text.encode_utf16()).flat_map(unit).collect()
}

#[test]
fn every_code_decides_as_the_table_says_in_xml_soap_and_json() {
    for (code, renews) in CODES {
        for body in shapes(code) {
            assert_eq!(told_by(body.as_bytes()), Some(renews), "{body}");
        }
    }
}

#[test]
fn the_code_decides_over_the_header() {
    let says_dead = r#"Bearer realm="WSO2 API Manager", error="invalid_token""#;
    let says_scope = r#"Bearer realm="WSO2 API Manager", error="insufficient_scope""#;
    assert!(!renews_behind(says_dead, br#"{"code":"900907"}"#));
    assert!(!renews_behind(says_dead, br#"{"code":"900909"}"#));
    assert!(renews_behind(says_scope, br#"{"code":"900901"}"#));
    assert!(renews_behind("Basic", br#"{"code":"900901"}"#));
}

#[test]
fn a_code_counts_in_every_charset() {
    for body in shapes(900901).iter().chain(&shapes(900907)).map(|body| body.trim_start()) {
        let expected = Some(body.contains("900901"));
        for with_mark in [true, false] {
            assert_eq!(told_by(&utf16(body, u16::to_le_bytes, with_mark)), expected, "{body}");
            assert_eq!(told_by(&utf16(body, u16::to_be_bytes, with_mark)), expected, "{body}");
        }
        assert_eq!(told_by(&[b"\xef\xbb\xbf", body.as_bytes()].concat()), expected);
    }
    let umlauts = "{\"message\":\"ungültig\",\"code\":\"900901\"}";
    let latin1: Vec<u8> = umlauts.chars().map(|character| character as u8).collect();
    assert_eq!(told_by(&latin1), Some(true));
    assert_eq!(told_by(umlauts.as_bytes()), Some(true));
    assert_eq!(told_by(&utf16(umlauts, u16::to_be_bytes, true)), Some(true));
}

#[test]
fn bytes_of_other_characters_are_no_digits_in_utf16() {
    // The low bytes of these spell the code.
    let body: String = "<fault><code>900901</code>"
        .chars()
        .map(|c| if c.is_ascii_digit() { (c as u8 as u32 + 0x3000).try_into().unwrap() } else { c })
        .collect();
    assert_eq!(told_by(&utf16(&body, u16::to_le_bytes, true)), None);
}

#[test]
fn a_number_that_does_not_stand_where_a_code_stands_says_nothing() {
    for body in [
        "900901",
        "Error 900901: invalid credentials",
        "code: 900901",
        "code\":900901}",
        "\"code\":\"900901\"",
        "<html><body><code>900901</code></body></html>",
        "<!DOCTYPE html><html><p>900901</p><fault><code>900901</code></fault></html>",
        "<code>900901</code>",
        "<fault><message>900901</message></fault>",
        "<fault><message>&lt;code&gt;900901&lt;/code&gt;</message></fault>",
        "<fault><!-- > <code>900901</code> --></fault>",
        "<fault><![CDATA[> <code>900901</code>]]></fault>",
        "<fault a='> <code>900901</code>'/>",
        "<fault a=\"> <code>900901</code>\"/>",
        "<fault><xcode>900901</xcode><code.x>900901</code.x></fault>",
        "<fault><code/>900 901</fault>",
        "<fault></code>900901</fault>",
        "<fault><code>9009011</code></fault>",
        "<fault><code>90090</code></fault>",
        "<fault><code>1900901</code></fault>",
        "<fault><code>9009x1</code></fault>",
        "<fault><code>900801</code></fault>",
        r#"{"message":"900901"}"#,
        r#"{"message":"\"code\":900901,"}"#,
        r#"{"\"\"code":900901}"#,
        r#"{"code":{"value":900901}}"#,
        r#"{"code":9009010}"#,
        r#"{"code":900901.5}"#,
        r#"{"code":-900901}"#,
        r#"{"code":"x900901"}"#,
        r#"{"barcode":"900901"}"#,
        r#"{"a":"code","b":"900901"}"#,
        r#"{"code":"900801"}"#,
        r#"{"code":401}"#,
        "",
        " \r\n",
        "<",
        "{",
        "{}",
        "<fault",
        "\u{feff}",
    ] {
        assert_eq!(told_by(body.as_bytes()), None, "{body}");
        assert_eq!(told_by(&utf16(body, u16::to_le_bytes, true)), None, "{body}");
    }
}

#[test]
fn a_self_closing_code_is_empty() {
    assert_eq!(told_by(b"<fault><code/>900901</fault>"), None);
}

#[test]
fn a_code_that_is_cut_off_decides_nothing() {
    for body in shapes(900901) {
        let complete = body.find("900901").unwrap() + "900901".len();
        for cut in 0..=body.len() {
            let expected = (cut > complete).then_some(true);
            assert_eq!(told_by(&body.as_bytes()[..cut]), expected, "{}", &body[..cut]);
        }
    }
}

#[test]
fn a_code_decides_as_soon_as_it_is_complete() {
    for body in shapes(900901) {
        let complete = body.find("900901").unwrap() + "900901".len();
        let (renews, looked_at) = renews_in_pieces("", body.as_bytes(), std::iter::repeat(1));
        assert!(renews);
        assert_eq!(looked_at, complete + 1, "{body}");
    }
}

#[test]
fn a_page_that_is_no_fault_is_not_waited_for() {
    for body in ["<!DOCTYPE html>\n<html lang='en'><head>", "Unauthorized, sorry", "\"text\" and more"] {
        let endless = [body.as_bytes(), &[b'x'; 1000]].concat();
        let (renews, looked_at) = renews_in_pieces("", &endless, [body.len()]);
        assert!(!renews);
        assert_eq!(looked_at, body.len(), "{body}");
    }
}

#[test]
fn a_body_of_10_mib_is_decided_by_its_first_64_kib() {
    let filler = "x".repeat(10 * 1024 * 1024);
    let behind = format!(r#"{{"code":"900901","description":"{filler}"}}"#);
    assert_eq!(told_by(behind.as_bytes()), Some(true));
    let before = format!(r#"{{"description":"{filler}","code":"900901"}}"#);
    assert_eq!(told_by(before.as_bytes()), None);
    let looked_at = renews_in_pieces("", before.as_bytes(), std::iter::repeat(8 * 1024)).1;
    assert_eq!(looked_at, MAX_BYTES);
    let close = format!(r#"{{"description":"{}","code":"900901"}}"#, &filler[..60 * 1024]);
    assert_eq!(told_by(close.as_bytes()), Some(true));
}

#[test]
fn a_code_beyond_the_first_4_kib_decides_when_the_look_ends() {
    let body = format!(r#"{{"description":"{}","code":"900901"}}"#, "x".repeat(EARLY_BYTES));
    assert_eq!(renews_in_pieces("", body.as_bytes(), std::iter::repeat(1)), (true, body.len()));
    let response = response("");
    let early = Wso2Classifier.body(&Head::of(&response), &Seen::new(body.as_bytes(), None, false));
    assert!(matches!(early, Verdict::Look { .. }), "many small frames would cost the square of their length");
}

#[test]
fn without_a_code_the_gateways_realm_lets_the_header_decide() {
    let soap_with_text = b"<Envelope><Body><Fault><faultcode>Client</faultcode><detail>Invalid Credentials</detail></Fault></Body></Envelope>";
    for body in [b"".as_slice(), b"Unauthorized", b"<html></html>", b"{}", soap_with_text] {
        for challenge in [
            GATEWAY,
            r#"Bearer realm="WSO2 API Manager""#,
            r#"Bearer realm="WSO2 API Manager" error="invalid_token", error_description="x""#,
            r#"OAuth2 realm="WSO2 API Manager" Basic realm="WSO2 API Manager", error="invalid token""#,
            r#"null Bearer realm="WSO2 API Manager", error="invalid_token""#,
            r#"Internal API Key realm="WSO2 API Manager" Bearer realm="WSO2 API Manager""#,
        ] {
            assert!(renews_behind(challenge, body), "{challenge}");
        }
        for challenge in [
            "",
            "Bearer",
            r#"Bearer error="invalid_token""#,
            r#"Bearer realm="backend", error="invalid_token""#,
            r#"Basic realm="WSO2 API Manager""#,
            r#"DPoP realm="WSO2 API Manager", error="invalid_token""#,
            r#"Bearer realm="WSO2 API Manager", error="insufficient_scope""#,
        ] {
            assert!(!renews_behind(challenge, body), "{challenge}");
        }
    }
}

#[test]
fn other_statuses_than_401_pass_without_a_look() {
    for status in [200, 400, 403, 429, 500, 503] {
        let response = Response::builder().status(status).header(WWW_AUTHENTICATE, GATEWAY).body(()).unwrap();
        assert!(matches!(Wso2Classifier.head(&Head::of(&response)), Verdict::Pass), "{status}");
    }
}

fn documents() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "<",
        ">",
        "/",
        "fault",
        "<fault>",
        "<ams:code>",
        "</code>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        "{",
        "}",
        "\"",
        "\\",
        ":",
        "code",
        "\"code\":",
        "\"code\":\"",
        ",",
        " ",
        "900901",
        "900907",
        "9009",
        "01",
        "é",
    ]);
    let pieces = (prop::collection::vec(piece, 0..40), prop::sample::select(vec!["", "<fault>", "{"]), 0..3u8);
    pieces.prop_map(|(pieces, start, encoding)| {
        let text = format!("{start}{}", pieces.concat());
        match encoding {
            0 => text.into_bytes(),
            1 => utf16(&text, u16::to_le_bytes, true),
            _ => utf16(&text, u16::to_be_bytes, false),
        }
    })
}

proptest! {
    #[test]
    fn any_split_into_frames_decides_the_same(
        body in documents(),
        sizes in prop::collection::vec(0usize..20, 0..40),
        challenge in prop::sample::select(vec!["", GATEWAY]),
    ) {
        let whole = renews_behind(challenge, &body);
        prop_assert_eq!(renews_in_pieces(challenge, &body, sizes).0, whole);
        prop_assert_eq!(renews_in_pieces(challenge, &body, std::iter::repeat(1)).0, whole);
    }

    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..300), sizes in prop::collection::vec(0usize..50, 0..10)) {
        let whole = renews_behind(GATEWAY, &body);
        prop_assert_eq!(renews_in_pieces(GATEWAY, &body, sizes).0, whole);
    }
}
