//! What the issuer answers, and when.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;

use super::gate::Gate;

/// One answer of an [`Issuer`](super::Issuer). A constructor says what it is, the setters say more.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::testing::{Answer, Issuer};
///
/// let issuer = Issuer::new();
/// issuer.next(Answer::status(503, "").header("retry-after", "30"));
/// issuer.next(Answer::tokens().expires_in(60).after(Duration::from_secs(2)));
/// issuer.always(Answer::error(400, "invalid_grant"));
/// ```
#[derive(Clone)]
#[must_use = "an answer does nothing before the issuer has it"]
pub struct Answer {
    pub(super) what: What,
    pub(super) before: Delay,
    pub(super) between: Delay,
}

#[derive(Clone)]
pub(super) enum What {
    /// New tokens, and the ones that the regime says die.
    Tokens(Tokens),
    /// As `Tokens`, and then the connection breaks: the server has done it, the client does not know.
    LostTokens(Tokens),
    Fixed(Fixed),
    Broken,
    Panic,
    Never,
}

#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) lifetime: Option<u64>,
    /// `None`: as the token is.
    pub(super) token_type: Option<Option<String>>,
    /// `None`: as the grant type calls for.
    pub(super) refresh_token: Option<bool>,
    pub(super) access_token: Option<String>,
    pub(super) members: Vec<(String, String)>,
}

#[derive(Clone)]
pub(super) struct Fixed {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

#[derive(Clone, Default)]
pub(super) struct Delay {
    time: Duration,
    gate: Option<Gate>,
}

impl Answer {
    /// Good tokens: `access-<owner>-<number>`, living an hour, with a refresh token where a user is behind it (the grant types
    /// `password`, `refresh_token`, `authorization_code` and that of device codes). A refresh token that is not alive gets
    /// `invalid_grant` all the same.
    pub fn tokens() -> Self {
        Self::of(What::Tokens(Tokens {
            lifetime: Some(3600),
            token_type: None,
            refresh_token: None,
            access_token: None,
            members: Vec::new(),
        }))
    }

    /// This status with this body.
    ///
    /// # Panics
    /// If `status` is not between 100 and 999.
    pub fn status(status: u16, body: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).expect("a status is between 100 and 999");
        Self::of(What::Fixed(Fixed { status, headers: HeaderMap::new(), body: body.into() }))
    }

    /// An OAuth error ([RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    ///
    /// # Panics
    /// As [`status`](Answer::status).
    pub fn error(status: u16, code: &str) -> Self {
        let body = serde_json::json!({ "error": code }).to_string();
        Self::status(status, body).header(CONTENT_TYPE.as_str(), "application/json")
    }

    /// The connection breaks before the server has done anything.
    pub fn broken() -> Self {
        Self::of(What::Broken)
    }

    /// The server issues tokens and kills the older ones, and then the connection breaks.
    pub fn lost_tokens() -> Self {
        let mut answer = Self::tokens();
        if let What::Tokens(tokens) = answer.what {
            answer.what = What::LostTokens(tokens);
        }
        answer
    }

    /// The service panics, and the renewal with it. Over a socket, the connection breaks.
    pub fn panic() -> Self {
        Self::of(What::Panic)
    }

    /// There is never an answer.
    pub fn never() -> Self {
        Self::of(What::Never)
    }

    /// `expires_in` in seconds; `None` leaves it out, and the token lives for ever. For answers with tokens, as are the next ones.
    pub fn expires_in(self, seconds: impl Into<Option<u64>>) -> Self {
        self.set(|tokens| tokens.lifetime = seconds.into())
    }

    /// `token_type`; `None` leaves it out. Without this it says what the token is.
    pub fn token_type(self, name: impl Into<Option<&'static str>>) -> Self {
        self.set(|tokens| tokens.token_type = Some(name.into().map(str::to_owned)))
    }

    /// With a refresh token, whatever the grant type.
    pub fn with_refresh_token(self) -> Self {
        self.set(|tokens| tokens.refresh_token = Some(true))
    }

    /// Without a refresh token. The one that a refresh was sent with stays alive.
    pub fn without_refresh_token(self) -> Self {
        self.set(|tokens| tokens.refresh_token = Some(false))
    }

    /// With this access token, which is alive from then on: the same one again, for example. Where the
    /// [`Regime`](super::Regime) brings an older one again, that one comes.
    pub fn access_token(self, token: impl Into<String>) -> Self {
        self.set(|tokens| tokens.access_token = Some(token.into()))
    }

    /// With one more member, a string.
    pub fn member(self, name: &str, value: &str) -> Self {
        self.set(|tokens| tokens.members.push((name.to_owned(), value.to_owned())))
    }

    /// With this header; for answers made by [`status`](Answer::status) and [`error`](Answer::error).
    ///
    /// # Panics
    /// If the name or the value cannot stand in a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("the name of a header");
        let value = HeaderValue::try_from(value).expect("the value of a header");
        if let What::Fixed(fixed) = &mut self.what {
            fixed.headers.append(name, value);
        }
        self
    }

    /// The server sits on the request for this long before it does anything.
    pub fn after(mut self, time: Duration) -> Self {
        self.before.time = time;
        self
    }

    /// The server does nothing before the gate lets the request through.
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.before.gate = Some(gate.clone());
        self
    }

    /// The server has done everything, and its answer takes this long.
    pub fn delivered_after(mut self, time: Duration) -> Self {
        self.between.time = time;
        self
    }

    /// The server has done everything, and its answer waits at the gate.
    pub fn delivered_behind(mut self, gate: &Gate) -> Self {
        self.between.gate = Some(gate.clone());
        self
    }

    fn of(what: What) -> Self {
        Self { what, before: Delay::default(), between: Delay::default() }
    }

    fn set(mut self, change: impl FnOnce(&mut Tokens)) -> Self {
        if let What::Tokens(tokens) | What::LostTokens(tokens) = &mut self.what {
            change(tokens);
        }
        self
    }
}

/// Invariant 9: it says what kind of answer it is, and no token.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.what {
            What::Tokens(_) => "tokens",
            What::LostTokens(_) => "lost tokens",
            What::Fixed(fixed) => fixed.status.as_str(),
            What::Broken => "broken",
            What::Panic => "panic",
            What::Never => "never",
        };
        f.debug_struct("Answer").field("what", &what).finish_non_exhaustive()
    }
}

impl Tokens {
    /// The answer with these tokens.
    pub(super) fn write(
        &self,
        access_token: &str,
        refresh_token: Option<&str>,
        lifetime: Option<u64>,
        is_bound: bool,
    ) -> Response<Full<Bytes>> {
        let mut answer = serde_json::Map::new();
        answer.insert("access_token".to_owned(), access_token.into());
        let text = [("token_type", self.token_type(is_bound)), ("refresh_token", refresh_token)];
        for (name, value) in text {
            answer.extend(value.map(|value| (name.to_owned(), value.into())));
        }
        answer.extend(lifetime.map(|seconds| ("expires_in".to_owned(), seconds.into())));
        answer.extend(self.members.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
        json(StatusCode::OK, serde_json::Value::Object(answer).to_string())
    }

    fn token_type(&self, is_bound: bool) -> Option<&str> {
        let own = if is_bound { "DPoP" } else { "Bearer" };
        self.token_type.as_ref().map_or(Some(own), Option::as_deref)
    }
}

impl Fixed {
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

impl Delay {
    pub(super) async fn pass(&self) {
        if !self.time.is_zero() {
            tokio::time::sleep(self.time).await;
        }
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
    }
}

pub(super) fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Fixed { status, headers, body }.response()
}
