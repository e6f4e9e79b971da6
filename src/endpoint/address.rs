//! Where an endpoint is: a URI that secrets may be sent to.

use std::fmt;

use http::{Uri, uri::Scheme};

use crate::{
    error::{Error, ErrorKind},
    origin::Origin,
};

/// An absolute URI without userinfo and fragment, encrypted or on this machine; elsewhere only where the user says that something
/// else encrypts.
///
/// `Display` leaves out the query, which may hold a key of the gateway.
#[derive(Clone)]
pub(super) struct Address {
    uri: Uri,
    origin: Origin,
}

/// Where the requests to one server go.
pub(super) struct Addresses {
    pub(super) token: Address,
    pub(super) revocation: Option<Address>,
}

impl Address {
    /// Checks the text of a URI.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], as [`check`](Address::check) says.
    pub(super) fn new(text: &str) -> Result<Self, Error> {
        Self::check(text, "`TokenEndpoint::danger_plaintext`").map_err(invalid)
    }

    /// As [`new`](Address::new), for a plain one as well.
    pub(super) fn danger_plaintext(text: &str) -> Result<Self, Error> {
        Self::read(text).map_err(invalid)
    }

    /// Another address of the same server, as the user gives it.
    pub(super) fn beside(&self, text: &str) -> Result<Self, Error> {
        self.check_beside(text).map_err(invalid)
    }

    /// Checks the text of a URI.
    ///
    /// # Errors
    /// Says why, and names what lifts it for a plain one. It repeats nothing but scheme, host and port, and these only without
    /// userinfo.
    pub(super) fn check(text: &str, remedy: &str) -> Result<Self, String> {
        let address = Self::read(text)?;
        let origin = &address.origin;
        if !origin.is_encrypted_or_local() {
            return Err(format!(
                "is at {origin}, which is not encrypted: use https, or {remedy} where something else encrypts"
            ));
        }
        Ok(address)
    }

    /// Checks another address of this server: it is plain, and not of this machine, only where this one is, and at its origin.
    ///
    /// # Errors
    /// As [`check`](Address::check).
    pub(super) fn check_beside(&self, text: &str) -> Result<Self, String> {
        let address = Self::read(text)?;
        let origin = &address.origin;
        if origin.is_encrypted_or_local() || *origin == self.origin {
            return Ok(address);
        }
        let allowed = if self.origin.is_encrypted_or_local() {
            String::new()
        } else {
            format!(" anywhere but at {}", self.origin)
        };
        Err(format!("is at {origin}, which is not encrypted: use https{allowed}"))
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let invalid = Err;
        // `Uri` drops a fragment without a word, so the text is asked.
        if text.contains('#') {
            return invalid("holds a fragment, which RFC 6749 §3.2 forbids".into());
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return invalid("is not a URI; write https://host/path".into());
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return invalid("has no scheme or no host; write https://host/path".into());
        };
        if authority.as_str().contains('@') {
            return invalid("holds a user name or a password; a client's secret goes to `client_auth`".into());
        }
        let Ok(origin) = format!("{scheme}://{authority}").parse::<Origin>() else {
            return invalid(format!("starts with {scheme}://{authority}, which is no http or https origin"));
        };
        Ok(Self { uri, origin })
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host, and the port where it is not the scheme's own.
    pub(super) fn host(&self) -> &str {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let port = if self.uri.scheme() == Some(&Scheme::HTTP) { ":80" } else { ":443" };
        authority.strip_suffix(port).unwrap_or(authority)
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::Invalid, format!("the endpoint's address {why}"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{scheme}://{authority}{}", self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_that_would_leak_secrets_is_refused_and_not_repeated() {
        for text in [
            "http://gw.example/token",
            "http://localhost.evil.example/token",
            "http://10.0.0.1/token",
            "http://[::2]/token",
            "https://bob:hunter2@gw.example/token",
            "https://hunter2@gw.example/token",
            "https://gw.example/token#hunter2",
            "https://gw.example:99999/token",
            "ftp://gw.example/token?hunter2",
            "https:///token",
            "https://",
            "gw.example",
            "gw.example:443",
            "/token",
            "*",
            "",
            "https://bob:hunter2@gw example/",
        ] {
            let error = Address::new(text).err().unwrap_or_else(|| panic!("{text} passed"));
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn plain_address_is_taken_where_the_user_says_so_and_beside_itself_alone() {
        let error = Address::new("http://keycloak:8080/token").err().unwrap();
        assert!(error.to_string().contains("`TokenEndpoint::danger_plaintext`"), "{error}");
        let plain = Address::danger_plaintext("http://keycloak:8080/token").unwrap();
        let encrypted = Address::danger_plaintext("https://keycloak/token").unwrap();
        let local = Address::new("http://localhost:8080/token").unwrap();
        for (other, beside_plain, beside_others) in [
            ("http://keycloak:8080/revoke", true, false),
            ("http://KEYCLOAK:8080/revoke?a=b", true, false),
            ("https://elsewhere.example/revoke", true, true),
            ("http://127.0.0.1/revoke", true, true),
            ("http://keycloak/revoke", false, false),
            ("http://elsewhere:8080/revoke", false, false),
            ("http://bob@keycloak:8080/revoke", false, false),
            ("http://keycloak:8080/revoke#a", false, false),
        ] {
            assert_eq!(plain.beside(other).is_ok(), beside_plain, "{other}");
            assert_eq!(encrypted.beside(other).is_ok(), beside_others, "{other}");
            assert_eq!(local.beside(other).is_ok(), beside_others, "{other}");
        }
        for text in ["http://bob:hunter2@gw/token", "http://gw/token#hunter2", "ftp://gw/token", "gw"] {
            assert!(Address::danger_plaintext(text).is_err(), "{text}");
        }
    }

    #[test]
    fn encrypted_and_local_addresses_are_taken_and_shown_without_query() {
        for (text, shown) in [
            ("https://gw.example/oauth2/token?key=hunter2", "https://gw.example/oauth2/token"),
            ("https://gw.example:8443", "https://gw.example:8443/"),
            ("http://127.8.9.1:81/token", "http://127.8.9.1:81/token"),
            ("http://[::1]:8080/token", "http://[::1]:8080/token"),
            ("http://localhost/token", "http://localhost/token"),
        ] {
            assert_eq!(Address::new(text).unwrap().to_string(), shown);
        }
        for (text, host) in [
            ("https://gw.example/token", "gw.example"),
            ("https://gw.example:443/token", "gw.example"),
            ("https://gw.example:80/token", "gw.example:80"),
            ("http://localhost:80/token", "localhost"),
            ("http://[::1]:8080/token", "[::1]:8080"),
        ] {
            assert_eq!(Address::new(text).unwrap().host(), host);
        }
        assert_eq!(Address::new("https://gw.example/token?key=1").unwrap().uri().query(), Some("key=1"));
    }
}
