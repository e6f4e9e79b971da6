//! The way to the server: any tower service, type-erased.

use std::{
    error::Error as StdError,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use tokio::{
    task::yield_now,
    time::{Instant, timeout_at},
};
use tower::{ServiceExt, util::BoxCloneService};
use tower_service::Service;

use super::{secret_buffer::SecretBuffer, step::Step};
use crate::{
    error::{Error, ErrorKind},
    timer,
};

/// So many frames are read in a row; then it is the turn of others, timers among them.
const ROW: u32 = 64;

type BoxError = Box<dyn StdError + Send + Sync>;
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;
type Client = BoxCloneService<Request<Bytes>, Response<AnswerBody>, BoxError>;

/// A service that a [`TokenEndpoint`](crate::TokenEndpoint) sends its requests through, with request bodies of type `B`: every
/// tower service that meets the bounds of this trait. It is a name for them, for your own functions and for the compiler's
/// messages.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use tower_reauth::{EndpointService, Error, TokenEndpoint};
///
/// fn gateway(client: impl EndpointService<Full<Bytes>>) -> Result<TokenEndpoint, Error> {
///     TokenEndpoint::new(client, "https://gw.example/oauth2/token")?.revocation("https://gw.example/oauth2/revoke")
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot send token requests with the body type `{B}`",
    label = "not a `tower::Service<http::Request<{B}>>` that a `TokenEndpoint` can use",
    note = "`TokenEndpoint::new` takes a client for `http_body_util::Full<Bytes>`; a client for another body type, such as `axum::body::Body`, goes to `TokenEndpoint::with_body::<ThatBody>(client, ..)`",
    note = "make `ReqwestService::new(client)` of a `reqwest::Client` (feature `reqwest`): see `tower_reauth::manual::clients`",
    note = "the client must be `Clone + Send + 'static` and answer with an `http::Response`; its future must be `Send`, its error and that of the response's body `Into<Box<dyn Error + Send + Sync>>`"
)]
pub trait EndpointService<B>:
    Service<
        Request<B>,
        Response = Response<Self::ResponseBody>,
        Error: Into<Box<dyn StdError + Send + Sync>>,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The body of its answers.
    type ResponseBody: Body<Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static;
}

impl<S, B, R> EndpointService<B> for S
where
    S: Service<Request<B>, Response = Response<R>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    R: Body<Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = R;
}

/// The template that each exchange clones its client from. A `Mutex`, since a client need not be `Sync`.
pub(super) struct Transport {
    template: Mutex<Client>,
}

/// The time until which an exchange may run.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    limit: Duration,
}

impl Transport {
    pub(super) fn new<B: From<Bytes> + 'static>(service: impl EndpointService<B>) -> Self {
        let client = service
            .map_request(|request: Request<Bytes>| request.map(B::from))
            .map_response(|response: Response<_>| {
                response.map(|body| {
                    body.map_frame(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                        .map_err(Into::into)
                        .boxed_unsync()
                })
            })
            .map_err(Into::into);
        Self { template: Mutex::new(BoxCloneService::new(client)) }
    }

    /// Sends one request through a client of its own, which is polled ready before the request is made.
    pub(super) async fn send(
        &self,
        step: &Step<'_>,
        deadline: Deadline,
        request: impl FnOnce() -> Result<Request<Bytes>, Error>,
    ) -> Result<Response<AnswerBody>, Error> {
        let client = self.template.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut client = match timeout_at(deadline.at, client.ready_oneshot()).await {
            Ok(Ok(client)) => client,
            Ok(Err(source)) => return Err(broken(step, source).not_sent()),
            Err(_) => return Err(timed_out(step, deadline).not_sent()),
        };
        match timeout_at(deadline.at, client.call(request()?)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(source)) => Err(broken(step, source)),
            Err(_) => Err(timed_out(step, deadline)),
        }
    }
}

impl Deadline {
    /// Starts the clock of one exchange.
    ///
    /// # Errors
    /// [`ErrorKind::NoRuntime`] where there is no tokio runtime with timers.
    pub(super) fn after(step: &Step<'_>, limit: Duration) -> Result<Self, Error> {
        const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        if !timer::keep_time() {
            return Err(step.error(ErrorKind::NoRuntime, "there is no tokio runtime with timers"));
        }
        Ok(Self { at: Instant::now() + limit.min(FOREVER), limit })
    }
}

/// Reads an answer to its end, or to the limit (invariant 12), into memory that is wiped (invariant 9).
pub(super) async fn read(
    step: &Step<'_>,
    body: AnswerBody,
    limit: usize,
    deadline: Deadline,
) -> Result<SecretBuffer, Error> {
    let (answer, is_whole) = read_up_to(step, body, limit, deadline).await?;
    if is_whole {
        Ok(answer)
    } else {
        Err(step.error(ErrorKind::AnswerTooLarge, format_args!("the answer is larger than {limit} bytes")))
    }
}

/// As [`read`], and of an answer over the limit what comes before it.
pub(super) async fn read_start(
    step: &Step<'_>,
    body: AnswerBody,
    limit: usize,
    deadline: Deadline,
) -> Result<SecretBuffer, Error> {
    read_up_to(step, body, limit, deadline).await.map(|(answer, _)| answer)
}

/// Says whether the answer ended within the limit.
async fn read_up_to(
    step: &Step<'_>,
    mut body: AnswerBody,
    limit: usize,
    deadline: Deadline,
) -> Result<(SecretBuffer, bool), Error> {
    // Grows with what arrives: the server's word about the length is not taken.
    let mut answer = SecretBuffer::default();
    let mut frames = 0_u32;
    loop {
        // A body whose frames are always there would never let the time-out be seen.
        frames = frames.wrapping_add(1);
        if frames.is_multiple_of(ROW) {
            yield_now().await;
            if Instant::now() >= deadline.at {
                return Err(timed_out(step, deadline));
            }
        }
        let data = match timeout_at(deadline.at, body.frame()).await {
            Ok(Some(Ok(frame))) => frame.into_data(),
            Ok(Some(Err(source))) => return Err(broken(step, source)),
            Ok(None) => return Ok((answer, true)),
            Err(_) => return Err(timed_out(step, deadline)),
        };
        // Trailers mean nothing here.
        let Ok(data) = data else { continue };
        let left = limit - answer.len();
        answer.push(&data[..data.len().min(left)]);
        if data.len() > left {
            return Ok((answer, false));
        }
    }
}

/// The exchange broke after the request had been handed to the service.
fn broken(step: &Step<'_>, source: BoxError) -> Error {
    // What another layer of ours says comes from before it sent anything, unless its own service failed.
    let ours = Error::find(&*source).map(Error::kind);
    // A session that is asked to authorize its own token request is a mistake in the set-up, not in the network.
    let kind = match ours {
        Some(kind @ ErrorKind::SelfAuthorization) => kind,
        _ => ErrorKind::Transport,
    };
    let error = step.error(kind, "the server could not be reached, or the connection broke");
    let error = if ours.is_some_and(|kind| kind != ErrorKind::Service) { error.not_sent() } else { error };
    error.with_source(source)
}

fn timed_out(step: &Step<'_>, deadline: Deadline) -> Error {
    step.error(ErrorKind::TimedOut, format_args!("no answer within {:?}", deadline.limit))
}
