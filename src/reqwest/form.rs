//! Multipart forms, of which reqwest makes a stream even where they are in memory.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, Limited};
use reqwest::{Body, Request};

use crate::error::Error;

/// In bytes: the longest form that is read before it is sent.
const LONGEST: usize = 1024 * 1024;

/// Makes bytes of a form whose length is known and not over the limit: they are replayed by reference, whatever the layer's
/// `replay_limit`. Nothing tells a form in memory from one of files, so those are read, too.
pub(super) async fn read(request: &mut Request) -> Result<(), Error> {
    if is_short_form(request)
        && let Some(form) = request.body_mut().take()
    {
        // The length is what the parts say of themselves. Where it is untrue, the server is not told something else.
        let form = Limited::new(form, LONGEST).collect().await.map_err(Error::service)?;
        *request.body_mut() = Some(form.to_bytes().into());
    }
    Ok(())
}

fn is_short_form(request: &Request) -> bool {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_form = header(CONTENT_TYPE).is_some_and(|value| value.starts_with("multipart/form-data"));
    let length = header(CONTENT_LENGTH).and_then(|value| value.parse::<usize>().ok());
    let is_stream = request.body().is_some_and(|body: &Body| body.as_bytes().is_none());
    is_form && is_stream && length.is_some_and(|length| length <= LONGEST)
}
