//! One request to an endpoint, up to the head of its answer.

use std::error::Error as _;

use http::{
    HeaderValue, Request, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
    response::Parts,
};

use super::{
    TokenEndpoint,
    client_auth::Prepared,
    form::Form,
    proving::DPOP,
    redact::Carried,
    step::Step,
    transport::{AnswerBody, Deadline},
};
use crate::{
    error::{Error, ErrorKind, chain},
    identity::SessionId,
};

impl TokenEndpoint {
    /// Sends a form with the client's authentication and a proof, and returns as soon as the head of the answer is there.
    pub(super) async fn post(
        &self,
        step: &Step<'_>,
        (client, proof): (Option<&Prepared<'_>>, impl FnOnce() -> Result<Option<HeaderValue>, Error>),
        form: impl FnOnce() -> Result<Form, Error>,
        session: Option<SessionId>,
    ) -> Result<(Parts, AnswerBody, Deadline, Carried), Error> {
        let mut carried = Carried::default();
        let deadline = Deadline::after(step, self.settings.timeout)?;
        let request = || {
            let proof = proof()?;
            let mut form = form()?;
            if let Some(client) = client {
                client.extend(&mut form);
            }
            carried.form = form.into_bytes();
            let mut request = Request::post(step.address().uri().clone())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
                .header(ACCEPT, HeaderValue::from_static("application/json"))
                .body(carried.form.clone())
                .map_err(|error| step.error(ErrorKind::Invalid, "the request cannot be built").with_source(error))?;
            if let Some(value) = client.and_then(Prepared::authorization) {
                carried.authorization = Some(value.clone());
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            if let Some(proof) = proof {
                carried.proof = Some(proof.clone());
                request.headers_mut().insert(DPOP, proof);
            }
            if let Some(session) = session {
                request.extensions_mut().insert(session);
            }
            Ok(request)
        };
        let sent = self.shared.transport.send(step, deadline, request).await;
        if has_moved(&sent) {
            self.settings.location.doubt();
        }
        let response = sent.map_err(|error| {
            let known = self.settings.not_sent_when.as_ref().zip(error.source());
            let not_sent = known.is_some_and(|(is_not_sent, source)| chain(source).any(|error| is_not_sent(error)));
            if not_sent { error.not_sent() } else { error }
        })?;
        let (parts, body) = response.into_parts();
        Ok((parts, body, deadline, carried))
    }
}

/// Whether the endpoint seems to be elsewhere by now.
fn has_moved<B>(sent: &Result<Response<B>, Error>) -> bool {
    match sent {
        Ok(response) => {
            response.status().is_redirection() || matches!(response.status().as_u16(), 404 | 405 | 410 | 421)
        }
        Err(error) => error.kind() == ErrorKind::Transport,
    }
}
