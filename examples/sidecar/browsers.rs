//! A browser on this machine reaches loopback, too, and a page in it is anybody's. No page gets a request through:
//! neither one that sends requests here, nor one whose name was made to lead here (DNS rebinding).

use std::net::IpAddr;

use http::{Request, header::HOST};

/// Browsers say it to loopback, and scripts can't change it.
const FETCH_SITE: &str = "sec-fetch-site";

/// Whether a page has sent this, and not the user or a program.
pub(crate) fn is_from_page<B>(request: &Request<B>) -> bool {
    request.headers().get(FETCH_SITE).is_some_and(|site| site != "none")
}

/// Whether the request names this machine by one of the names that every machine has for itself.
pub(crate) fn names_loopback<B>(request: &Request<B>) -> bool {
    let host = match request.uri().host() {
        Some(host) => Some(host.to_owned()),
        // HTTP/1.0 needs none, and no browser speaks it.
        None if !request.headers().contains_key(HOST) => return true,
        None => {
            let authority = request.headers().get(HOST).and_then(|host| host.to_str().ok()?.parse().ok());
            authority.map(|authority: http::uri::Authority| authority.host().to_owned())
        }
    };
    host.is_some_and(|host| {
        let host = host.trim_end_matches('.').trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    })
}
