//! What tells the requests to one origin apart, so that one route that rejects every token is not mistaken for all of them.

use std::hash::{DefaultHasher, Hash, Hasher};

use http::Request;

/// Method and path of a request, as one of 64 numbers: two routes may share one, and then share what is thought of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route(u8);

impl Route {
    /// Of a request that nothing was kept of.
    pub(crate) const UNKNOWN: Self = Self(0);

    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self::new(request.method().as_str().as_bytes(), request.uri().path().as_bytes())
    }

    /// The query is left out, whether it stands at the end of this target or not.
    pub(crate) fn new(method: &[u8], target: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        (method, target.split(|byte| *byte == b'?').next()).hash(&mut hasher);
        Self((hasher.finish() % 63) as u8 + 1)
    }

    /// This route alone, in a set of them.
    pub(crate) fn bit(self) -> u64 {
        1 << self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_differ_by_method_and_path_and_not_by_query() {
        let route = |method: &str, target: &str| Route::new(method.as_bytes(), target.as_bytes());
        assert_eq!(route("GET", "/orders?page=1"), route("GET", "/orders"));
        assert_ne!(route("GET", "/orders"), route("POST", "/orders"));
        assert_ne!(route("GET", "/orders"), route("GET", "/orders/1"));
        let request = Request::get("https://api.example/orders?page=1").body(()).unwrap();
        assert_eq!(Route::of(&request), route("GET", "/orders"));
        assert!((0..1_000).all(|id| route("GET", &format!("/{id}")).bit() > Route::UNKNOWN.bit()));
    }
}
