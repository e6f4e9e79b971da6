//! Each way in which a token request can fail, as its user reads it: the step, the host, the status, the code, whether trying
//! again can help, and what to check.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::{
    convert::Infallible,
    error::Error as StdError,
    future::{pending, ready},
    io,
};

use crate::support::*;
use bytes::Bytes;
use futures::stream;
use http::{Request, Response, Uri, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpStream, time::advance};
use tower::service_fn;
use tower_reauth::{
    ClientAuth, EndpointService, Error, ErrorKind, Grant, GrantContext, PasswordGrant, RefreshTokenGrant, Session,
    Status, TokenEndpoint,
};

const STEP: &str = "the token request with grant type `password` failed at https://gw.example:8443/oauth2/token: ";

/// An answer, its headers before it, and below it what the user reads of it.
const ANSWERS: &str = r#"
400 {"error":"invalid_grant"}
    Refused: the server refused the credentials (status 400, invalid_grant); ask the user to log in again once the session's status is `Refused`
400 {"error":"invalid_request"}
    Refused: the server refused the credentials (status 400, invalid_request); ask the user to log in again once the session's status is `Refused`
400 {"error":{"code":"refresh_token_reused"}}
    Refused: the server refused the credentials (status 400, refresh_token_reused); ask the user to log in again once the session's status is `Refused`
400 {"error":"not a code"}
    Refused: the server refused the credentials (status 400); ask the user to log in again once the session's status is `Refused`
403
    Refused: the server refused the credentials (status 403); ask the user to log in again once the session's status is `Refused`
200 content-type: application/x-www-form-urlencoded
error=bad_refresh_token
    Refused: the server refused the credentials (status 200, bad_refresh_token); ask the user to log in again once the session's status is `Refused`

401 {"error":"invalid_client"}
    Misconfigured: the server refused the client (status 401, invalid_client); check the client's id and secret, and the way in which it authenticates (`client_auth`)
401 www-authenticate: Basic realm="tokens"
    Misconfigured: the server refused the client (status 401); check the client's id and secret, and the way in which it authenticates (`client_auth`)
400 {"error":"unauthorized_client"}
    Misconfigured: the server does not allow the request (status 400, unauthorized_client); allow this grant type to the client, at the server
400 {"error":"unsupported_grant_type"}
    Misconfigured: the server does not allow the request (status 400, unsupported_grant_type); check the grant type and the address: this server does not know the grant type
400 {"error":"invalid_scope"}
    Misconfigured: the server does not allow the request (status 400, invalid_scope); check the scope: the server does not know it, or this client may not ask for it
400 {"error":"Invalid_Target"}
    Misconfigured: the server does not allow the request (status 400, Invalid_Target); check `resource` and `audience`: the server has no such API for this client
400 {"error":"use_dpop_nonce"}
    Misconfigured: the server asks for a DPoP proof (status 400, use_dpop_nonce); give the session a DPoP key, by `SessionBuilder::dpop`, or let the server take bearer tokens from this client
400 {"error":"invalid_dpop_proof"}
    Dpop: the server refused the DPoP proof, or asks for one (status 400, invalid_dpop_proof)

400 {"error":"temporarily_unavailable"}
    Unavailable, transient: the server is in trouble (status 400, temporarily_unavailable); try again later
400 {"error":"slow_down"}
    Unavailable, transient: the server says that it gets too many requests (status 400, slow_down); try again later
408
    Unavailable, transient: the server asks for another attempt (status 408); try again later
429 retry-after: 7
    Unavailable, transient: the server says that it gets too many requests (status 429); next attempt in 7.0 s; try again later
500 <html>
    Unavailable, transient: the server is in trouble (status 500); try again later
503 retry-after: 7
    Unavailable, transient: the server asks to wait (status 503); next attempt in 7.0 s; try again later
511 <html>
    Unavailable, transient: a network portal stands between here and the server (status 511); try again later

404
    UnexpectedStatus: there is no token endpoint at this address, or it refused the credentials (status 404); check the address of the token endpoint
407
    UnexpectedStatus: a proxy asks for credentials of its own (status 407); give the client the proxy's credentials
403 <html>
    UnexpectedStatus, transient: a web page came back: a firewall, a proxy or a portal answered, and not the server (status 403); check the address of the token endpoint, and what stands before it
302 location: https://gw.example/login
    Redirected: the server answered with a redirect (status 302); give the address that the redirect leads to: it is never followed

200
    EmptyAnswer, transient: the answer has no body (status 200); check the address of the token endpoint
200 <html>
    NotJson, transient: the answer is not JSON (status 200); check the address of the token endpoint
200 {"access_token":
    MalformedAnswer, transient: the answer is cut off, or is not a token response (status 200); check the address of the token endpoint
200 content-type: application/x-www-form-urlencoded
a=1&a=2
    MalformedAnswer, transient: the answer is a form that cannot be read (status 200); check the address of the token endpoint
200 {"token":"a"}
    MissingAccessToken: the answer holds no access token (status 200); check the address of the token endpoint
200 {"access_token":""}
    InvalidAccessToken: the access token is empty, or has a space or another character that is not visible ASCII (status 200); ask those who run the server: no client can send such a token
200 {"access_token":"a","token_type":"mac"}
    UnsupportedTokenType: the answer holds a token of another type `mac` than `Bearer`; `TokenEndpoint::accept_token_type("mac")` takes it as a bearer token (status 200)
200 {"access_token":"a","more":"than fits within the limit that this endpoint has"}
    AnswerTooLarge, transient: the answer is larger than 60 bytes (status 200); check the address of the token endpoint, or raise its `response_limit`
"#;

fn endpoint(client: impl EndpointService<Full<Bytes>>) -> TokenEndpoint {
    let endpoint = TokenEndpoint::new(client, "https://gw.example:8443/oauth2/token?key=1").unwrap();
    endpoint.client_auth(ClientAuth::basic("id", "client-secret")).response_limit(60)
}

/// What a user reads of the error of a password's token request.
async fn told(endpoint: TokenEndpoint) -> (Error, String) {
    let error = PasswordGrant::new(endpoint, "alice", PASSWORD).fetch(GrantContext::default()).await.unwrap_err();
    assert_eq!(error.host(), Some("gw.example:8443"), "{error}");
    let line = error.to_string();
    let line = line.strip_prefix(STEP).unwrap_or_else(|| panic!("{line}"));
    let transient = if error.is_transient() { ", transient" } else { "" };
    let told = format!("{:?}{transient}: {line}", error.kind());
    (error, told)
}

/// The first line has the status and a header or the body, a second one the body.
fn answer(row: &'static str) -> Response<Full<Bytes>> {
    let (first, second) = row.split_once('\n').unwrap_or((row, ""));
    let (status, rest) = first.split_once(' ').unwrap_or((first, ""));
    let response = Response::builder().status(status);
    match rest.split_once(": ").filter(|_| rest.starts_with(char::is_alphabetic)) {
        Some((name, value)) => response.header(name, value).body(Full::from(second)).unwrap(),
        None => response.header(CONTENT_TYPE, "application/json").body(Full::from(rest)).unwrap(),
    }
}

/// The rows of the table: an answer, and what is read of it.
fn rows() -> Vec<(&'static str, &'static str)> {
    let mut rows = Vec::new();
    let mut rest = ANSWERS.trim();
    while let Some((answer, after)) = rest.split_once("\n    ") {
        let (told, next) = after.split_once('\n').unwrap_or((after, ""));
        rows.push((answer, told));
        rest = next.trim_start();
    }
    rows
}

#[tokio::test(start_paused = true)]
async fn answers_without_tokens_say_what_to_check() {
    assert!(rows().len() > 30);
    for (row, line) in rows() {
        let client = service_fn(move |_: Request<Full<Bytes>>| ready(Ok::<_, Infallible>(answer(row))));
        let (error, told) = told(endpoint(client)).await;
        assert_eq!(told, line);
        assert_eq!(error.status(), Some(answer(row).status()));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_without_an_answer_say_what_to_check() {
    const UNREACHABLE: &str = "Transport, transient: the server could not be reached, or the connection broke";
    const CHECK: &str = "try again later; if it goes on, check the address, the network and the certificates";

    let refused = service_fn(|_: Request<Full<Bytes>>| {
        ready(Err::<Response<Full<Bytes>>, _>(io::Error::from(io::ErrorKind::ConnectionRefused)))
    });
    assert_eq!(told(endpoint(refused)).await.1, format!("{UNREACHABLE}: connection refused; {CHECK}"));

    let handshake = service_fn(|_: Uri| {
        let error = io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate: Expired");
        ready(Err::<TokioIo<TcpStream>, _>(error))
    });
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(handshake);
    let line = "client error (Connect): invalid peer certificate: Expired";
    assert_eq!(told(endpoint(client)).await.1, format!("{UNREACHABLE}: {line}; {CHECK}"));

    let breaks = service_fn(|_: Request<Full<Bytes>>| {
        let frames = [Ok(Frame::data(Bytes::from("{"))), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
        ready(Ok::<_, Infallible>(Response::new(StreamBody::new(stream::iter(frames)))))
    });
    let line = "the server could not be reached, or the connection broke (status 200): connection reset";
    assert_eq!(told(endpoint(breaks)).await.1, format!("Transport, transient: {line}; {CHECK}"));

    let hangs = service_fn(|_: Request<Full<Bytes>>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let line = "no answer within 120s; try again later; if it goes on, give the endpoint and the renewal more time";
    assert_eq!(told(endpoint(hangs)).await.1, format!("TimedOut, transient: {line}"));
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_held_back_say_so() {
    let busy = endpoint(service_fn(|_: Request<Full<Bytes>>| ready(Ok::<_, Infallible>(answer("429 retry-after: 7")))));
    told(busy.clone()).await;
    let line = "not sent, since the server answered with 429 just before; next attempt in 7.0 s; try again later";
    assert_eq!(told(busy).await.1, format!("Unavailable, transient: {line}"));

    let hangs = service_fn(|_: Request<Full<Bytes>>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let full = endpoint(hangs).concurrency(1);
    let first = tokio::spawn(told(full.clone()));
    tokio::task::yield_now().await;
    let line = "not sent, since the requests before it took longer than 30s; try again later";
    assert_eq!(told(full).await.1, format!("Unavailable, transient: {line}"));
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn host_is_told_of_the_error_below_and_not_of_what_has_none() {
    let issuer = Issuer::new();
    issuer.next_revocation(Answer::error(400, "invalid_request"));
    let session = Session::new(PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD));
    session.token().await.unwrap();
    let error = session.logout().await.unwrap_err();
    assert_eq!((error.kind(), error.host()), (ErrorKind::NotRevoked, Some("issuer.example")));
    let wrapped = Error::new(ErrorKind::Unavailable, "the login service failed").with_source(error);
    assert_eq!(wrapped.host(), Some("issuer.example"));
    assert_eq!(session.token().await.unwrap_err().host(), None);
}

/// A refusal is transient until the session says that the user is to be asked.
#[tokio::test(start_paused = true)]
async fn refusal_is_transient_while_the_session_makes_sure() {
    for_every_credential(async |world| {
        let session = &world.session;
        let token = session.token().await.unwrap();
        world.issuer.always(Answer::error(400, "invalid_grant"));
        let (mut transient, mut last) = (0, None);
        // As long as it takes to be sure, and then some.
        for _ in 0..20 {
            let error = session.renew(token.generation()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
            assert_eq!(error.is_transient(), session.status() != Status::Refused, "{error}");
            transient += usize::from(error.is_transient());
            last = Some(error);
            advance(std::time::Duration::from_secs(30)).await;
        }
        // The secret of a client is refused from the first time on, and never for good; a subject's token at once.
        let makes_sure = matches!(world.kind, Kind::Password | Kind::RefreshToken | Kind::Custom);
        assert_eq!(transient > 0, makes_sure, "{:?}", world.kind);
        assert!(!last.unwrap().is_transient());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn password_that_never_worked_is_not_tried_again() {
    let issuer = Issuer::new();
    issuer.always(Answer::error(400, "invalid_grant"));
    let session = Session::new(PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD));
    for _ in 0..2 {
        assert!(!session.token().await.unwrap_err().is_transient());
    }
    session.login(RefreshTokenGrant::new(issuer.endpoint(), "lone"));
    assert!(session.token().await.unwrap_err().is_transient(), "a busy server says so, too");
}

#[tokio::test(start_paused = true)]
async fn description_is_had_of_every_error_that_holds_it() {
    let issuer = Issuer::new();
    let session = Session::new(PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD));
    for (body, description) in [
        (
            r#"{"error":"invalid_grant","error_description":"the account\u0007 is locked"}"#,
            Some("the account  is locked"),
        ),
        (r#"{"error":{"code":"DENIED","message":"locked"}}"#, Some("locked")),
        (r#"{"error":"invalid_grant","error_description":7}"#, Some("7")),
        (r#"{"error":"invalid_grant","error_description":""}"#, None),
        (r#"{"error":"invalid_grant"}"#, None),
        ("<html>locked", None),
    ] {
        issuer.next(Answer::status(400, body));
        session.login(PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD));
        let error = session.token().await.unwrap_err();
        assert_eq!(error.description_untrusted(), description, "{body}");
        assert!(!format!("{error} {error:?} {:?}", error.source()).contains("locked"));
        let wrapped = Error::new(ErrorKind::Unavailable, "no token").with_source(error);
        assert_eq!(wrapped.description_untrusted(), description, "{body}");
    }
    let form = Answer::status(400, "error=invalid_grant&error_description=the+account+is+locked");
    issuer.next(form.header("content-type", "application/x-www-form-urlencoded"));
    session.login(PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD));
    let error = session.token().await.unwrap_err();
    assert_eq!(error.description_untrusted(), Some("the account is locked"));
}

#[test]
fn error_is_found_however_deep_io_errors_hide_it() {
    let ours = || Error::new(ErrorKind::Transport, "the vault did not answer");
    let twice = io::Error::other(io::Error::other(ours()));
    assert_eq!(Error::find(&twice).map(Error::kind), Some(ErrorKind::Transport));
    #[cfg(feature = "reqwest-middleware")]
    {
        let held = io::Error::other(reqwest_middleware::Error::middleware(ours()));
        assert_eq!(Error::find(&held).map(Error::kind), Some(ErrorKind::Transport));
    }
    assert!(Error::find(&io::Error::other(io::Error::other("another one"))).is_none());
}
