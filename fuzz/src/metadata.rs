//! An issuer's metadata: the input up to its first zero byte is the first answer, the rest is what is found a day later.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use serde_json::Value;
use tower_reauth::{ClientAuth, ClientCredentialsGrant, ErrorKind, Grant, GrantContext, Origins, TokenEndpoint};

const ISSUER: &str = "https://as.example";
const PLACES: [&str; 2] = [
    "https://as.example/.well-known/oauth-authorization-server",
    "https://as.example/.well-known/openid-configuration",
];
const LISTED: &str = "https://tokens.example";
const TOKENS: &[u8] = br#"{"access_token":"at"}"#;
/// No message is longer: part of it comes from the server.
const LONGEST_MESSAGE: usize = 1024;

/// Where the token requests went, and what the metadata is now.
#[derive(Default)]
struct Server {
    metadata: Bytes,
    posts: Vec<Uri>,
}

/// # Panics
/// Where something that must hold does not.
pub fn check(input: &[u8]) {
    let (first, later) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O");
    for (listed, mutual_tls) in [(false, false), (false, true), (true, false)] {
        runtime.block_on(run(first, later, listed, mutual_tls));
    }
}

async fn run(first: &[u8], later: &[u8], listed: bool, mutual_tls: bool) {
    let server = Arc::new(Mutex::new(Server { metadata: Bytes::copy_from_slice(first), ..Server::default() }));
    let service = {
        let server = Arc::clone(&server);
        tower::service_fn(move |request: Request<Full<Bytes>>| {
            let answer = server.lock().expect("no panic under it").answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        })
    };
    let mut endpoint = TokenEndpoint::discover(service, ISSUER).expect("an issuer");
    if listed {
        endpoint = endpoint.endpoint_origins(Origins::only(LISTED).expect("an origin"));
    }
    if mutual_tls {
        endpoint = endpoint.client_auth(ClientAuth::mutual_tls("client"));
    }
    let grant = ClientCredentialsGrant::new(endpoint);
    let mut allowed = vec![origin(&Uri::from_static(ISSUER))];
    if listed {
        allowed.push(origin(&Uri::from_static(LISTED)));
    }

    let posts = || std::mem::take(&mut server.lock().expect("no panic under it").posts);
    match grant.fetch(GrantContext::default()).await {
        Ok(_) => {
            let [to] = &posts()[..] else { panic!("one token request") };
            assert_eq!(to.scheme_str(), Some("https"), "{to}");
            assert!(!to.authority().expect("a host").as_str().contains('@'), "{to}");
            // Deep nesting is too much for this reader.
            if let Ok(metadata) = serde_json::from_slice::<Value>(without_mark(first)) {
                assert_eq!(metadata["issuer"], ISSUER);
                let named = named(&metadata);
                assert!(named.contains(to), "{to} is none of {named:?}");
                if !listed {
                    allowed.extend(named.iter().map(origin));
                }
            } else {
                allowed.push(origin(to));
            }
            if listed {
                assert!(allowed.contains(&origin(to)), "{to} was not allowed");
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Discovery, "{error}");
            let text = error.to_string();
            assert!(text.len() <= LONGEST_MESSAGE && !text.contains(char::is_control), "{text:?}");
            assert_eq!(posts(), [""; 0], "nothing was sent");
            return;
        }
    }

    server.lock().expect("no panic under it").metadata = Bytes::copy_from_slice(later);
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    grant.fetch(GrantContext::default()).await.expect("what is at hand goes on being used");
    let [to] = &posts()[..] else { panic!("one token request") };
    if serde_json::from_slice::<Value>(without_mark(first)).is_ok() {
        assert!(allowed.contains(&origin(to)), "{to} is at none of {allowed:?}");
    }
}

impl Server {
    fn answer(&mut self, request: &Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        let to = request.uri();
        if *request.method() == Method::POST {
            self.posts.push(to.clone());
            return Response::new(Full::from(TOKENS));
        }
        assert!(PLACES.iter().any(|place| *to == *place), "{to} was asked for metadata");
        let mut response = Response::new(Full::from(self.metadata.clone()));
        if *to == PLACES[0] && self.metadata.is_empty() {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }
}

/// Every endpoint of metadata that the crate may know of.
fn named(metadata: &Value) -> Vec<Uri> {
    let of = |object: &Value| {
        ["token_endpoint", "revocation_endpoint"].map(|name| object[name].as_str().and_then(|text| text.parse().ok()))
    };
    of(metadata).into_iter().chain(of(&metadata["mtls_endpoint_aliases"])).flatten().collect()
}

/// Scheme, host and port.
fn origin(uri: &Uri) -> (String, String, u16) {
    let scheme = uri.scheme_str().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    (scheme.to_owned(), uri.host().unwrap_or_default().to_ascii_lowercase(), port)
}

fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix("\u{feff}".as_bytes()).unwrap_or(json)
}
