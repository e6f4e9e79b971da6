//! What the layer says about its work: the crate's `tracing` events, brought into the story.

use std::sync::Arc;

use tracing::{
    Event, Span, Subscriber, info_span,
    span::{Attributes, Id},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use crate::{
    fields::Fields,
    story::{Deed, DeviceId, Part, Story},
};

/// Passes on the events of `tower_reauth`, each to the deed in whose span it happens, or from which its span follows: a
/// renewal's does. A revocation goes on by itself, outside of every span: it is known by its session.
pub(crate) struct LayerEvents {
    story: Arc<Story>,
}

/// The span of a deed.
pub(crate) fn span(deed: Deed) -> Span {
    info_span!(target: "bff", "deed", device = deed.device.0, deed = deed.number)
}

impl LayerEvents {
    pub(crate) fn new(story: Arc<Story>) -> Self {
        Self { story }
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

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        for before in context.span_scope(follows).into_iter().flatten() {
            let deed = before.extensions().get::<Fields>().filter(|fields| deed_of(fields).is_some()).cloned();
            if let (Some(deed), Some(fields)) = (deed, span.extensions_mut().get_mut::<Fields>()) {
                fields.inherit(&deed);
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
                seen = seen.or_else(|| deed_of(of_span));
                fields.inherit(of_span);
            }
        }
        let deed = match fields.get("session") {
            Some(session) => self.story.deed_of(session, seen),
            None => seen,
        };
        if let (Some(deed), Some((part, text))) = (deed, sentence(&fields)) {
            self.story.tell(deed, part, text);
        }
    }
}

fn deed_of(fields: &Fields) -> Option<Deed> {
    let number = |name| fields.text(name).parse().ok();
    Some(Deed { device: DeviceId(number("device")?), number: number("deed")? })
}

/// What is told; some events are not worth a line.
fn sentence(fields: &Fields) -> Option<(Part, String)> {
    let text = |name| fields.text(name);
    let told = match text("message") {
        "token rejected" => format!("{}: the gateway does not take this token any more", text("status")),
        "renewal started" => "asks for a new token, once for everybody who waits".to_owned(),
        "refresh token refused" => "the refresh token is dead too".to_owned(),
        "credentials refused" => "the gateway does not take these credentials any more".to_owned(),
        "renewal failed" => format!("gets no token: {}", text("kind")),
        "token acquired" => format!("has a token, good for {} s", text("lifetime_s")),
        "request replayed" => return Some((Part::Replayed, "sends the same request again".to_owned())),
        "rejection passed on" => "can't put that right".to_owned(),
        "logged in" => return None,
        "logged out" => "forgets everything".to_owned(),
        "tokens revoked" => "has had the tokens revoked at the gateway".to_owned(),
        message => match text("error") {
            "" => message.to_owned(),
            error => format!("{message}: {error}"),
        },
    };
    Some((Part::Layer, told))
}
