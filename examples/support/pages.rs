//! The pages that a user of the gateway sees; they need no script.

use axum::response::{Html, IntoResponse, Response};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use maud::{DOCTYPE, Markup, html};

use super::authorization::AuthorizationRequest;

/// Where the client's own page may be after the form: `form-action` would hold for the redirect too, so it is not set.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

/// Asks for name and password; `refused` is the name that did not come with its password.
pub(super) fn login(status: StatusCode, request: &AuthorizationRequest, refused: Option<&str>) -> Response {
    let asked = [
        ("client_id", Some(&request.client_id)),
        ("redirect_uri", Some(&request.redirect_uri)),
        ("response_type", Some(&request.response_type)),
        ("scope", request.scope.as_ref()),
        ("state", request.state.as_ref()),
        ("code_challenge", request.code_challenge.as_ref()),
        ("code_challenge_method", request.code_challenge_method.as_ref()),
    ];
    let content = html! {
        h1 { "Log in" }
        p { strong { (request.client_id) } " asks for access to your orders. It will not see your password." }
        @if refused.is_some() {
            p.message role="alert" { "This name and password do not belong together." }
        }
        form method="post" action="/oauth2/authorize" {
            @for (name, value) in asked {
                @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
            }
            (field("username", "User name", "username", refused.unwrap_or_default(), refused.is_none()))
            (field("password", "Password", "current-password", "", refused.is_some()))
            div.actions {
                button name="decision" value="allow" { "Log in and allow" }
                button.quiet name="decision" value="deny" formnovalidate { "Cancel" }
            }
        }
    };
    page(status, "Log in", &content)
}

/// Asks for the code that a device shows, and whether its owner is the user; `message` says what came of it.
pub(super) fn device(status: StatusCode, code: &str, user: &str, message: Option<&str>) -> Response {
    let content = html! {
        h1 { "Connect a device" }
        p { "It asks for access to your orders. Enter the code that it shows." }
        @if let Some(message) = message {
            p.message.good[status.is_success()] role="alert" { (message) }
        }
        form method="post" action="/oauth2/device" {
            (field("user_code", "Code", "off", code, code.is_empty()))
            (field("username", "User name", "username", user, !code.is_empty() && user.is_empty()))
            (field("password", "Password", "current-password", "", !user.is_empty()))
            div.actions {
                button name="decision" value="allow" { "Log in and allow" }
                button.quiet name="decision" value="deny" formnovalidate { "Deny" }
            }
        }
    };
    page(status, "Connect a device", &content)
}

/// Lets a user change their password, and says what came of it.
pub(super) fn password(status: StatusCode, user: &str, message: Option<&str>) -> Response {
    let content = html! {
        h1 { "Change your password" }
        p { "Every device that is logged in with the old one is logged out." }
        @if let Some(message) = message {
            p.message.good[status.is_success()] role="alert" { (message) }
        }
        form method="post" action="/account/password" {
            (field("username", "User name", "username", user, user.is_empty()))
            (field("password", "Present password", "current-password", "", !user.is_empty()))
            (field("new_password", "New password", "new-password", "", false))
            div.actions { button { "Change it" } }
        }
    };
    page(status, "Change your password", &content)
}

/// For a request that can't be answered with a redirect.
pub(super) fn refusal(why: &str) -> Response {
    page(StatusCode::BAD_REQUEST, "Not possible", &html! { h1 { "Not possible" } p.message role="alert" { (why) } })
}

pub(super) async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")], include_str!("page.css")).into_response()
}

fn field(name: &str, label: &str, autocomplete: &str, value: &str, focus: bool) -> Markup {
    let kind = if name.contains("password") { "password" } else { "text" };
    html! {
        label for=(name) { (label) }
        input id=(name) name=(name) type=(kind) value=(value) autocomplete=(autocomplete) autocapitalize="none"
            spellcheck="false" autofocus[focus] required;
    }
}

fn page(status: StatusCode, title: &str, content: &Markup) -> Response {
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – Example gateway" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/oauth2/page.css";
            }
            body {
                main {
                    p.place { "Example gateway" }
                    (content)
                }
            }
        }
    };
    let headers = [(CACHE_CONTROL, "no-store"), (CONTENT_SECURITY_POLICY, POLICY)];
    (status, headers, Html(html.into_string())).into_response()
}
