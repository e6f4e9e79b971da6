//! What becomes of a request before anything is sent: whose it is, and whether a token may go with it.

use http::{Extensions, HeaderMap, HeaderValue, request::Parts};

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
    /// Decides what becomes of a request; takes the caller's own header away where that is to be replaced. Where it is not, it is
    /// seen only when the token is put into its place.
    // Inlined: its answer would go through memory, which costs as much as most of the questions.
    #[inline(always)]
    pub(super) fn plan(&self, head: &mut Parts) -> Plan {
        // Invariant 7: tokens stay home.
        let origin = self.origins.find(&head.method, &head.uri);
        let origin = origin.filter(|origin| self.origins.agree(*origin, &head.headers));
        let Some(origin) = origin else { return self.send_bare(head) };
        // Not before: a request that goes elsewhere is nobody's, and no use of a session.
        let mut wishes = Wishes { chosen: None, renewal: false, replay: self.max_replays > 0 };
        if !head.extensions.is_empty() || self.source.the_one().is_none() {
            match self.read(&head.extensions, &mut wishes) {
                Ok(true) => {}
                Ok(false) => return Plan::Bare,
                Err(error) => return Plan::Fail(error),
            }
        }
        if matches!(self.own_authorization, OwnAuthorization::Replace) {
            head.headers.remove(&self.header);
        }
        Plan::Authorize { wishes, origin }
    }

    /// Puts the token into its header, unless the caller has set that: then it stays as it was, and this is false.
    #[inline(always)]
    pub(super) fn put(&self, headers: &mut HeaderMap, token: HeaderValue) -> bool {
        // Several values under one name are rare, and a replacement would lose all but the first.
        if headers.len() != headers.keys_len() && headers.contains_key(&self.header) {
            return false;
        }
        // One look-up for both: whether there is one, and where it goes. `entry` takes longer than this.
        match headers.insert(&self.header, token) {
            None => true,
            Some(own) => {
                headers.insert(&self.header, own);
                false
            }
        }
    }

    /// What becomes of a request that has the token's header already.
    #[cold]
    pub(super) fn plan_own(&self) -> Plan {
        if matches!(self.own_authorization, OwnAuthorization::Reject) {
            let why = format!("the request has a header `{}` of its own", self.header);
            return Plan::Fail(Error::new(ErrorKind::OwnAuthorization, why));
        }
        Plan::Bare
    }

    /// For a request that no token may go with, whatever its key; an error where it is a session's own token request.
    #[cold]
    fn send_bare(&self, head: &Parts) -> Plan {
        let extensions = &head.extensions;
        if extensions.get::<WithoutAuth>().is_some() {
            return Plan::Bare;
        }
        if extensions.get::<SessionId>().is_some() {
            let mut wishes = Wishes { chosen: None, renewal: false, replay: false };
            if let Err(error) = self.read(extensions, &mut wishes) {
                return Plan::Fail(error);
            }
        }
        let session = self.source.the_one().map(Session::name);
        self.foreign.tell(head, &self.origins, session);
        Plan::Bare
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
