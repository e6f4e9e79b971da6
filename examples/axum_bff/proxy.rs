//! `/api/..`: what is on the list goes to the gateway, with the token of the user's session.

use std::{str::FromStr, sync::Arc};

use axum::{
    RequestExt,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, Uri, header::CONTENT_SECURITY_POLICY};
use percent_encoding::percent_decode_str;
use tower::ServiceExt;
use tower_reauth::RenewalFailed;
use tracing::Instrument;

use crate::{app::App, headers, layer_events::span, problem::Problem, story::Part, visitor::Account};

/// What comes from the API is data, even if somebody opens it as a page.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// A path that browsers may call, with those below it.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    methods: Vec<Method>,
    path: String,
}

pub(crate) async fn forward(
    State(app): State<Arc<App>>,
    account: Account,
    request: Request,
) -> Result<Response, Problem> {
    let path = request.uri().path().strip_prefix("/api").unwrap_or_default().to_owned();
    if !app.target.allowed.iter().any(|allowed| allowed.admits(request.method(), &path)) {
        return Err(Problem::NotAllowed);
    }
    let deed = app.story.deed(account.key.device);
    app.story.tell(deed, Part::Begins, format!("{} {path}", request.method()));

    let request = to_gateway(&app.target.api_url, &path, &account, request)?;
    let answer = app.gateway.api.clone().oneshot(request).instrument(span(deed)).await;
    let answer = match answer.map_err(Problem::from) {
        Ok(response) => match response.extensions().get::<RenewalFailed>() {
            // A rejection that the layer could not heal: the browser can do no more about the token than we can.
            Some(failed) => Err(Problem::from(failed.error())),
            None => Ok(to_browser(response)),
        },
        Err(problem) => Err(problem),
    };
    let answer = match answer {
        Err(_) if matches!(app.is_live(&account).await, Ok(false)) => Err(Problem::LoginRequired),
        answer => answer,
    };
    match &answer {
        Ok(response) if response.status().is_success() => {
            app.story.tell(deed, Part::Succeeds, response.status().to_string());
        }
        Ok(response) => app.story.tell(deed, Part::Fails, response.status().to_string()),
        Err(problem @ Problem::LoginRequired) => {
            app.story.tell(deed, Part::Ends, problem.to_string());
            app.refused(&account);
        }
        Err(problem) => app.story.tell(deed, Part::Fails, problem.to_string()),
    }
    answer
}

impl Allowed {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn admits(&self, method: &Method, path: &str) -> bool {
        let below = path.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        below && self.methods.contains(method) && path.split('/').skip(1).all(is_plain)
    }
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (methods, path) = text.split_once(' ').ok_or("methods and a path, such as `GET,POST /orders`")?;
        let methods = methods.split(',').map(|name| name.parse::<Method>().map_err(|error| error.to_string()));
        let path = path.trim_end_matches('/');
        if !path.starts_with('/') || !path.split('/').skip(1).all(is_plain) {
            return Err("the path begins with a slash, and has plain names between its slashes".to_owned());
        }
        Ok(Self { methods: methods.collect::<Result<_, _>>()?, path: path.to_owned() })
    }
}

fn to_gateway(api_url: &str, path: &str, account: &Account, request: Request) -> Result<Request, Problem> {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri: Uri = format!("{api_url}{path}{query}").parse().map_err(|_| Problem::NotAllowed)?;
    let (parts, body) = request.with_limited_body().into_parts();
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers::to_gateway(&parts.headers);
    // The one place where a request becomes somebody's.
    request.extensions_mut().insert(account.key);
    Ok(request)
}

fn to_browser(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let mut response = (parts.status, body).into_response();
    *response.headers_mut() = headers::to_browser(&parts.headers);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// Whether a segment is a name whoever reads it: some servers take `%2F` for a slash and go up at `..`.
fn is_plain(segment: &str) -> bool {
    let Ok(name) = percent_decode_str(segment).decode_utf8() else { return false };
    !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\', '%', ';'])
        && !name.contains(char::is_control)
}
