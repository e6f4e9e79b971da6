//! Grants and client authentication: what to choose, secrets that change, one grant that feeds another.
//!
//! # Which grant for which situation
//!
//! | situation | take | if it is refused for good |
//! | --- | --- | --- |
//! | a user logs in, by browser or by device | [`RefreshTokenGrant`](crate::RefreshTokenGrant), with what the login brought | the user logs in again |
//! | the same, and the login outlives the process | [`RefreshTokenGrant::stored`](crate::RefreshTokenGrant::stored), with a [store](crate::manual::store) | the user logs in again |
//! | a service acts for itself | [`ClientCredentialsGrant`](crate::ClientCredentialsGrant) | an operator looks at the client |
//! | a workload has a JWT from its platform: Kubernetes, SPIFFE, a CI system | [`JwtBearerGrant::new`](crate::JwtBearerGrant::new); where the server takes it as the client's authentication: client credentials with [`ClientAuth::assertion`](crate::ClientAuth::assertion) | an operator looks at the trust between the two |
//! | a service account has a private key | [`JwtBearerGrant::signed`](crate::JwtBearerGrant::signed) | an operator looks at the key |
//! | a server calls another one for the user of an inbound request | [`TokenExchangeGrant`](crate::TokenExchangeGrant), with the inbound token | the user's next request brings a better one |
//! | the token of another session opens this server | the same, or JWT bearer, with that [session](#one-grant-feeds-another) | the first session is renewed, then its owner is asked |
//! | a name and a password, and a gateway that takes nothing else | [`PasswordGrant`](crate::PasswordGrant) | the user logs in again |
//! | a name and a password, and no OAuth: the token in a header, the logout a `DELETE` | a [`Grant`](crate::Grant) with a [`revoke`](crate::Grant::revoke): the example `keystone` | as its [`credential`](crate::Grant::credential) says |
//! | OAuth in other words | [translate](crate::manual::translation) below the endpoint | as with the grant above it |
//! | somebody else keeps a token fresh: a file, a metadata server, a command | [`grant_with`](crate::grant_with) or [`grant_fn`](crate::grant_fn) | who keeps it looks |
//! | a key that never changes | no grant: `tower_http::set_header`, since there is nothing to renew | |
//!
//! The login itself, by browser or by device, is not done here. A login done with `oauth2` or `openidconnect` becomes a
//! [`Record`](crate::Record) in one line (feature `oauth2`), and a session goes on from it.
//!
//! The same table in code. [`BoxGrant`](crate::BoxGrant) holds any of them, so a program's configuration can choose:
//!
//! ```
//! use std::path::PathBuf;
//!
//! use secrecy::SecretString;
//! use tower_reauth::{
//!     Assertion, BoxGrant, ClientCredentialsGrant, Error, ErrorKind, Grant, JwtBearerGrant, PasswordGrant,
//!     RefreshTokenGrant, SecretSource, Session, TokenEndpoint, TokenExchangeGrant, TokenSet, grant_with,
//! };
//!
//! enum Situation {
//!     LoggedIn { refresh_token: SecretString },
//!     LoggedInBefore,
//!     Service,
//!     Workload { jwt: PathBuf },
//!     ServiceAccount { assertion: Assertion },
//!     OnBehalfOf { inbound_token: SecretString },
//!     OpenedBy { other: Session },
//!     Password { name: String, password: SecretString },
//!     KeptByOthers { file: PathBuf },
//! }
//!
//! fn grant(situation: Situation, endpoint: TokenEndpoint) -> BoxGrant {
//!     match situation {
//!         Situation::LoggedIn { refresh_token } => RefreshTokenGrant::new(endpoint, refresh_token).boxed(),
//!         Situation::LoggedInBefore => RefreshTokenGrant::stored(endpoint).boxed(),
//!         Situation::Service => ClientCredentialsGrant::new(endpoint).scope("orders").boxed(),
//!         Situation::Workload { jwt } => JwtBearerGrant::new(endpoint, SecretSource::file(jwt)).boxed(),
//!         Situation::ServiceAccount { assertion } => JwtBearerGrant::signed(endpoint, assertion).boxed(),
//!         Situation::OnBehalfOf { inbound_token } => {
//!             TokenExchangeGrant::new(endpoint, inbound_token).audience("https://orders.example").boxed()
//!         }
//!         Situation::OpenedBy { other } => TokenExchangeGrant::new(endpoint, &other).boxed(),
//!         Situation::Password { name, password } => PasswordGrant::new(endpoint, name, password).boxed(),
//!         Situation::KeptByOthers { file } => grant_with(file, async |file, _context| {
//!             let unread = |error| Error::new(ErrorKind::Secret, "the token file cannot be read").with_source(error);
//!             TokenSet::new(tokio::fs::read_to_string(file).await.map_err(unread)?.trim())
//!         })
//!         .boxed(),
//!     }
//! }
//! ```
//!
//! # How the client authenticates
//!
//! | method (RFC 8414's name) | |
//! | --- | --- |
//! | `none` | [`ClientAuth::none`](crate::ClientAuth::none) |
//! | `client_secret_basic` | [`ClientAuth::basic`](crate::ClientAuth::basic); [`basic_unencoded`](crate::ClientAuth::basic_unencoded) for servers that do not decode |
//! | `client_secret_post` | [`ClientAuth::post`](crate::ClientAuth::post) |
//! | `private_key_jwt` | [`ClientAuth::private_key_jwt`](crate::ClientAuth::private_key_jwt) with a `JwtKey` (feature `jwt`), or with a [`Signer`](crate::Signer) of your own for a KMS or an HSM |
//! | `client_secret_jwt` | `ClientAuth::client_secret_jwt` (feature `jwt`) |
//! | a token that somebody else has issued to the workload (RFC 7523) | [`ClientAuth::assertion`](crate::ClientAuth::assertion), [`ClientAuth::jwt_spiffe`](crate::ClientAuth::jwt_spiffe) |
//! | `tls_client_auth`, `self_signed_tls_client_auth` (RFC 8705) | [`ClientAuth::mutual_tls`](crate::ClientAuth::mutual_tls); the transport presents the certificate: example `mutual_tls` |
//!
//! Assertions are signed anew for each request, the revocation included: the [`Assertion`](crate::Assertion) says what is in them.
//!
//! The feature `jwt` brings the crate `jsonwebtoken` with its `rust_crypto` backend. If your program uses `jsonwebtoken` with another
//! backend, take `jwt-no-provider` instead: two backends in one program make `jsonwebtoken` panic, unless the program has chosen one of
//! them. With `jwt-no-provider` your choice is used, and without a choice a key is an error when it is made.
//!
//! # Seen at real servers
//! One table of tests runs over these servers and over the examples' gateway. What a server lacks is refused in its own words, and
//! that is tested as well.
//!
//! | server | clients that sign | else |
//! | --- | --- | --- |
//! | oidc-provider 9.13 | all five algorithms; `aud` is the issuer | mutual TLS, `resource`; JWT bearer and token exchange by its hooks |
//! | glewlwyd 2.7 | all five algorithms; `aud` is the address of the endpoint that is called ([`audience_is_endpoint`](crate::Assertion::audience_is_endpoint)), the issuer is refused. A wrong key is a 403 without a body: [`Refused`](crate::ErrorKind::Refused), and probed | |
//! | django-oauth-toolkit 3.4, Authlib 1.9 | no: 401 `invalid_client` | client credentials by Basic |
//! | LemonLDAP::NG 2.16 | no: 400 `invalid_client` | client credentials by Basic |
//!
//! # Secrets that change
//! Wherever a secret is asked for, a [`SecretSource`](crate::SecretSource) will do: a file or a closure, read for each token request.
//! A `JwtKeySource` (feature `jwt`) does the same for a key.
//!
//! ```
//! use tower_reauth::{ClientAuth, ClientCredentialsGrant, JwtBearerGrant, SecretSource, Session, TokenEndpoint};
//!
//! /// Entra ID trusts the identity that Kubernetes projects into the pod.
//! fn azure(endpoint: TokenEndpoint, client_id: &str) -> Session {
//!     let identity = SecretSource::file("/var/run/secrets/azure/tokens/azure-identity-token");
//!     let endpoint = endpoint.client_auth(ClientAuth::assertion(client_id, identity));
//!     Session::new(ClientCredentialsGrant::new(endpoint).scope("https://vault.azure.net/.default"))
//! }
//!
//! /// A server that takes the workload's identity as a grant.
//! fn workload(endpoint: TokenEndpoint) -> Session {
//!     Session::new(JwtBearerGrant::new(endpoint, SecretSource::file("/var/run/secrets/tokens/identity")))
//! }
//!
//! /// A secret that an agent of Vault renders.
//! fn vault(endpoint: TokenEndpoint) -> Session {
//!     let secret = SecretSource::file("/vault/secrets/billing");
//!     Session::new(ClientCredentialsGrant::new(endpoint.client_auth(ClientAuth::basic("billing", secret))))
//! }
//!
//! /// An identity document of SPIFFE.
//! fn spiffe(endpoint: TokenEndpoint) -> Session {
//!     let svid = SecretSource::file("/run/spiffe/jwt-svid");
//!     Session::new(ClientCredentialsGrant::new(endpoint.client_auth(ClientAuth::jwt_spiffe(svid))))
//! }
//! ```
//!
//! What cannot be read is [`ErrorKind::Secret`](crate::ErrorKind::Secret): nothing is sent, the session pauses and reads again. It is
//! never a refusal.
//!
//! # One grant feeds another
//! A session is a `SecretSource`, too. The session below gets an identity assertion from the company's server, and sends it to the
//! API's server. If the second server refuses it, the first session is renewed once, and the new assertion is sent in the same call.
//! What fails at the first server is no refusal at the second: watch the status of the first session as well. The example `identity_chain` plays it.
//!
//! ```
//! use tower_reauth::{JwtBearerGrant, Session, TokenEndpoint, TokenExchangeGrant, TokenType};
//!
//! fn chain(company: TokenEndpoint, api: TokenEndpoint, id_token: String) -> Session {
//!     let identity = TokenExchangeGrant::new(company, id_token)
//!         .subject_token_type(TokenType::ID_TOKEN)
//!         .requested_token_type(TokenType::ID_JAG)
//!         .audience("https://auth.api.example");
//!     Session::new(JwtBearerGrant::new(api, Session::new(identity)))
//! }
//! ```
//!
//! # What a refresh repeats
//!
//! | parameter | at a refresh | otherwise |
//! | --- | --- | --- |
//! | `scope` | left out: the server keeps what was granted (RFC 6749 §6) | [`refresh_with_scope`](crate::JwtBearerGrant::refresh_with_scope) |
//! | `audience` | repeated | [`refresh_without_audience`](crate::JwtBearerGrant::refresh_without_audience) |
//! | `resource` | repeated (RFC 8707 §2.2) | [`refresh_without_resource`](crate::JwtBearerGrant::refresh_without_resource) |
//! | [`parameter`](crate::JwtBearerGrant::parameter) of the grant | left out | [`TokenEndpoint::parameter`](crate::TokenEndpoint::parameter) goes with every request |
//!
//! # Tokens from huskarl
//! [huskarl](https://docs.rs/huskarl) does the flows in which a user takes part: authorization code with pushed requests, device
//! flow, certified by the OpenID Foundation. Its sources of tokens become a grant, so that its tokens get this crate's shared renewal
//! and replay. Hand over the source itself, not huskarl's cache around it: the session is the cache. `examples/huskarl` in the
//! repository runs this.
//!
//! ```ignore
//! use huskarl::{Recovery, TokenError, cache::TokenSource};
//! use tower_reauth::{Error, ErrorKind, Grant, GrantContext, TokenSet};
//!
//! struct Huskarl<S>(S);
//!
//! impl<S: TokenSource + Send + Sync + 'static> Grant for Huskarl<S> {
//!     async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
//!         let answer = self.0.token().await.map_err(failed)?;
//!         let tokens = TokenSet::new(answer.access_token().token().expose_secret())?;
//!         Ok(match answer.raw_token_response().expires_in {
//!             Some(seconds) => tokens.with_lifetime(Duration::from_secs(seconds)),
//!             None => tokens,
//!         })
//!     }
//! }
//!
//! fn failed(error: TokenError) -> Error {
//!     let (kind, wait) = match error.recovery() {
//!         Recovery::Retry { after } => (ErrorKind::Unavailable, after),
//!         Recovery::AdjustRequest => (ErrorKind::Misconfigured, None),
//!         Recovery::Reauthenticate => (ErrorKind::Refused, None),
//!         _ => (ErrorKind::Transport, None),
//!     };
//!     let told = Error::new(kind, "huskarl brought no token").with_source(error.into_error());
//!     match wait {
//!         Some(wait) => told.with_retry_after(wait),
//!         None => told,
//!     }
//! }
//! ```
