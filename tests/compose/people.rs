//! Case 58: how the layer sits in people's code. Most of these claims hold as soon as they compile.

use std::{error::Error as StdError, sync::LazyLock};

use axum::{Router, extract::State, routing};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{
    buffer::Buffer,
    util::{BoxCloneService, BoxCloneSyncService, MapErr},
};
use tower_reauth::{Error, ResponseBody, TokenSet, grant_fn};

use super::*;

type Hyper = Client<HttpConnector, Full<Bytes>>;

fn layer() -> ReauthLayer {
    let session = Session::new(grant_fn(|_context| async { TokenSet::new("a-token") }));
    ReauthLayer::new(session, Origins::only(ORIGIN).expect("a valid origin"))
}

fn hyper() -> Hyper {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn with_anyhow(api: &Reauth<Resource>) -> anyhow::Result<u16> {
    let response = api.clone().oneshot(get("/orders")).await?;
    Ok(response.status().as_u16())
}

async fn with_boxed_error(api: &Reauth<Resource>) -> Result<u16, Box<dyn StdError + Send + Sync>> {
    let response = api.clone().oneshot(get("/orders")).await?;
    Ok(response.status().as_u16())
}

async fn with_plain_boxed_error(api: &Reauth<Resource>) -> Result<u16, Box<dyn StdError>> {
    let response = api.clone().oneshot(get("/orders")).await?;
    Ok(response.status().as_u16())
}

#[tokio::test(start_paused = true)]
async fn errors_pass_through_the_question_mark_and_are_found_again() {
    let world = World::new(Kind::Password);
    let api = world.api();
    assert_eq!(with_anyhow(&api).await.unwrap(), 200);
    assert_eq!(with_boxed_error(&api).await.unwrap(), 200);
    assert_eq!(with_plain_boxed_error(&api).await.unwrap(), 200);
    world.session.forget();
    let kind = |error: &(dyn StdError + 'static)| Error::find(error).map(Error::kind);
    let error = with_anyhow(&api).await.unwrap_err().context("the orders can't be shown");
    assert_eq!(kind(error.as_ref()), Some(ErrorKind::LoggedOut));
    assert_eq!(kind(&*with_boxed_error(&api).await.unwrap_err()), Some(ErrorKind::LoggedOut));
    assert_eq!(kind(&*with_plain_boxed_error(&api).await.unwrap_err()), Some(ErrorKind::LoggedOut));
}

#[derive(Clone)]
struct App {
    api: Reauth<Resource>,
    _hyper: Reauth<Hyper>,
}

async fn orders(State(app): State<App>) -> Result<String, String> {
    let response = app.api.oneshot(get("/orders")).await.map_err(|error| error.to_string())?;
    Ok(text(response).await)
}

#[tokio::test(start_paused = true)]
async fn the_client_sits_in_the_state_of_axum() {
    let world = World::new(Kind::ClientCredentials);
    let app = App { api: world.api(), _hyper: layer().layer(hyper()) };
    let router: Router = Router::new().route("/", routing::get(orders)).with_state(app);
    let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
    assert_eq!(text(router.oneshot(request).await.unwrap()).await, "accepted");
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);
static API: LazyLock<Reauth<Resource>> = LazyLock::new(|| {
    let session = Session::new(Kind::Password.grant(&ISSUER, USERNAME));
    let layer = ReauthLayer::new(session, Origins::only(ORIGIN).expect("a valid origin"));
    layer.layer(Resource::new(&ISSUER))
});
static _HYPER: LazyLock<Reauth<Hyper>> = LazyLock::new(|| layer().layer(hyper()));

#[tokio::test(start_paused = true)]
async fn the_client_is_a_static() {
    assert_eq!(API.clone().oneshot(get("/orders")).await.unwrap().status(), 200);
    assert_eq!(ISSUER.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_client_is_boxed() {
    let world = World::new(Kind::RefreshToken);
    let sync: BoxCloneSyncService<Request<Full<Bytes>>, _, _> = BoxCloneSyncService::new(world.api());
    let not_sync: BoxCloneService<Request<Full<Bytes>>, _, _> = BoxCloneService::new(world.api());
    assert_eq!(sync.oneshot(get("/orders")).await.unwrap().status(), 200);
    assert_eq!(not_sync.oneshot(get("/orders")).await.unwrap().status(), 200);
    assert_eq!(world.issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_layer_wraps_boxed_and_buffered_services() {
    let world = World::new(Kind::Custom);
    let boxed: BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, std::io::Error> =
        BoxCloneService::new(world.resource.clone());
    let erased: BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError> =
        BoxCloneService::new(MapErr::new(world.resource.clone(), BoxError::from));
    let buffered = Buffer::new(world.resource.clone(), 8);
    // Spawned: the futures are `Send`, though these services are not `Sync`.
    let answers = [
        tokio::spawn(world.layer().layer(boxed).oneshot(get("/orders"))).await.unwrap(),
        tokio::spawn(world.layer().layer(erased).oneshot(get("/orders"))).await.unwrap(),
        tokio::spawn(world.layer().layer(buffered).oneshot(get("/orders"))).await.unwrap(),
    ];
    assert!(answers.into_iter().all(|answer| answer.unwrap().status() == 200));
}

fn is_send<T: Send + 'static>(value: T) -> T {
    value
}

fn is_sync<T: Sync>(value: T) -> T {
    value
}

#[tokio::test]
async fn futures_and_services_over_hyper_can_be_shared() {
    // Built and never polled: nothing is sent.
    let mut api = is_send(is_sync(layer().layer(hyper())));
    drop(is_send(is_sync(api.call(get("/orders")))));
    let boxed = BoxCloneSyncService::new(api.clone());
    drop(is_send(boxed.oneshot(get("/orders"))));
    // Asks for futures that are `Sync`.
    let by_builder = ServiceBuilder::new().boxed_clone_sync().layer(layer()).service(hyper());
    drop(is_send(by_builder.oneshot(get("/orders"))));
    drop(is_send(api.oneshot(get("/orders"))));
}

fn named(
    api: Reauth<Resource>,
) -> impl Service<Request<Full<Bytes>>, Response = Response<ResponseBody<Full<Bytes>>>, Error = Error> + Clone {
    api
}

#[tokio::test(start_paused = true)]
async fn request_response_and_error_can_be_named() {
    let world = World::new(Kind::Password);
    assert_eq!(named(world.api()).oneshot(get("/orders")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_cannot_fail_is_wrapped_as_it_is() {
    let inner =
        tower::service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    assert_eq!(layer().layer(inner).oneshot(get("/orders")).await.unwrap().status(), 200);
}
