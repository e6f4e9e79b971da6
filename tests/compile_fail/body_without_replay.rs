//! A request body that the layer can't send again.

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{Origins, ReauthLayer, Session};

struct Foreign;

fn orders<C>(client: C, session: Session, origins: Origins)
where
    C: Service<Request<Foreign>, Response = Response<String>, Error = std::io::Error> + Clone,
{
    let api = ReauthLayer::new(session, origins).layer(client);
    let _ = ServiceExt::oneshot(api, Request::new(Foreign));
}

fn main() {}
