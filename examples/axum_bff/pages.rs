//! The pages. They are plain HTML; the application's own script only adds life to one that works.

use std::time::Duration;

use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header::RETRY_AFTER};
use maud::{DOCTYPE, Markup, html};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    target::{Login, Target},
    throttle::Held,
    visitor::Account,
};

/// A word for whoever is to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    LoggedOut,
    Ended,
    Wrong,
    Denied,
    NotStartedHere,
    Unreachable,
    /// By the name that was typed.
    LockedOut {
        seconds: u64,
    },
    /// From one network.
    TooOften {
        seconds: u64,
    },
}

/// Asks to log in; `name` is what was typed before.
pub(crate) fn login(target: &Target, notice: Option<Notice>, name: &str) -> Response {
    let with_password = target.login == Login::Password;
    let content = html! {
        @if with_password { (warning()) }
        main.door {
            (brand())
            div.card {
                h1 { "Log in" }
                @if let Some(notice) = notice {
                    p class={ "notice " (notice.tone()) } role=(if notice.tone() == "bad" { "alert" } else { "status" }) {
                        (notice.text(name))
                    }
                }
                form method="post" action="/login" {
                    @if with_password {
                        label for="username" { "User name" }
                        input id="username" name="username" value=(name) autocomplete="username" autocapitalize="none"
                            spellcheck="false" maxlength="256" autofocus[name.is_empty()] required;
                        label for="password" { "Password" }
                        input id="password" name="password" type="password" autocomplete="current-password"
                            autofocus[!name.is_empty()] required;
                        button.primary { "Log in" }
                    } @else {
                        p.faint { "You log in at the gateway. It asks whether Orchard may see your orders, and keeps your password to itself." }
                        button.primary autofocus { "Continue to the gateway" }
                    }
                }
            }
        }
    };
    let mut response = (notice.map_or(StatusCode::OK, Notice::status), page("Log in", &content)).into_response();
    if let Some(Notice::LockedOut { seconds } | Notice::TooOften { seconds }) = notice {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The application.
pub(crate) fn home(app: &App, account: &Account) -> Response {
    let target = &app.target;
    let user = account.user.as_deref().unwrap_or("you");
    let path = target.allowed.first().map_or("/", |allowed| allowed.path());
    let content = html! {
        @if target.login == Login::Password { (warning()) }
        header.bar {
            (brand())
            p.who { "Logged in as " strong { (user) } }
            form method="post" action="/logout" { button { "Log out" } }
        }
        main {
            section.orders.card aria-labelledby="orders" {
                div {
                    h1 #orders { "Orders" }
                    p.count #count aria-live="polite" { "–" }
                    p.faint #unit { "placed so far" }
                }
                @if target.story_needs.is_none() {
                    div {
                        h2 { "Healed" }
                        p.count #healed { "0" }
                        p.faint { "calls from here" }
                    }
                }
                div.actions #actions data-path={ "/api" (path) } {
                    button.primary type="button" data-do="order" { "Place an order" }
                    button type="button" data-do="look" { "Refresh" }
                    button type="button" data-do="ten" { "Refresh ten times at once" }
                    p.faint #said role="status" {}
                }
            }
            section aria-labelledby="story" {
                div.heading {
                    h2 #story { "What happened" }
                    p.live #live data-state="off" { "connecting" }
                }
                p.faint {
                    "This server holds a token for each of your devices; no device ever sees one."
                    @if let Some(options) = target.story_needs {
                        " Here no device can end another one's token, so no call needs healing. To see calls healed, start this example with "
                        code { (options) } "."
                    } @else if target.login == Login::Password {
                        " The gateway keeps one token per user: a device that logs in or out can end the other's. Watch that being put right."
                    }
                }
                @if app.is_one_of_many() {
                    p.faint {
                        "It is one of several servers that share your login. What happened is told by the one that this page is connected to."
                        @if target.login == Login::Password {
                            " Your password stays with the one where you logged in. If that one ends, the others go on with the refresh token; when it is dead, they ask you to log in again."
                        }
                    }
                }
                div.lanes aria-hidden="true" {
                    p.mine { "This device" }
                    p.theirs { "Other devices of " (user) }
                }
                div.stage {
                    ol.timeline #timeline aria-label="What your devices did, newest first" {}
                    p.alone #alone {
                        "Nobody else is here. Open " strong { (target.public_url) }
                        " in a private window or another browser and log in as " (user) " again: what happens there shows up here."
                    }
                }
            }
        }
        dialog #ended aria-labelledby="ended-title" {
            h2 #ended-title { "Please log in again" }
            p.faint { "The gateway no longer accepts this login: it was ended, or your password was changed." }
            a.primary.button href="/login" { "Log in" }
        }
        noscript { p.notice.plain { "Without scripts, this page can only log you out." } }
        script type="module" src="/app.js" {}
    };
    page("Orders", &content).into_response()
}

/// For an address that no page has.
pub(crate) fn nothing_here(status: StatusCode) -> Response {
    let content = html! {
        main.door {
            (brand())
            div.card {
                h1 { "There is no page here" }
                p.faint { "The address may be mistyped, or it is not for looking at." }
                a.primary.button href="/" { "Go to your orders" }
            }
        }
    };
    (status, page("No page", &content)).into_response()
}

impl Notice {
    fn status(self) -> StatusCode {
        match self {
            Self::LoggedOut | Self::Ended => StatusCode::OK,
            Self::Wrong | Self::Denied | Self::NotStartedHere => StatusCode::FORBIDDEN,
            Self::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            Self::LockedOut { .. } | Self::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The look of it: that a login ends is no error.
    fn tone(self) -> &'static str {
        match self {
            Self::LoggedOut => "good",
            Self::Ended | Self::Denied => "plain",
            _ => "bad",
        }
    }

    fn text(self, name: &str) -> String {
        match self {
            Self::LoggedOut => "You are logged out on this device.".to_owned(),
            Self::Ended => "Your login has ended. Please log in again.".to_owned(),
            Self::Wrong => "This name and password do not belong together.".to_owned(),
            Self::Denied => "You did not let Orchard in at the gateway.".to_owned(),
            Self::NotStartedHere => {
                "That login was not begun in this browser, or is over. Please begin again.".to_owned()
            }
            Self::Unreachable => "The gateway can't be reached just now. Please try again in a moment.".to_owned(),
            Self::LockedOut { seconds } => format!(
                "There were too many attempts to log in as “{name}”, here or elsewhere. This name is locked for {}.",
                in_words(seconds)
            ),
            Self::TooOften { seconds } => {
                format!("There were too many attempts from your network. Please wait {}.", in_words(seconds))
            }
        }
    }
}

impl From<Held> for Notice {
    fn from(held: Held) -> Self {
        let seconds = |wait: Duration| wait.as_secs_f64().ceil() as u64;
        match held {
            Held::User(wait) => Self::LockedOut { seconds: seconds(wait) },
            Held::Address(wait) => Self::TooOften { seconds: seconds(wait) },
        }
    }
}

fn in_words(seconds: u64) -> String {
    format!("{seconds} second{}", if seconds == 1 { "" } else { "s" })
}

/// What the best current practice thinks of passwords that pass through.
fn warning() -> Markup {
    html! {
        aside.warning {
            p {
                strong { "Not for anything new." }
                " With this login the application gets to see your password, which "
                a href="https://www.rfc-editor.org/rfc/rfc9700#section-2.4" { "RFC 9700, section 2.4" }
                " forbids: one more place can lose it, and no second factor can be asked for. It is here for gateways that can't be changed."
            }
        }
    }
}

fn brand() -> Markup {
    html! {
        p.brand {
            svg viewBox="0 0 32 32" aria-hidden="true" {
                path d="M16 8c2.6 0 3.4 2.5 4.2 5 .9 2.9 4.8 4.6 4.8 9.3C25 27 21 30 16 30s-9-3-9-7.700c0-4.700 3.900-6.400 4.800-9.300.8-2.500 1.600-5 4.200-5Z" {}
                path.leaf d="M16.500 7.500c0-3.400 2.300-5.500 6.300-5.500 0 3.500-2.500 5.700-6.300 5.500Z" {}
            }
            "Orchard"
        }
    }
}

fn page(title: &str, content: &Markup) -> Html<String> {
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Orchard" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/app.css";
            }
            body { (content) }
        }
    };
    Html(html.into_string())
}
