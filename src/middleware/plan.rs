//! What becomes of a request before anything is sent: whose it is, and whether a token may go with it.

use http::{Extensions, header::HOST, request::Parts};

use super::{
    config::{Config, OwnAuthorization},
    extensions::{ForceRenewal, NoReplay, WithoutAuth},
};
use crate::{
    error::{Error, ErrorKind},
    events,
    identity::SessionId,
    session::Session,
    sessions::Choice,
};

/// What the layer does with a request, before anything is sent.
pub(super) enum Plan {
    /// Goes through as it is.
    Bare,
    Authorize {
        wishes: Wishes,
        origin: usize,
    },
    Fail(Error),
}

/// What a request's extensions say.
pub(super) struct Wishes {
    // Among many; none where the layer has one session.
    pub(super) chosen: Option<Session>,
    pub(super) renewal: bool,
    pub(super) replay: bool,
}

impl Config {
    /// Decides what becomes of a request; takes the caller's own header away where that is to be replaced.
    // Inlined: its answer would go through memory, which costs as much as most of the questions.
    #[inline(always)]
    pub(super) fn plan(&self, head: &mut Parts) -> Plan {
        // One look at each name: for as many headers as most requests have, that costs half of two look-ups.
        let (mut has_host, mut has_own) = (false, false);
        for name in head.headers.keys() {
            has_host |= *name == HOST;
            has_own |= *name == self.header;
        }
        // Invariant 7: tokens stay home.
        let origin = self.origins.find(&head.method, &head.uri);
        let origin = origin.filter(|origin| !has_host || self.origins.agree(*origin, &head.headers));
        let Some(origin) = origin else { return self.send_bare(head).map_or(Plan::Bare, Plan::Fail) };
        // Not before: a request that goes elsewhere is nobody's, and no use of a session.
        let mut wishes = Wishes { chosen: None, renewal: false, replay: self.max_replays > 0 };
        if !head.extensions.is_empty() || self.source.the_one().is_none() {
            match self.read(&head.extensions, &mut wishes) {
                Ok(true) => {}
                Ok(false) => return Plan::Bare,
                Err(error) => return Plan::Fail(error),
            }
        }
        if has_own {
            match self.own_authorization {
                OwnAuthorization::Keep => return Plan::Bare,
                OwnAuthorization::Replace => drop(head.headers.remove(&self.header)),
                OwnAuthorization::Reject => {
                    let why = format!("the request has a header `{}` of its own", self.header);
                    return Plan::Fail(Error::new(ErrorKind::OwnAuthorization, why));
                }
            }
        }
        Plan::Authorize { wishes, origin }
    }

    /// For a request that no token may go with, whatever its key; an error where it is a session's own token request.
    #[cold]
    fn send_bare(&self, head: &Parts) -> Option<Error> {
        if head.extensions.get::<WithoutAuth>().is_some() {
            return None;
        }
        if head.extensions.get::<SessionId>().is_some() {
            let mut wishes = Wishes { chosen: None, renewal: false, replay: false };
            if let Err(error) = self.read(&head.extensions, &mut wishes) {
                return Some(error);
            }
        }
        self.foreign.tell(head, &self.origins, self.source.the_one().map(Session::name));
        None
    }

    /// Reads what the request wants; false where it wants to go bare.
    fn read(&self, extensions: &Extensions, wishes: &mut Wishes) -> Result<bool, Error> {
        if extensions.get::<WithoutAuth>().is_some() {
            return Ok(false);
        }
        wishes.renewal = extensions.get::<ForceRenewal>().is_some();
        wishes.replay &= extensions.get::<NoReplay>().is_none();
        let token_request_of = extensions.get::<SessionId>();
        let chosen = match self.source.choose(extensions) {
            Ok(chosen) => chosen,
            Err(_) if token_request_of.is_some() => return Err(own_token_request()),
            Err(error) => return Err(error),
        };
        if let Some(id) = token_request_of
            && self.source.is(&chosen, *id)
        {
            return Err(own_token_request());
        }
        wishes.chosen = match chosen {
            Choice::TheOne => None,
            Choice::Among(session) => Some(session),
            Choice::Nobody => {
                events::sent_bare("the request has no key");
                return Ok(false);
            }
        };
        Ok(true)
    }
}

fn own_token_request() -> Error {
    Error::new(ErrorKind::SelfAuthorization, "a session was asked to authorize its own token request")
}
