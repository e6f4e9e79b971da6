//! A client with a request body of its own, given to `TokenEndpoint::new`.

use std::{
    future::{Ready, ready},
    io,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::Service;
use tower_reauth::TokenEndpoint;

struct OwnBody;

#[derive(Clone)]
struct Client;

impl Service<Request<OwnBody>> for Client {
    type Response = Response<String>;
    type Error = io::Error;
    type Future = Ready<io::Result<Response<String>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<OwnBody>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}

fn main() {
    let _ = TokenEndpoint::new(Client, "https://gw.example/oauth2/token");
}
