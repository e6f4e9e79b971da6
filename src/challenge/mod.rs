//! Reads `WWW-Authenticate` ([RFC 9110 §11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1)) the way servers really send it.
//!
//! [`parse`] is what the classifiers of this crate read challenges with. Use it in a [`Classify`](crate::Classify) of your own, or
//! to find out from an API's answer where to log in:
//!
//! ```
//! use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
//! use tower_reauth::challenge;
//!
//! let line = r#"Negotiate oYGeMIGboAMKAQCh, Bearer scope="files:read", resource_metadata="https://api.example/metadata""#;
//! let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_static(line))]);
//!
//! let challenges = challenge::parse(&headers);
//! assert_eq!(challenges[0].token68(), Some("oYGeMIGboAMKAQCh"));
//! let bearer = challenges.iter().find(|challenge| challenge.is("Bearer")).expect("there is one");
//! assert_eq!(bearer.parameter("scope"), Some("files:read"));
//! assert_eq!(bearer.parameter("resource_metadata"), Some("https://api.example/metadata"));
//! ```
//!
//! # Rules
//! What keeps to the grammar is read as the RFC says. But gateways slip: they join challenges with a space, forget commas and
//! quotes, or send `null` before the scheme. So the parser never gives up. It takes what it understands, and drops the rest:
//!
//! 1. A word before `=` is a parameter of the challenge that is open; without one it belongs to nobody.
//! 2. Any other word opens a challenge, unless it runs on from an unquoted value (`error_description=Invalid request`). Each line
//!    opens challenges of its own.
//! 3. A single word after a scheme, before a comma or the end, is the scheme's token68. If it is the name of a scheme, such as
//!    `Bearer`, it opens a challenge: `Negotiate Bearer` are two. In `Bearer realm=, error=..` it is a parameter without a value.
//! 4. What can't be a scheme or a parameter's name is skipped. A quote that stays open ends the line. Bytes that are not UTF-8
//!    become U+FFFD.
//! 5. 8 KiB of all lines together and 16 challenges are read.
//!
//! # What it does not do
//! It fetches nothing, `resource_metadata` least of all, and trusts nothing: what a challenge says is the word of whoever
//! answered. It reads no `Proxy-Authenticate`.

mod about;
pub(crate) mod bearer;
mod claims;
pub(crate) mod classify;
mod fault;
pub(crate) mod grpc;
mod parse;
pub(crate) mod proof;
pub(crate) mod wso2;

pub use self::parse::{ParsedChallenge, parse};
