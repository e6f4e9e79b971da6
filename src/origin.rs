//! Where a token may be sent (invariant 7).

use std::{fmt, net::IpAddr};

use http::{HeaderMap, Method, Uri, header::HOST, uri::Authority};

use crate::error::{Error, ErrorKind};

/// Scheme, host and port of a resource server ([RFC 6454 §4](https://www.rfc-editor.org/rfc/rfc6454#section-4)).
///
/// Two origins are equal if their schemes, their hosts in lower case, and their effective ports are equal.
///
/// ```
/// use tower_reauth::Origin;
///
/// let origin: Origin = "https://API.example".parse()?;
/// assert_eq!(origin, "https://api.example:443".parse()?);
/// assert_eq!(origin.to_string(), "https://api.example:443");
/// # Ok::<(), tower_reauth::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    // Of the scheme `https`; else it is `http`.
    encrypted: bool,
    host: Box<str>,
    port: u16,
    // As nearly every request writes it: with the port where that is not the default one.
    authority: Box<str>,
}

impl Origin {
    /// Whether nobody on the way can read what is sent there: encrypted, or this machine.
    pub(crate) fn is_encrypted_or_local(&self) -> bool {
        self.encrypted || self.is_loopback()
    }

    /// As it begins a URI: without a default port.
    #[cfg(feature = "dpop")]
    pub(crate) fn as_uri(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority)
    }

    fn scheme(&self) -> &'static str {
        if self.encrypted { "https" } else { "http" }
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether this is its host and port, in a URI or in a `Host` line.
    #[inline]
    fn is_at(&self, authority: &[u8]) -> bool {
        // Equal bytes are equal hosts, and nearly all are equal.
        authority == self.authority.as_bytes() || self.is_written_otherwise(authority)
    }

    /// The bytes as they stand are read, so that whatever is no plain `host`, `host:` or `host:port` matches nothing:
    /// userinfo, for one. What does match is a valid authority, since the host of an origin is valid.
    #[cold]
    fn is_written_otherwise(&self, authority: &[u8]) -> bool {
        let Some((host, port)) = authority.split_at_checked(self.host.len()) else { return false };
        host.eq_ignore_ascii_case(self.host.as_bytes())
            && match port {
                // An empty port means the default one (RFC 3986 §3.2.3).
                b"" | b":" => self.port == default_port(self.encrypted),
                [b':', digits @ ..] => {
                    let digits = str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit));
                    digits.is_some_and(|digits| digits.parse() == Ok(self.port))
                }
                _ => false,
            }
    }
}

impl std::str::FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // The text may hold userinfo, or a secret in its query: it is not repeated.
        let refuse = |why: &str| {
            Err(Error::new(ErrorKind::Invalid, format!("this is not an origin: {why}; write scheme://host[:port]")))
        };
        let Ok(uri) = text.parse::<Uri>() else { return refuse("it is not a URI") };
        let Some(encrypted) = uri.scheme_str().and_then(is_encrypted) else {
            return refuse("it must start with https:// or http://");
        };
        let Some(authority) = uri.authority() else { return refuse("it has no host") };
        if authority.as_str().contains('@') {
            return refuse("it must not hold a user name or a password");
        }
        if authority.host().is_empty() || has_bad_brackets(authority) || has_bad_port(authority) {
            return refuse("host or port are not valid");
        }
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") || text.contains('#') {
            return refuse("it must not have a path, a query or a fragment");
        }
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(default_port(encrypted));
        let authority = if port == default_port(encrypted) { host.clone() } else { format!("{host}:{port}") };
        Ok(Self { encrypted, host: host.into(), port, authority: authority.into() })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme(), self.host, self.port)
    }
}

/// The origins that a layer may send tokens to.
///
/// A request to any other origin is sent bare: without a token, and without a replay. These are sent bare, too:
/// a request whose `Host` header contradicts its URI, one with userinfo in its URI, and a `CONNECT`. Except for `CONNECT`, a
/// warning in the log says so once for each origin and reason, and names the listed ones. After the first 16 of a layer the line
/// is at DEBUG.
///
/// Plain `http` is refused unless the host is `localhost`, in 127.0.0.0/8, or `::1`. For other hosts use
/// [`danger_allow_plaintext`](Origins::danger_allow_plaintext) or
/// [`danger_plaintext_only`](Origins::danger_plaintext_only).
///
/// ```
/// use tower_reauth::Origins;
///
/// Origins::only("https://gw.example")?;
/// Origins::any_of(["https://gw.example", "https://files.example:8443"])?;
/// Origins::only("http://127.0.0.1:8080")?;
/// assert!(Origins::only("http://gw.example").is_err());
/// # Ok::<(), tower_reauth::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Origins {
    allowed: Vec<Origin>,
    // Where requests without an authority go: stated by the user, since no request shows it.
    bound: bool,
}

impl Origins {
    /// One origin.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the text is not an origin, or is plain `http` to a host other than this machine.
    pub fn only(origin: impl AsRef<str>) -> Result<Self, Error> {
        Self::any_of([origin])
    }

    /// Several origins.
    ///
    /// # Errors
    /// As [`only`](Origins::only), for the first text that fails. Also if there is no text at all.
    pub fn any_of(origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, Error> {
        let allowed =
            origins.into_iter().map(|origin| encrypted_or_local(origin.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if allowed.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "at least one origin is needed"));
        }
        Ok(Self { allowed, bound: false })
    }

    /// One origin, and your promise that the inner service sends every request there, whatever the URI says.
    ///
    /// Use it where requests have no authority: over `tonic::transport::Channel`, which adds it further down, or over a
    /// service that is bound to one host. If a request does name an authority, it must be this one. A channel replaces that
    /// authority by its own, so do not set another with `Endpoint::origin` or a generated client's `with_origin`.
    ///
    /// # Errors
    /// As [`only`](Origins::only).
    pub fn bound_to(origin: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self { bound: true, ..Self::only(origin)? })
    }

    /// One origin over plain `http`, for example inside a cluster. Anybody on the way can read the tokens sent there.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the text is not an origin.
    pub fn danger_plaintext_only(origin: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self { allowed: vec![origin.as_ref().parse()?], bound: false })
    }

    /// As [`danger_plaintext_only`](Origins::danger_plaintext_only), with the promise of [`bound_to`](Origins::bound_to).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the text is not an origin.
    pub fn danger_plaintext_bound_to(origin: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self { bound: true, ..Self::danger_plaintext_only(origin)? })
    }

    /// Also allows one origin over plain `http`. Anybody on the way can read the tokens sent there.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the text is not an origin.
    pub fn danger_allow_plaintext(mut self, origin: impl AsRef<str>) -> Result<Self, Error> {
        self.allowed.push(origin.as_ref().parse()?);
        Ok(self)
    }

    pub(crate) fn contains(&self, origin: &Origin) -> bool {
        self.allowed.contains(origin)
    }

    /// The origin with this number.
    pub(crate) fn get(&self, index: usize) -> Option<&Origin> {
        self.allowed.get(index)
    }

    /// The number of the origin that a request goes to, if a token may go there and its `Host` lines [`agree`](Self::agree).
    #[inline(always)]
    pub(crate) fn find(&self, method: &Method, uri: &Uri) -> Option<usize> {
        // A CONNECT speaks to a proxy, which must not see the token.
        if *method == Method::CONNECT {
            return None;
        }
        match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) => {
                let encrypted = is_encrypted(scheme)?;
                let authority = authority.as_str().as_bytes();
                self.allowed.iter().position(|origin| origin.encrypted == encrypted && origin.is_at(authority))
            }
            (None, None) if self.bound => Some(0),
            _ => None,
        }
    }

    /// Whether the `Host` line, where there is one, names this origin too.
    #[inline(always)]
    pub(crate) fn agree(&self, index: usize, headers: &HeaderMap) -> bool {
        // For as many headers as most requests have, a look at each name is cheaper than a look-up. Names alone: to find the
        // value in the same walk takes 11 instructions a header more.
        !headers.keys().any(|name| *name == HOST) || self.is_host_of(index, headers)
    }

    fn is_host_of(&self, index: usize, headers: &HeaderMap) -> bool {
        // It is the first line of most requests.
        let Some((_, host)) = headers.iter().find(|(name, _)| **name == HOST) else { return true };
        // Two Host lines: no telling which of them counts on the other side (RFC 9112 §3.2).
        let is_only_one = headers.keys_len() == headers.len() || headers.get_all(HOST).iter().nth(1).is_none();
        is_only_one && self.allowed.get(index).is_some_and(|origin| origin.is_at(host.as_bytes()))
    }
}

/// For people, so not more of them than one can read.
impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const READABLE: usize = 8;
        for (index, origin) in self.allowed.iter().take(READABLE).enumerate() {
            write!(f, "{}{origin}", if index == 0 { "" } else { ", " })?;
        }
        match self.allowed.len().saturating_sub(READABLE) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn encrypted_or_local(text: &str) -> Result<Origin, Error> {
    let origin: Origin = text.parse()?;
    if origin.is_encrypted_or_local() {
        return Ok(origin);
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!(
            "{origin} is not encrypted: use https, or allow it with `danger_allow_plaintext` or `danger_plaintext_only`"
        ),
    ))
}

/// By its text, which `http` writes in lower case: two values of its own type are compared by a call, and cost more.
#[inline]
fn is_encrypted(scheme: &str) -> Option<bool> {
    match scheme {
        "https" => Some(true),
        "http" => Some(false),
        _ => None,
    }
}

fn default_port(encrypted: bool) -> u16 {
    if encrypted { 443 } else { 80 }
}

/// Brackets stand around an IPv6 address and nowhere else (RFC 3986 §3.2.2); `Uri` takes `a[::1]`, too.
fn has_bad_brackets(authority: &Authority) -> bool {
    let host = authority.host();
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let rest = authority.as_str().strip_prefix(host);
    inside.contains(['[', ']']) || rest.is_none_or(|rest| !(rest.is_empty() || rest.starts_with(':')))
}

/// `host:` is allowed by the grammar (RFC 3986 §3.2.3), `host:99999` and `host:x` are not.
fn has_bad_port(authority: &Authority) -> bool {
    authority.port().is_none()
        && authority.as_str().rsplit('@').next().is_some_and(|rest| {
            let after_host = &rest[authority.host().len().min(rest.len())..];
            !(after_host.is_empty() || after_host == ":")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origins: &Origins, method: &str, uri: &str, hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        let found = origins.find(&method.parse().unwrap(), &uri.parse().unwrap());
        found.is_some_and(|origin| origins.agree(origin, &headers))
    }

    #[test]
    fn token_goes_only_to_the_same_scheme_host_and_port() {
        let origins = Origins::any_of(["https://gw.example", "http://127.0.0.1:8080"]).unwrap();
        for uri in
            ["https://gw.example/a?b", "https://GW.Example:443/", "https://gw.example:/", "http://127.0.0.1:8080/x"]
        {
            assert!(allows(&origins, "GET", uri, &[]), "{uri}");
        }
        for uri in [
            "http://gw.example/",
            "https://gw.example:8443/",
            "https://gw.example.evil.example/",
            "https://gw.examplex/",
            "https://gw.example:+443/",
            "https://gw.example:443x/",
            "https://gw.example:65979/",
            "https://gw.example:@evil.example/",
            "https://gw.example:443@evil.example/",
            "https://gw.example@evil.example/",
            "https://evil.example/",
            "https://gw.example./",
            "https://user@gw.example/",
            "https://user:pw@gw.example/",
            "https://evil.example@gw.example/",
            "http://127.0.0.1/",
            "/orders",
            "gw.example:443",
            "*",
        ] {
            assert!(!allows(&origins, "GET", uri, &[]), "{uri}");
        }
    }

    #[test]
    fn host_header_that_contradicts_the_uri_keeps_the_token_home() {
        let origins = Origins::only("https://gw.example").unwrap();
        assert!(allows(&origins, "GET", "https://gw.example/", &["gw.example"]));
        assert!(allows(&origins, "GET", "https://GW.example:443/", &["GW.example:443"]));
        for host in ["GW.example:443", "gw.example:443", "gw.example:", "GW.EXAMPLE"] {
            assert!(allows(&origins, "GET", "https://gw.example/", &[host]), "{host}");
            assert!(allows(&origins, "GET", "https://GW.example:443/", &[host]), "{host}");
        }
        for hosts in [
            &["evil.example"][..],
            &["gw.example:80"],
            &["gw.example:+443"],
            &["gw.example:443x"],
            &["gw.example:443@evil.example"],
            &["gw.example:@evil.example"],
            &["user@gw.example"],
            &["gw.example."],
            &["gw.example.evil.example"],
            &["gw.example/"],
            &["gw.example "],
            &["gw.exampl"],
            &["gw.example:44\u{fffd}"],
            &["evil.example", "gw.example"],
            &["gw.example", "evil.example"],
            &["gw.example", "gw.example"],
            &[""],
        ] {
            assert!(!allows(&origins, "GET", "https://gw.example/", hosts), "{hosts:?}");
        }
    }

    #[test]
    fn host_header_is_read_as_the_uri_is() {
        for (origin, uri, host) in [
            ("https://[2001:db8::1]", "https://[2001:db8::1]/", "[2001:db8::1]"),
            ("https://[2001:db8::1]", "https://[2001:DB8::1]/", "[2001:db8::1]:443"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443/", "[2001:DB8::1]:8443"),
            ("https://gw.example:8443", "https://gw.example:8443/", "GW.example:8443"),
            ("http://127.0.0.1", "http://127.0.0.1/", "127.0.0.1:80"),
        ] {
            let origins = Origins::only(origin).unwrap();
            assert!(allows(&origins, "GET", uri, &[host]), "{host}");
            // As a client names it whose requests have no authority of their own.
            let bound = Origins::bound_to(origin).unwrap();
            assert!(allows(&bound, "GET", "/", &[host]), "{host}");
        }
        for (origin, uri, host) in [
            ("https://[2001:db8::1]", "https://[2001:db8::1]/", "[2001:db8::2]"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]/", "2001:db8::1"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]/", "[2001:db8::1]:80"),
            ("https://gw.example:8443", "https://gw.example:8443/", "gw.example"),
            ("https://gw.example:8443", "https://gw.example:8443/", "gw.example:"),
            ("http://127.0.0.1", "http://127.0.0.1/", "127.0.0.1:443"),
        ] {
            let origins = Origins::only(origin).unwrap();
            assert!(!allows(&origins, "GET", uri, &[host]), "{host}");
            let bound = Origins::bound_to(origin).unwrap();
            assert!(!allows(&bound, "GET", "/", &[host]), "{host}");
        }
        // Of several listed origins it must be the one that the URI names.
        let two = Origins::any_of(["https://one.example", "https://two.example"]).unwrap();
        assert!(allows(&two, "GET", "https://two.example/", &["two.example"]));
        assert!(!allows(&two, "GET", "https://two.example/", &["one.example"]));
    }

    #[test]
    fn connect_goes_bare() {
        let origins = Origins::bound_to("https://gw.example").unwrap();
        assert!(!allows(&origins, "CONNECT", "gw.example:443", &[]));
        assert!(!allows(&origins, "CONNECT", "https://gw.example/", &[]));
    }

    #[test]
    fn only_bound_origins_allow_a_request_without_authority() {
        let bound = Origins::bound_to("https://gw.example").unwrap();
        assert!(allows(&bound, "GET", "/orders", &[]));
        assert!(allows(&bound, "GET", "/orders", &["gw.example"]));
        assert!(!allows(&bound, "GET", "/orders", &["evil.example"]));
        assert!(!allows(&bound, "GET", "https://evil.example/orders", &[]));
    }

    #[test]
    fn plaintext_is_refused_beyond_this_machine() {
        for origin in ["http://127.0.0.1", "http://127.8.9.1:81", "http://[::1]:8080", "http://localhost:3000"] {
            assert!(Origins::only(origin).is_ok(), "{origin}");
        }
        for origin in ["http://gw.example", "http://localhost.evil.example", "http://10.0.0.1", "http://[::2]"] {
            let error = Origins::only(origin).unwrap_err();
            assert!(error.to_string().contains("danger_allow_plaintext"), "{error}");
        }
        let told = Origins::only("https://gw.example").unwrap().danger_allow_plaintext("http://gw.example").unwrap();
        assert!(allows(&told, "GET", "http://gw.example/", &[]));
        assert!(!allows(&told, "GET", "http://other.example/", &[]));
        let only = Origins::danger_plaintext_only("http://gw.example").unwrap();
        assert!(allows(&only, "GET", "http://gw.example/", &[]));
        assert!(!allows(&only, "GET", "https://gw.example/", &[]));
        assert!(!allows(&only, "GET", "/", &[]));
        let bound = Origins::danger_plaintext_bound_to("http://gw.example").unwrap();
        assert!(allows(&bound, "GET", "/", &[]));
    }

    #[test]
    fn what_is_no_origin_is_refused_and_its_userinfo_not_repeated() {
        for text in [
            "",
            "gw.example",
            "ftp://gw.example",
            "https://",
            "https://gw.example/path",
            "https://gw.example?x=hunter2",
            "https://bob:hunter2@gw.example",
            "https://gw.example:99999",
            "https://gw.example:x",
            "https://a[::1]:9",
            "https://[::1]a:9",
            "https://gw.example/#f",
            "ht tp://bob:hunter2@x",
        ] {
            let error = text.parse::<Origin>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert!(Origins::any_of([""; 0]).is_err());
    }
}
