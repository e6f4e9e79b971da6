//! Other crates that add credentials to requests, each as its users meet it and with a token in its cache.

use std::{
    convert::Infallible,
    env, fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
    thread,
};

use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    http::{
        AsyncRawResponse, Context, Method, StatusCode, Url,
        headers::{HeaderName, HeaderValue, Headers},
        policies::{Policy, PolicyResult, auth::BearerTokenAuthorizationPolicy},
    },
    time::{Duration, OffsetDateTime},
};
use bytes::Bytes;
use google_cloud_auth::credentials::{CacheableResource, Credentials, user_account};
use http::{Extensions, Request, Response};
use kube_client::{Config, client::ConfigExt, config::AuthInfo};
use serde_json::json;
use tower::{BoxError, Layer, Service, service_fn, util::MapErr};

use crate::{
    Answer, Fixture, Payload,
    request::{PAYLOAD, URI, write},
};

/// A token from a file, as programs in a cluster have it; one that never changes costs what `AddAuthorization` does.
pub fn kube(
    token: &str,
) -> impl Service<Request<Payload>, Response = Response<Payload>, Error = BoxError, Future: Send> + Clone + Send + use<>
{
    let file = env::temp_dir().join(format!("tower-reauth-token-{}", std::process::id()));
    fs::write(&file, token).expect("a file can be written");
    let mut config = Config::new(http::Uri::from_static("https://api.example"));
    config.auth_info = AuthInfo { token_file: Some(file.to_string_lossy().into_owned()), ..AuthInfo::default() };
    let layer = config.auth_layer().expect("the file can be read").expect("there is a token");
    let _ = fs::remove_file(file);
    layer.layer(MapErr::new(Answer, |never: Infallible| -> BoxError { match never {} }))
}

/// Credentials of a user, who got a token over loopback.
///
/// # Panics
/// When the loopback interface is out of reach.
pub async fn google_credentials(token: &str) -> Credentials {
    // Whoever was first has installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let account = json!({
        "type": "authorized_user", "client_id": "benches", "client_secret": "secret", "refresh_token": "refresh",
    });
    let endpoint = token_endpoint(token);
    let credentials = user_account::Builder::new(account).with_token_uri(endpoint).build().expect("a whole account");
    credentials.headers(Extensions::new()).await.expect("the endpoint answers");
    credentials
}

/// Adds the headers of the credentials to each request.
pub fn google(
    credentials: &Credentials,
) -> impl Service<Request<Payload>, Response = Response<Payload>, Error = BoxError, Future: Send> + Clone + Send + use<>
{
    let credentials = credentials.clone();
    service_fn(move |mut request: Request<Payload>| {
        let credentials = credentials.clone();
        async move {
            if let CacheableResource::New { data, .. } = credentials.headers(Extensions::new()).await? {
                request.headers_mut().extend(data);
            }
            Ok(Answer.call(request).await?)
        }
    })
}

/// Answers one token request with this token; returns its address.
fn token_endpoint(token: &str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("the listener is bound");
    let body = json!({ "access_token": token, "expires_in": 3600, "token_type": "Bearer" }).to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        // A request of this size comes in one piece, head and body.
        let _ = stream.read(&mut [0; 4096]).expect("somebody asks");
        stream.write_all(answer.as_bytes()).expect("somebody listens");
    });
    format!("http://{address}/token")
}

/// Holds a token, good for an hour.
#[derive(Debug)]
struct Token(String);

/// Reads every header value once, and answers at once, as [`Answer`] does.
#[derive(Debug)]
struct AzureAnswer;

/// A pipeline of the bearer policy and a transport.
pub fn azure(
    token: &str,
) -> impl Service<azure_core::http::Request, Response = AsyncRawResponse, Error = azure_core::Error, Future: Send>
+ Clone
+ Send
+ use<> {
    let policy = Arc::new(BearerTokenAuthorizationPolicy::new(Arc::new(Token(token.to_owned())), ["scope"]));
    let transport: [Arc<dyn Policy>; 1] = [Arc::new(AzureAnswer)];
    service_fn(move |mut request: azure_core::http::Request| {
        let (policy, transport) = (policy.clone(), transport.clone());
        async move { policy.send(&Context::new(), &mut request, &transport).await }
    })
}

/// The same request as [`Fixture::request`], of azure_core's type.
pub fn azure_request(fixture: Fixture) -> azure_core::http::Request {
    let url = Url::parse(URI).expect("a valid URI");
    let mut request = azure_core::http::Request::new(url, Method::Get);
    for (name, value) in fixture.headers() {
        let value = if fixture.owned { HeaderValue::from(value.to_owned()) } else { HeaderValue::from(value) };
        request.insert_header(HeaderName::from_static(name), value);
    }
    request.set_body(if fixture.owned { Bytes::from(PAYLOAD.to_vec()) } else { Bytes::from_static(PAYLOAD) });
    request
}

#[async_trait]
impl TokenCredential for Token {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(self.0.clone(), OffsetDateTime::now_utc() + Duration::hours(1)))
    }
}

#[async_trait]
impl Policy for AzureAnswer {
    async fn send(&self, _: &Context, request: &mut azure_core::http::Request, _: &[Arc<dyn Policy>]) -> PolicyResult {
        write(request.headers().iter().map(|(_, value)| value.as_str().as_bytes()));
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), Bytes::new()))
    }
}
