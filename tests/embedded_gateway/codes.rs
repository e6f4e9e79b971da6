//! Authorization codes go to the client that asked, work once, and need PKCE.

use std::{sync::Arc, time::Duration};

use axum::extract::Request;
use http::StatusCode;

use super::{LOGIN, ask, call, form, options, pair, send, text};
use crate::gateway::{Gateway, Regime};

/// A verifier and its challenge, from RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const ASKED: &str = "client_id=app&redirect_uri=http%3A%2F%2Flocalhost%2Fback&response_type=code&scope=orders&state=s%26t\
     &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

fn with_redirection() -> Arc<Gateway> {
    Gateway::new(options(Regime::Jwt).redirect_uri("app", "http://localhost/back"))
}

/// Where the gateway sends the browser after the user's answer.
async fn decide(gateway: &Arc<Gateway>, answer: &str) -> String {
    let response = send(gateway, form("/oauth2/authorize"), &format!("{ASKED}&{answer}")).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()["location"].to_str().expect("an address is text").to_owned()
}

async fn allow(gateway: &Arc<Gateway>) -> String {
    let address = decide(gateway, "decision=allow&username=bob&password=pass%20word").await;
    let code = address.strip_prefix("http://localhost/back?code=").and_then(|rest| rest.strip_suffix("&state=s%26t"));
    code.unwrap_or_else(|| panic!("{address}")).to_owned()
}

fn redemption(code: &str, verifier: &str) -> String {
    format!("grant_type=authorization_code&code={code}&redirect_uri=http://localhost/back&code_verifier={verifier}")
}

#[tokio::test(start_paused = true)]
async fn code_brings_tokens_once_within_a_minute_and_to_who_knows_the_verifier() {
    let gateway = with_redirection();
    let code = allow(&gateway).await;
    for bad in [
        redemption(&code, "another verifier"),
        redemption("another code", VERIFIER),
        redemption(&code, VERIFIER).replace("/back", "/elsewhere"),
        redemption(&code, VERIFIER) + "&client_id=other&client_secret=secret",
    ] {
        let body = if bad.contains("client_id") { bad } else { bad + "&client_id=app&client_secret=s%2B+cret" };
        let response = send(&gateway, form("/oauth2/token"), &body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    let (token, _) = pair(ask(&gateway, &redemption(&code, VERIFIER)).await);
    assert_eq!(call(&gateway, &token).await, 0);
    // RFC 6749 §4.1.2: whoever uses it again may have stolen it, or been robbed of it.
    assert_eq!(ask(&gateway, &redemption(&code, VERIFIER)).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(call(&gateway, &token).await, 900_904);

    let late = allow(&gateway).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(ask(&gateway, &redemption(&late, VERIFIER)).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn authorization_page_goes_back_to_nobody_but_the_registered_client() {
    let gateway = with_redirection();
    let page = async |query: &str| send(&gateway, Request::get(format!("/oauth2/authorize?{query}")), "").await;
    assert_eq!(page(ASKED).await.status(), StatusCode::OK);
    for (from, to) in [("localhost", "evil.example"), ("client_id=app", "client_id=other")] {
        let refused = page(&ASKED.replace(from, to)).await;
        assert_eq!((refused.status(), refused.headers().get("location")), (StatusCode::BAD_REQUEST, None));
    }
    for (from, to, code) in [
        ("response_type=code", "response_type=token", "unsupported_response_type"),
        ("S256", "plain", "invalid_request"),
        ("&code_challenge=", "&x=", "invalid_request"),
    ] {
        let answer = page(&ASKED.replace(from, to)).await;
        assert_eq!(answer.headers()["location"], format!("http://localhost/back?error={code}&state=s%26t"));
    }
    assert_eq!(decide(&gateway, "decision=deny").await, "http://localhost/back?error=access_denied&state=s%26t");
    let wrong = format!("{ASKED}&decision=allow&username=%3Cb%3E&password=x");
    let wrong = send(&gateway, form("/oauth2/authorize"), &wrong).await;
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    let wrong = text(wrong).await;
    assert!(
        wrong.contains("do not belong together") && wrong.contains("&lt;b&gt;") && !wrong.contains("<b>"),
        "{wrong}"
    );
}

#[tokio::test]
async fn program_without_a_secret_may_listen_on_any_port_of_its_loopback_address_and_nowhere_else() {
    let own = "http://127.0.0.1/callback";
    let gateway = Gateway::new(options(Regime::Jwt).public_client("cli").redirect_uri("cli", own));
    let asked = |uri: &str| ASKED.replace("http%3A%2F%2Flocalhost%2Fback", uri).replace("=app", "=cli");
    let page =
        async |uri: &str| send(&gateway, Request::get(format!("/oauth2/authorize?{}", asked(uri))), "").await.status();
    assert_eq!(page("http://127.0.0.1:4711/callback").await, StatusCode::OK);
    for elsewhere in [
        "http://127.0.0.1:4711/elsewhere",
        "http://127.0.0.1:4711/callback?x=y",
        "http://localhost:4711/callback",
        "https://127.0.0.1:4711/callback",
        "http://user@127.0.0.1:4711/callback",
        "http://127.0.0.1@evil.example/callback",
        "/callback",
    ] {
        assert_eq!(page(elsewhere).await, StatusCode::BAD_REQUEST, "{elsewhere}");
    }

    let consent = asked("http://127.0.0.1:4711/callback") + "&decision=allow&username=bob&password=pass%20word";
    let back = send(&gateway, form("/oauth2/authorize"), &consent).await;
    let back = back.headers()["location"].to_str().unwrap().to_owned();
    let code = back.strip_prefix("http://127.0.0.1:4711/callback?code=").and_then(|rest| rest.split('&').next());
    let redemption = redemption(code.unwrap(), VERIFIER).replace("localhost/back", "127.0.0.1:4711/callback");
    let with_secret =
        send(&gateway, form("/oauth2/token"), &format!("{redemption}&client_id=cli&client_secret=x")).await;
    assert_eq!(with_secret.status(), StatusCode::UNAUTHORIZED);
    let answer = send(&gateway, form("/oauth2/token"), &format!("{redemption}&client_id=cli")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let secretless = send(&gateway, form("/oauth2/token"), &format!("{LOGIN}&client_id=app")).await;
    assert_eq!(secretless.status(), StatusCode::UNAUTHORIZED, "a client that has a secret shows it");
}
