//! An answer of the token endpoint: its first line is the status and the content type, the rest is the body.
//!
//! Control characters in the body stand for what a server may repeat: see [`echo`].

use std::{convert::Infallible, future::ready, sync::LazyLock};

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use secrecy::ExposeSecret;
use tokio::runtime::{Builder, Runtime};
use tower_reauth::{ClientAuth, Error, GrantContext, TokenEndpoint, TokenSet};

const PASSWORD: &str = "p\u{e4}ss w\u{f6}rd+4711%41&~?";
const CLIENT_SECRET: &str = "client-secret/0815";
const PAIR: &str = "id:client-secret/0815";
/// What the docs of `Error::description_untrusted` promise.
const MAX_DESCRIPTION: usize = 512;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// # Panics
/// Where something that must hold does not.
pub fn check(input: &[u8]) {
    let (head, body) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&[][..], input),
    };
    let (status, content_type) = head.split_at(head.len().min(3));
    let status = StatusCode::from_bytes(status).unwrap_or(StatusCode::OK);
    let body = echo(body);
    for client in [ClientAuth::basic("id", CLIENT_SECRET), ClientAuth::post("id", CLIENT_SECRET)] {
        let mut response = Response::new(Full::new(Bytes::from(body.clone())));
        *response.status_mut() = status;
        if let Ok(value) = HeaderValue::from_bytes(content_type.trim_ascii()) {
            response.headers_mut().insert(CONTENT_TYPE, value);
        }
        let secrets = match client_speaks_basic(&client) {
            true => &[PASSWORD, CLIENT_SECRET, PAIR][..],
            false => &[PASSWORD, CLIENT_SECRET],
        };
        match ask(client, response) {
            Ok(tokens) => assert!(status.is_success() && holds(&body, &tokens), "a token out of nothing"),
            Err(error) => look_at(&error, status, secrets),
        }
    }
}

fn ask(client: ClientAuth, response: Response<Full<Bytes>>) -> Result<TokenSet, Error> {
    let service = tower::service_fn(move |_: Request<Full<Bytes>>| ready(Ok::<_, Infallible>(response.clone())));
    let endpoint = TokenEndpoint::new(service, "https://gw.example/token").expect("a good address");
    let parameters = [("grant_type", "password"), ("username", "al"), ("password", PASSWORD)];
    RUNTIME.block_on(endpoint.client_auth(client).request(&GrantContext::default(), &parameters))
}

fn client_speaks_basic(client: &ClientAuth) -> bool {
    format!("{client:?}").contains("Basic")
}

/// The body with what control characters stand for.
fn echo(body: &[u8]) -> Vec<u8> {
    let mut echoed = Vec::with_capacity(body.len());
    for byte in body {
        let secret = match byte {
            1..=7 => PASSWORD,
            0xe..=0x14 => CLIENT_SECRET,
            0x15..=0x1b => PAIR,
            _ => {
                echoed.push(*byte);
                continue;
            }
        };
        echoed.extend_from_slice(forms(secret)[usize::from(byte % 7)].as_bytes());
    }
    echoed
}

/// The ways in which a server may repeat a secret.
fn forms(secret: &str) -> [String; 7] {
    let bytes = secret.as_bytes();
    [
        secret.to_owned(),
        bytes.iter().map(|byte| format!("%{byte:02X}")).collect(),
        bytes.iter().map(|byte| format!("%{byte:02x}")).collect(),
        Base64::encode_string(bytes),
        Base64Unpadded::encode_string(bytes),
        Base64Url::encode_string(bytes),
        Base64UrlUnpadded::encode_string(bytes),
    ]
}

/// What a user can have of an error.
fn look_at(error: &Error, status: StatusCode, secrets: &[&str]) {
    assert!(error.status().is_none_or(|told| told == status), "another status");
    assert_eq!(error.host(), Some("gw.example"));
    assert!(error.oauth_code().is_none_or(|code| code.len() <= 64 && code.is_ascii()), "no code");
    let description = error.description_untrusted().unwrap_or_default();
    assert!(description.chars().count() <= MAX_DESCRIPTION && !description.contains(char::is_control), "{description}");
    let line = error.to_string();
    assert!(!line.contains(char::is_control), "more than a line: {line}");
    for text in [description, &line, &format!("{error:?}")] {
        for form in secrets.iter().flat_map(|secret| forms(secret)) {
            assert!(!text.contains(&form), "{form} in {text}");
        }
    }
}

/// Whether this access token stands in the body, as another reader has it.
fn holds(body: &[u8], tokens: &TokenSet) -> bool {
    let token = tokens.access_token().expose_secret();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let json = serde_json::from_str::<serde_json::Value>(&String::from_utf8_lossy(body)).ok();
    let in_json = json.is_some_and(|json| json["access_token"].as_str() == Some(token));
    let in_form =
        || form_urlencoded::parse(body.trim_ascii()).any(|(name, value)| name == "access_token" && value == *token);
    in_json || in_form()
}
