//! The protected resource, and those who call it.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Empty;
use shuttle::future::yield_now;
use tower_layer::Layer;
use tower_reauth::{ErrorKind, Origins, Reauth, ReauthLayer, Session};
use tower_service::Service;

use crate::world::{Call, Issued, World};

type Body = Empty<Bytes>;

/// Takes tokens that are not revoked.
#[derive(Clone, Debug)]
pub struct Api {
    world: World,
    ended: u64,
}

/// One who calls: a service of its own, with its own copy of the token.
#[derive(Clone, Debug)]
pub struct Caller {
    world: World,
    service: Reauth<Api>,
}

/// How a call ended.
pub type Outcome = Result<StatusCode, ErrorKind>;

impl Caller {
    pub fn new(world: &World, session: &Session) -> Self {
        let origins = Origins::only("https://api.example").expect("this is an origin");
        let api = Api { world: world.clone(), ended: 0 };
        Self { world: world.clone(), service: ReauthLayer::new(session.clone(), origins).layer(api) }
    }

    pub async fn call(&mut self) -> Outcome {
        poll_fn(|cx| self.service.poll_ready(cx)).await.map_err(|error| error.kind())?;
        let call = self.world.begin_call();
        let mut request = Request::new(Body::new());
        *request.uri_mut() = http::Uri::from_static("https://api.example/orders");
        request.extensions_mut().insert(call.clone());
        let response = self.service.call(request).await.map_err(|error| error.kind())?;
        if response.status() == StatusCode::OK {
            self.world.answered(&call);
        }
        Ok(response.status())
    }
}

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ended = self.world.ended_by_now();
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let header = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer ")).and_then(Issued::parse);
        let token = token.expect("a request carries a token");
        let call = request.extensions().get::<Call>().expect("a request says which call it is for");
        self.world.send(call, token, self.ended);
        let world = self.world.clone();
        Box::pin(async move {
            yield_now().await;
            let mut response = Response::new(Body::new());
            if world.is_revoked(token) {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Ok(response)
        })
    }
}
