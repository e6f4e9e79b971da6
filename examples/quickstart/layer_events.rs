//! What the layer says about its work: the crate's `tracing` events, brought into the timeline.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tracing::{
    Event, Subscriber,
    span::{Attributes, Id},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use crate::{
    fields::Fields,
    timeline::{THIEF, Timeline},
};

/// Passes on the events of `tower_reauth`, each to the device that it concerns.
///
/// What happens inside a device's call stands in the span that the device opened; a renewal's span follows from it. A
/// revocation goes on by itself, outside of every call: it is known by its session.
pub(crate) struct LayerEvents {
    timeline: Timeline,
    /// Sessions that were seen inside a device's span.
    devices: Mutex<BTreeMap<String, String>>,
}

impl LayerEvents {
    pub(crate) fn new(timeline: Timeline) -> Self {
        Self { timeline, devices: Mutex::default() }
    }

    /// The device that a session belongs to; `seen` says that the event happened inside that device's span.
    fn device(&self, session: Option<&str>, seen: Option<String>) -> String {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(session) = session else { return seen.unwrap_or_default() };
        if let Some(device) = seen {
            devices.insert(session.to_owned(), device);
        }
        devices.get(session).cloned().unwrap_or_default()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LayerEvents {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    /// A renewal is no part of the call that started it, but is told of the same device.
    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        for before in context.span_scope(follows).into_iter().flatten() {
            let outer = before.extensions().get::<Fields>().filter(|fields| fields.get("device").is_some()).cloned();
            if let (Some(outer), Some(fields)) = (outer, span.extensions_mut().get_mut::<Fields>()) {
                fields.inherit(&outer);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != "tower_reauth" {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut seen = None;
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                seen = seen.or_else(|| of_span.get("device").map(str::to_owned));
                fields.inherit(of_span);
            }
        }
        let device = self.device(fields.get("session"), seen);
        // He has this crate, too, and what it does for him is not the story.
        if device != THIEF {
            self.timeline.layer(&device, &sentence(&fields));
        }
    }
}

fn sentence(fields: &Fields) -> String {
    let text = |name| fields.text(name);
    match text("message") {
        "logged in" => "keeps the credentials in memory, until logout".to_owned(),
        "renewal started" => "asks for a token".to_owned(),
        "refresh token refused" => format!("drops the refresh token ({}): the password is next", text("code")),
        "credentials refused" => "holds these credentials back from now on".to_owned(),
        // The error itself is told by whoever waited for the token.
        "renewal failed" => format!("gets no token: {}", text("kind")),
        "token acquired" => format!("has a token, good for {} s", text("lifetime_s")),
        "token rejected" => format!("sees the {}", text("status")),
        "DPoP nonce asked for" => "takes the nonce, to prove once more".to_owned(),
        "request replayed" => "sends the request again".to_owned(),
        "logged out" => "forgets password and tokens".to_owned(),
        "tokens revoked" => "has had the tokens revoked".to_owned(),
        message => match text("error") {
            "" => message.to_owned(),
            error => format!("{message}: {error}"),
        },
    }
}
