//! What becomes of a request before anything is sent: whose it is, and whether a token may go with it.

use http::Request;

use crate::{
    Error, ErrorKind, ForceRenewal, NoReplay, OwnAuthorization, WithoutAuth, events, identity::SessionId,
    layer::Config, session::Session, sessions::Choice,
};

/// What the layer does with a request, before anything is sent.
pub(crate) enum Plan {
    /// Goes through as it is.
    Bare,
    Authorize {
        // Among many; none where the layer has one session.
        chosen: Option<Session>,
        origin: usize,
        renewal: bool,
        replay: bool,
    },
    Fail(Error),
}

impl Config {
    /// Decides what becomes of a request; takes the caller's own header away where that is to be replaced.
    pub(crate) fn plan<B>(&self, request: &mut Request<B>) -> Plan {
        let (mut renewal, mut replay) = (false, self.max_replays > 0);
        let extensions = request.extensions();
        let mut token_request_of = None;
        if !extensions.is_empty() {
            if extensions.get::<WithoutAuth>().is_some() {
                return Plan::Bare;
            }
            renewal = extensions.get::<ForceRenewal>().is_some();
            replay = replay && extensions.get::<NoReplay>().is_none();
            token_request_of = extensions.get::<SessionId>();
        }
        let chosen = match self.selector.choose(extensions) {
            Ok(chosen) => chosen,
            Err(_) if token_request_of.is_some() => return Plan::Fail(own_token_request()),
            Err(error) => return Plan::Fail(error),
        };
        if let Some(id) = token_request_of
            && self.selector.is(&chosen, *id)
        {
            return Plan::Fail(own_token_request());
        }
        let chosen = match chosen {
            Choice::TheOne => None,
            Choice::Among(session) => Some(session),
            Choice::Nobody => {
                events::withheld("the request says of nobody that it is theirs");
                return Plan::Bare;
            }
        };
        // Invariant 7: tokens stay home.
        let Some(origin) = self.origins.find(request.method(), request.uri(), request.headers()) else {
            events::withheld("the request goes to an origin that is not allowed, or does not say where it goes");
            return Plan::Bare;
        };
        if request.headers().contains_key(&self.header) {
            match self.own_authorization {
                OwnAuthorization::Keep => return Plan::Bare,
                OwnAuthorization::Replace => drop(request.headers_mut().remove(&self.header)),
                OwnAuthorization::Reject => {
                    return Plan::Fail(Error::new(
                        ErrorKind::OwnAuthorization,
                        "the request carries an authorization header of its own",
                    ));
                }
            }
        }
        Plan::Authorize { chosen, origin, renewal, replay }
    }
}

fn own_token_request() -> Error {
    Error::new(ErrorKind::SelfAuthorization, "a session was asked to authorize its own token request")
}
