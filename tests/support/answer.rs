//! What the issuer answers, and when.

use std::time::Duration;

use http::StatusCode;

use super::Gate;

/// One answer of the issuer. Build it with one of the constructors, then say more with the setters.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) what: What,
    pub(super) before: Delay,
    pub(super) between: Delay,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// New tokens, and the ones that the regime says die.
    Tokens(Tokens),
    /// As `Tokens`, and then the connection breaks: the server has done it, the client does not know.
    LostTokens(Tokens),
    Fixed {
        status: StatusCode,
        headers: Vec<(String, String)>,
        body: String,
    },
    Broken,
    Panic,
    Never,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    pub(super) lifetime: Option<u64>,
    pub(super) token_type: Option<String>,
    /// `None`: as the grant type calls for.
    pub(super) refresh_token: Option<bool>,
    pub(super) access_token: Option<String>,
    pub(super) members: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Delay {
    time: Duration,
    gate: Option<Gate>,
}

impl Answer {
    /// Good tokens: `access-<owner>-<number>`, living an hour, with a refresh token for the password and the refresh grant.
    /// A refresh token that is not alive gets `invalid_grant` all the same.
    pub fn tokens() -> Self {
        Self::of(What::Tokens(Tokens {
            lifetime: Some(3600),
            token_type: Some("Bearer".to_owned()),
            ..Tokens::default()
        }))
    }

    /// This status with this body.
    pub fn status(status: u16, body: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).expect("a valid status");
        Self::of(What::Fixed { status, headers: Vec::new(), body: body.into() })
    }

    /// An OAuth error (RFC 6749 §5.2).
    pub fn error(status: u16, code: &str) -> Self {
        Self::status(status, format!(r#"{{"error":"{code}"}}"#)).header("content-type", "application/json")
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

    /// The client that leads to the server panics, and the flight with it.
    pub fn panic() -> Self {
        Self::of(What::Panic)
    }

    /// There is never an answer.
    pub fn never() -> Self {
        Self::of(What::Never)
    }

    /// `expires_in` in seconds; `None` leaves it out, and the token lives for ever.
    pub fn expires_in(self, seconds: impl Into<Option<u64>>) -> Self {
        self.set(|tokens| tokens.lifetime = seconds.into())
    }

    /// `token_type`; `None` leaves it out.
    pub fn token_type(self, name: impl Into<Option<&'static str>>) -> Self {
        self.set(|tokens| tokens.token_type = name.into().map(str::to_owned))
    }

    /// With a refresh token, whatever the grant type.
    pub fn with_refresh_token(self) -> Self {
        self.set(|tokens| tokens.refresh_token = Some(true))
    }

    /// Without a refresh token; on a refresh, the one that was sent stays alive.
    pub fn without_refresh_token(self) -> Self {
        self.set(|tokens| tokens.refresh_token = Some(false))
    }

    /// With this access token, which is alive from then on: the same one again, for example.
    pub fn access_token(self, token: impl Into<String>) -> Self {
        self.set(|tokens| tokens.access_token = Some(token.into()))
    }

    /// With one more member, a string.
    pub fn member(self, name: &str, value: &str) -> Self {
        self.set(|tokens| tokens.members.push((name.to_owned(), value.to_owned())))
    }

    /// With this header; for answers made by `status` and `error`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let What::Fixed { headers, .. } = &mut self.what {
            headers.push((name.to_owned(), value.to_owned()));
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
