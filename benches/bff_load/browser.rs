//! A browser at one connection: it logs in, and calls the API with its cookie.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, REFERER, SET_COOKIE,
        USER_AGENT,
    },
};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;

/// What says whose request it is.
pub(crate) type Cookie = HeaderValue;

pub(crate) struct Browser {
    connection: SendRequest<Full<Bytes>>,
    host: String,
}

impl Browser {
    /// A connection from this address, which the throttle of logins counts by: all of 127.0.0.0/8 is the machine itself.
    pub(crate) async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Its end shows at the next request.
        tokio::spawn(driver);
        Ok(Self { connection, host: to.to_string() })
    }

    /// Sends the form, and gives back the cookie that comes for it.
    pub(crate) async fn log_in(&mut self, user: &str, password: &str) -> anyhow::Result<Cookie> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("username", user)
            .append_pair("password", password)
            .finish();
        let request = self
            .request(Method::POST, "/login")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form))?;
        let response = self.connection.send_request(request).await?;
        let cookie = response.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let home = response.headers().get(LOCATION).is_some_and(|location| location == "/");
        match cookie {
            Some(cookie) if home => Ok(HeaderValue::from_str(cookie)?),
            _ => anyhow::bail!("{user} can't log in: {}", told(response).await?),
        }
    }

    /// Looks at the orders.
    pub(crate) async fn look(&mut self, cookie: &Cookie) -> anyhow::Result<()> {
        let request = self.request(Method::GET, "/api/orders").header(COOKIE, cookie).body(Full::default())?;
        let response = self.connection.send_request(request).await?;
        anyhow::ensure!(response.status() == StatusCode::OK, "GET: {}", told(response).await?);
        response.into_body().collect().await?;
        Ok(())
    }

    /// Places an order. What comes back must be the order.
    pub(crate) async fn order(&mut self, cookie: &Cookie, order: Bytes) -> anyhow::Result<()> {
        let request = self
            .request(Method::POST, "/api/orders")
            .header(COOKIE, cookie)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(order.clone()))?;
        let response = self.connection.send_request(request).await?;
        anyhow::ensure!(response.status() == StatusCode::CREATED, "POST: {}", told(response).await?);
        let echo = response.into_body().collect().await?.to_bytes();
        anyhow::ensure!(echo == order, "another order came back");
        Ok(())
    }

    /// With the headers that browsers send from a page of the same origin.
    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let host = &self.host;
        let request = Request::builder()
            .uri(path)
            .header(HOST, host)
            .header(USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
            .header(ACCEPT, "*/*")
            .header(ACCEPT_LANGUAGE, "en-GB,en;q=0.7,de;q=0.3")
            .header(ACCEPT_ENCODING, "gzip, deflate, br, zstd")
            .header(REFERER, format!("http://{host}/"))
            .header(HeaderName::from_static("sec-fetch-dest"), "empty")
            .header(HeaderName::from_static("sec-fetch-mode"), "cors")
            .header(HeaderName::from_static("sec-fetch-site"), "same-origin");
        let request = if method == Method::GET { request } else { request.header(ORIGIN, format!("http://{host}")) };
        request.method(method)
    }
}

/// What a response says, for people.
async fn told(response: Response<hyper::body::Incoming>) -> Result<String, hyper::Error> {
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(format!("{status}, {}", String::from_utf8_lossy(&body)))
}
