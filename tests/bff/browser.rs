//! The server in this process, and a browser's part: it keeps one cookie and follows no redirect.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    response::Response,
};
use http::{
    HeaderMap, Request, StatusCode,
    header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE},
};
use tower::ServiceExt;

use crate::{
    app::App,
    arguments::LoginKind,
    cookie_store::CookieStore,
    instances::Tokens,
    router::router,
    story::Story,
    support::{self, Options, Regime, Running},
    target::Target,
};

pub(crate) const PASSWORD: &str = "wonderland";

pub(crate) struct Bff {
    pub(crate) app: Arc<App>,
    pub(crate) gateway: Arc<Running>,
    router: Router,
}

pub(crate) struct Browser {
    router: Router,
    address: IpAddr,
    pub(crate) cookie: Option<String>,
    /// Every `Set-Cookie` that came.
    pub(crate) set: Vec<String>,
}

/// An answer that was read to its end.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Bff {
    pub(crate) async fn start(login: LoginKind) -> Self {
        Self::with(login, |_| {}).await
    }

    /// Two instances before one gateway. They share the cookies and the tokens.
    pub(crate) async fn two(login: LoginKind, tokens: &Tokens) -> [Self; 2] {
        let gateway = Arc::new(gateway().await);
        let cookies = CookieStore::default();
        [(); 2].map(|()| Self::before(&gateway, target(&gateway, login), Some(tokens.clone()), cookies.clone()))
    }

    /// With a target that is changed before the server sees it.
    pub(crate) async fn with(login: LoginKind, change: impl FnOnce(&mut Target)) -> Self {
        let gateway = Arc::new(gateway().await);
        let mut target = target(&gateway, login);
        change(&mut target);
        Self::before(&gateway, target, None, CookieStore::default())
    }

    fn before(gateway: &Arc<Running>, target: Target, tokens: Option<Tokens>, cookies: CookieStore) -> Self {
        let app = App::new(target, Arc::new(Story::default()), tokens).unwrap();
        let router = router(app.clone(), cookies).unwrap();
        Self { app, gateway: gateway.clone(), router }
    }

    pub(crate) fn browser(&self) -> Browser {
        self.browser_at(Ipv4Addr::LOCALHOST.into())
    }

    pub(crate) fn browser_at(&self, address: IpAddr) -> Browser {
        Browser { router: self.router.clone(), address, cookie: None, set: Vec::new() }
    }

    /// A browser that alice is logged in at.
    pub(crate) async fn alice(&self) -> Browser {
        let mut browser = self.browser();
        let page = browser.log_in("alice", PASSWORD).await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/"), "{}", page.text);
        browser
    }

    /// What the gateway's page sends the browser back with, when alice logs in there.
    pub(crate) async fn consent(&self, address: &str) -> String {
        let (_, query) = address.split_once("/oauth2/authorize?").unwrap();
        let form = format!("{query}&decision=allow&username=alice&password={PASSWORD}");
        let request = Request::post("/oauth2/authorize").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let router = self.gateway.gateway().router();
        let response = router.oneshot(request.body(Body::from(form)).unwrap()).await.unwrap();
        let address = response.headers()[LOCATION].to_str().unwrap();
        address.strip_prefix("http://localhost:3000").unwrap().to_owned()
    }
}

impl Browser {
    /// Sends what follows to this instance.
    pub(crate) fn goes_to(&mut self, bff: &Bff) -> &mut Self {
        self.router = bff.router.clone();
        self
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path), "").await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &str) -> Page {
        let request = Request::post(path).header("sec-fetch-site", "same-origin");
        self.send(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"), form).await
    }

    pub(crate) async fn log_in(&mut self, user: &str, password: &str) -> Page {
        self.post("/login", &format!("username={user}&password={password}")).await
    }

    pub(crate) async fn send(&mut self, request: http::request::Builder, body: &str) -> Page {
        let response = self.open(request, body).await;
        let (parts, body) = response.into_parts();
        let text = to_bytes(body, 1 << 20).await.unwrap();
        Page { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// An answer whose body is still on its way.
    pub(crate) async fn open(&mut self, mut request: http::request::Builder, body: &str) -> Response {
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, format!("__Host-orchard={cookie}"));
        }
        let request =
            request.header("host", "localhost:3000").extension(ConnectInfo(SocketAddr::new(self.address, 50_000)));
        let response = self.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        for set in response.headers().get_all(SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (value, flags) = set.strip_prefix("__Host-orchard=").unwrap().split_once(';').unwrap();
            // As browsers do, which this name tells to look at the flags.
            if flags.contains("Secure") {
                self.cookie = Some(value.to_owned());
                self.set.push(set.to_owned());
            }
        }
        response
    }
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |address| address.to_str().unwrap())
    }
}

async fn gateway() -> Running {
    let options = Options::new(Regime::Jwt)
        .user("alice", PASSWORD)
        .user("bob", "builder")
        .client("orchard", "the client's secret")
        .redirect_uri("orchard", "http://localhost:3000/callback");
    support::start(options).await.unwrap()
}

fn target(gateway: &Running, login: LoginKind) -> Target {
    Target::before(gateway, login, "http://localhost:3000".to_owned())
}
