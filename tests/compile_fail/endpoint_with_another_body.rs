//! A client with a request body of its own, given to `TokenEndpoint::new`.

use std::io;

use http::{Request, Response};
use tower::Service;
use tower_reauth::TokenEndpoint;

struct AxumBody;

fn endpoint<C>(client: C)
where
    C: Service<Request<AxumBody>, Response = Response<String>, Error = io::Error, Future: Send> + Clone + Send + 'static,
{
    let _ = TokenEndpoint::new(client, "https://gw.example/oauth2/token");
}

fn main() {}
