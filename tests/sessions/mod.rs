//! Many users behind one layer: [`Sessions`].
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod crowd;
mod eviction;
mod keys;
mod logins;
mod logout;
mod shutdown;
mod sweeper;
mod token_endpoint;

use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_reauth::{Error, Origins, Reauth, ReauthLayer, ResponseBody, Session, Sessions};

type Answered = Result<Response<ResponseBody<Full<Bytes>>>, Error>;

/// What the server remembers of a login.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(String);

fn key(name: &str) -> Key {
    Key(name.to_owned())
}

/// Many users of one issuer and one resource server.
#[derive(Clone)]
struct Users {
    world: World,
    sessions: Sessions<Key>,
}

impl Users {
    fn new(world: World, sessions: Sessions<Key>) -> Self {
        Self { world, sessions }
    }

    /// A session that is told by its owner.
    fn session(&self, owner: &str) -> Session {
        Session::builder(self.world.kind.grant(&self.world.issuer, owner)).renewals_per_minute(None).build()
    }

    fn insert(&self, owner: &str) -> Option<Session> {
        self.sessions.insert(key(owner), self.session(owner))
    }

    fn api(&self) -> Reauth<Resource> {
        let origins = Origins::only(ORIGIN).expect("a valid origin");
        ReauthLayer::new(self.sessions.clone(), origins).layer(self.world.resource.clone())
    }

    async fn get(&self, owner: &str) -> Answered {
        self.api().oneshot(request_of(owner)).await
    }

    /// Whose token the last request carried.
    fn last_owner(&self) -> String {
        let token = self.world.resource.last().token().expect("a token").to_owned();
        self.world.issuer.owner_of(&token).expect("a token of the issuer's")
    }
}

/// A request with the key of its owner.
fn request_of(owner: &str) -> Request<Full<Bytes>> {
    let mut request = get("/orders");
    request.headers_mut().insert("x-owner", owner.parse().expect("a valid value"));
    request.extensions_mut().insert(key(owner));
    request
}

/// Lets everything that is ready run.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
