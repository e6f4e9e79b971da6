//! Client libraries that send through a client of yours: kube, octocrab, object_store, rmcp.
//!
//! A library that speaks to one API often takes the HTTP client that it is given. Give it one with the layer, and no token: the
//! layer leaves a request alone that brings an `Authorization` header.
//!
//! What stands here is the very code of the crate `examples/clients`, which runs it against small servers:
//! `cargo run --manifest-path examples/clients/Cargo.toml` tells what happens.
//!
//! | | a call that was not sent | a rejection that was not healed |
//! | --- | --- | --- |
//! | kube 5.0 | `kube::Error::Service` | `kube::Error::Api`, with the code 401 |
//! | octocrab 0.54 | `octocrab::Error::Service` | `octocrab::Error::GitHub`, with the status 401 |
//! | object_store 0.14 | `object_store::Error::Generic` | `object_store::Error::Unauthenticated` |
//! | rmcp 3.11 | `ServiceError::TransportSend`; on connecting `ClientInitializeError::TransportError` | `StreamableHttpError::AuthRequired`, with the server's challenge |
//!
//! [`Error::find`](crate::Error::find) gets this crate's error out of those in the first column; with
//! `ClientInitializeError::TransportError`, ask its field `error`. Those in the second column hold the server's
//! answer, and nothing of this crate: the libraries drop the extensions of a response, and
//! [`RenewalFailed`](crate::RenewalFailed) with them. To see it, put a `map_response` outside the layer. The log has it, too:
//! `rejection passed on`, at DEBUG.
//!
//! # kube
//! The layer takes the place of kube's own `auth_layer`, below `base_uri_layer`, which adds the host. kube's body is boxed, since
//! it is not [`Replay`](crate::Replay).
//!
//! ```ignore
#![doc = include_str!("sdks/kube.rs")]
//! ```
//!
//! 1. A watch that has begun goes on when its token dies. API servers end each watch after some minutes. The next one is a new
//!    call, which heals as any other does, so kube's `watcher` sees neither an error nor a gap.
//! 2. `replay_limit` is as large as the largest request that API servers accept. This costs nothing until a call is rejected:
//!    kube's bodies lie in memory, and are kept by reference.
//! 3. kube's default client has more layers: time-outs, retries, decompression, tracing. Add those that you want;
//!    [*Order of layers*](crate#order-of-layers) says where.
//! 4. A client certificate of the kubeconfig is in `rustls_https_connector`, and stays.
//!
//! # octocrab
//!
//! ```ignore
#![doc = include_str!("sdks/octocrab.rs")]
//! ```
//!
//! 1. `FollowRedirectLayer` of `tower-http` does what octocrab's own client does by default. It is outside, so that the layer
//!    sees each request that it makes. Archives and logs come from other hosts: those requests go bare. So do those that
//!    octocrab makes by itself for a `Location`.
//! 2. The links from page to page name the API's host, so each page has the token in force.
//! 3. If you upload assets to releases, allow both hosts:
//!    `Origins::any_of(["https://api.github.com", "https://uploads.github.com"])`.
//!
//! # object_store
//! All its stores take an `HttpConnector`. This one is for Google Cloud Storage. `MicrosoftAzureBuilder` takes the same, and so
//! does `HttpBuilder`, for WebDAV.
//!
//! ```ignore
#![doc = include_str!("sdks/object_store.rs")]
//! ```
//!
//! 1. With `default-features = false` and the feature `gcp-base`, object_store brings no HTTP client of its own.
//! 2. Its puts carry a token even when it has none to send: an empty one. `OwnAuthorization::Replace` puts the session's in its
//!    place.
//! 3. A put over the `replay_limit` is sent once, and ends with `Unauthenticated` if its token has died. Parts of a multipart
//!    upload count one by one. While rejected calls wait, what they keep counts towards the
//!    [`parked_limit`](crate::ReauthLayer::parked_limit), too.
//! 4. object_store retries broken connections and 5xx, outside the layer.
//! 5. S3 signs each request in place of a token, so the layer has nothing to do there.
//!
//! # rmcp
//! The transport of the Model Context Protocol takes an implementation of `StreamableHttpClient`. rmcp has one for
//! `reqwest::Client`, and none for a tower service. This one is for any [`Reauth`](crate::Reauth) whose requests have the body
//! `Full<Bytes>`: `StreamableHttpClientTransport::with_client(Renewing(api), config)`.
//!
//! ```ignore
#![doc = include_str!("sdks/rmcp.rs")]
//! ```
//!
//! 1. A tool call that is rejected has not run, and is sent again. The MCP session goes on.
//! 2. A stream of events that has begun goes on when its token dies. When it ends, rmcp opens a new one, which heals as any other
//!    call does.
//! 3. rmcp's own logins (feature `auth`) are not needed. `auth_header` of the transport's configuration is ignored.
//! 4. `AuthRequired` still comes where nothing helps. A server's challenge then names its metadata (RFC 9728).
//! 5. Single events have no limit of size here. rmcp's own client has one, and does not export it.
