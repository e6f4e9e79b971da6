//! A port of this machine that waits for the browser (RFC 8252 §7.3).

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{
    Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use oauth2::{AuthorizationCode, CsrfToken, RedirectUrl};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::output::plain;

const PATH: &str = "/callback";

pub(super) struct Loopback {
    listener: TcpListener,
}

impl Loopback {
    /// On a port that is free.
    pub(super) async fn bind() -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await? })
    }

    /// Where the server sends the browser.
    pub(super) fn redirect_uri(&self) -> anyhow::Result<RedirectUrl> {
        Ok(RedirectUrl::new(format!("http://{}{PATH}", self.listener.local_addr()?))?)
    }

    /// The code that the browser brings. It comes with the `state` that only this login knows; what comes without is answered,
    /// and otherwise overlooked, so that no other page of the browser ends the login.
    pub(super) async fn code(self, state: &CsrfToken) -> anyhow::Result<AuthorizationCode> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (stream, _) = accepted.context("the browser can't connect")?;
                    connections.spawn(serve(stream, state.secret().clone()));
                }
                // Browsers open connections that they may not use: each is waited for by itself.
                Some(served) = connections.join_next() => {
                    if let Ok(Some(answer)) = served {
                        return answer;
                    }
                }
            }
        }
    }
}

/// Answers one request, and gives back what it brought when the browser has the answer.
async fn serve(stream: TcpStream, state: String) -> Option<anyhow::Result<AuthorizationCode>> {
    let brought = Arc::new(Mutex::new(None));
    let service = service_fn(async |request: Request<Incoming>| {
        let answer = read(&request, &state);
        let response = page(&answer);
        if let Some(answer) = answer {
            *brought.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        }
        Ok::<_, Infallible>(response)
    });
    // A browser that breaks off has brought what it has brought.
    let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
    brought.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// RFC 6749 §4.1.2.
fn read(request: &Request<Incoming>, state: &str) -> Option<anyhow::Result<AuthorizationCode>> {
    let query = request.uri().query().unwrap_or_default();
    let mut fields: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if request.uri().path() != PATH || fields.get("state").is_none_or(|brought| brought != state) {
        return None;
    }
    match (fields.remove("code"), fields.get("error")) {
        (Some(code), None) => Some(Ok(AuthorizationCode::new(code))),
        (_, Some(error)) => Some(Err(anyhow!("the server says no: {}", plain(error)))),
        (None, None) => Some(Err(anyhow!("the browser came back without a code"))),
    }
}

fn page(answer: &Option<anyhow::Result<AuthorizationCode>>) -> Response<Full<Bytes>> {
    let (status, text) = match answer {
        Some(Ok(_)) => (StatusCode::OK, "Go back to the terminal. This page can be closed."),
        Some(Err(_)) => (StatusCode::OK, "There was no login; the terminal tells why. This page can be closed."),
        None => (StatusCode::NOT_FOUND, "There is nothing here."),
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Login</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><p>{text}</p>"
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        // The code stands in this page's address.
        (REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    response
}
