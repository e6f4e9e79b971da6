//! A request body that the layer can't send again, in a call by method.

use http::{Request, Response};
use tower::{Layer, Service};
use tower_reauth::{Origins, ReauthLayer, Session};

struct Foreign;

fn orders<C>(client: C, session: Session, origins: Origins)
where
    C: Service<Request<Foreign>, Response = Response<String>, Error = std::io::Error> + Clone,
{
    let mut api = ReauthLayer::new(session, origins).layer(client);
    let _ = api.call(Request::new(Foreign));
}

fn main() {}
