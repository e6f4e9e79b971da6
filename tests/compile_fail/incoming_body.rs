//! The body of an inbound request, handed on as it is.

use http::{Request, Response};
use hyper::body::Incoming;
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{Origins, ReauthLayer, Session};

fn forward<C>(client: C, session: &Session, origins: Origins, inbound: Request<Incoming>)
where
    C: Service<Request<Incoming>, Response = Response<String>, Error = std::io::Error> + Clone,
{
    let api = ReauthLayer::new(session, origins).layer(client);
    let _ = ServiceExt::oneshot(api, inbound);
}

fn main() {}
