//! An authorization server with a token endpoint and an address for revocations.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use shuttle::future::yield_now;
use tower::service_fn;
use tower_reauth::{PasswordGrant, TokenEndpoint};

use crate::world::{Issued, World};

/// A grant of the first login.
pub fn password_grant(world: &World) -> PasswordGrant {
    let world = world.clone();
    let server = service_fn(move |request| answer(world.clone(), request));
    let endpoint = TokenEndpoint::new(server, "https://login.example/token").expect("this is an address");
    let endpoint = endpoint.revocation("https://login.example/revoke").expect("this is an address");
    PasswordGrant::new(endpoint, "alice", "password")
}

async fn answer(world: World, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if head.uri.path() == "/revoke" {
        yield_now().await;
        let form = String::from_utf8_lossy(&body);
        let token = form.split('&').find_map(|field| field.strip_prefix("token=")).and_then(Issued::parse);
        world.revoke(token.expect("a revocation names a token"));
        return Ok(Response::default());
    }
    let token = world.request_token(1).await;
    Ok(Response::new(format!(r#"{{"access_token":"{token}","token_type":"Bearer"}}"#).into()))
}
