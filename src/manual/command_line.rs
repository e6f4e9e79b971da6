//! In a command line: a process that lives for a second, and a login that lives for weeks.
//!
//! The example `cli` is such a program, with `login`, `call`, `status` and `logout`. This page says what to decide; how tokens are kept
//! is in [`manual::store`](crate::manual::store).
//!
//! # The frame
//! A login writes a record into the store. Every other command goes on from it, and makes no token request while the access
//! token is good.
//!
#![cfg_attr(feature = "file", doc = "```")]
#![cfg_attr(not(feature = "file"), doc = "```ignore")]
//! use std::{path::Path, time::Duration};
//! use tower_reauth::{Error, FileStore, RefreshTokenGrant, RenewAhead, Session, TokenEndpoint};
//!
//! fn open(folder: &Path, endpoint: TokenEndpoint) -> Result<Session, Error> {
//!     let store = FileStore::open(folder)?;
//!     Ok(Session::builder(RefreshTokenGrant::stored(endpoint))
//!         .store(store, "default")
//!         // A command that is over in a second should not begin what it would have to wait for at its end.
//!         .renew_ahead(RenewAhead::Never)
//!         // After a crash the next command waits no longer than this; the server has to answer in that time.
//!         .renewal_limit(Duration::from_secs(20))
//!         .build())
//! }
//! ```
//!
//! The key names the login: `"default"`, or the profile, the account, the server that the user has named. One folder holds many.
//! Use the platform's folder for a program's data, and not one that is synchronized to other machines: a refresh token that two
//! machines use at once may end the login.
//!
//! # The login
//! | the user has | flow | done by |
//! | --- | --- | --- |
//! | a browser on this machine | authorization code with PKCE, over a port of 127.0.0.1 ([RFC 8252](https://www.rfc-editor.org/rfc/rfc8252)) | `oauth2` or `openidconnect` |
//! | a browser on another machine | device code ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)) | the same |
//! | nobody is there: CI, cron | [`ClientCredentialsGrant`](crate::ClientCredentialsGrant), or [`JwtBearerGrant`](crate::JwtBearerGrant) over the platform's identity token | this crate; no login, and a store only to save token requests |
//!
//! Its result becomes a [`Record`](crate::Record): with feature `oauth2` by `Record::from_oauth2(&response)?`. Hand it to
//! [`SessionBuilder::record`](crate::SessionBuilder::record) and call [`save`](crate::Session::save) before you print that it
//! worked. Secrets come from a file, from the keyring or from an environment variable, never from an argument: arguments are
//! seen in the list of processes. [`SecretSource::file`](crate::SecretSource::file) reads one when it is needed.
//!
//! # Several at once
//! `make -j`, a script with `&`, two terminals: processes share the login. One renews, the others adopt what it brings. Nothing has to
//! be done for it. A process that is killed in the middle leaves its claim behind; the next one waits until the claim is over.
//! [*When a process is killed*](crate::manual::store#when-a-process-is-killed) has the cases.
//!
//! # The end, and Ctrl-C
//! A renewal that is under way has perhaps spent the refresh token. If the process ends before the answer is saved, and the server
//! replaces refresh tokens, the user has to log in again. So wait for it, at every end:
//!
//! ```
//! use std::time::Duration;
//! use tower_reauth::{Error, Session};
//!
//! async fn run(session: Session, command: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
//!     let done = tokio::select! {
//!         done = command => done,
//!         _ = tokio::signal::ctrl_c() => {
//!             eprintln!("interrupted");
//!             Ok(())
//!         }
//!     };
//!     // At once, if nothing is under way. It also waits for saves that have to be tried again.
//!     session.shutdown(Duration::from_secs(5)).await;
//!     done
//! }
//! # let session = Session::logged_out();
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(session, async { Ok(()) }))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `std::process::exit` inside a command skips this: return an [`ExitCode`](std::process::ExitCode) from `main`. A second Ctrl-C that
//! kills at once is fine for the user who insists; no Ctrl-C may be ignored.
//!
//! # What to print, and which status to end with
//! Ask for the token before the first call, where a login might be missing, and decide by the kind:
//!
//! ```
//! use std::process::ExitCode;
//! use tower_reauth::{Error, ErrorKind};
//!
//! fn fail(error: &Error) -> ExitCode {
//!     match error.kind() {
//!         ErrorKind::LoggedOut | ErrorKind::Refused => {
//!             eprintln!("nobody is logged in: run `example login`");
//!             ExitCode::from(1)
//!         }
//!         // Scripts may try these again.
//!         _ if error.is_transient() => {
//!             eprintln!("try again later: {}", plain(&error.to_string()));
//!             ExitCode::from(75)
//!         }
//!         _ => {
//!             eprintln!("{}", plain(&error.to_string()));
//!             ExitCode::from(3)
//!         }
//!     }
//! }
//!
//! /// What a server said may stand in an error: it must not reach the terminal as a command.
//! fn plain(text: &str) -> String {
//!     text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
//! }
//! # fail(&Error::new(ErrorKind::Transport, "no network"));
//! ```
//!
//! The layer returns an API's rejection as a response where it cannot heal it: look for
//! [`RenewalFailed`](crate::RenewalFailed) before you print the body. A command line seldom wants a
//! [`Session::status`](crate::Session::status): before the first call it is [`Idle`](crate::Status::Idle), whatever the store holds.
//! [`Session::token`](crate::Session::token) looks.
//!
//! # Logout
//! [`Session::logout`](crate::Session::logout) revokes, and leaves a mark that other processes find. Await it, and print its error: the
//! tokens are forgotten here even so, but the server may still take them. Long-running processes of the same login notice within 30 s
//! of calls.
//!
//! # A token for another program
//! A credential helper prints a token for programs that take one from a command: `curl -H "$(example header)"`, kubectl's exec
//! plugins, git, docker. [`Token::expires_at`](crate::Token::expires_at) tells them when to ask again. They can't heal a 401: whoever
//! got a token keeps it until its end. For a program that should, put the example `sidecar` before it.
//!
//! ```
//! use secrecy::ExposeSecret;
//! use tower_reauth::{Error, Session};
//!
//! async fn header(session: &Session) -> Result<(), Error> {
//!     let token = session.token().await?;
//!     println!("Authorization: Bearer {}", token.token_set().access_token().expose_secret());
//!     Ok(())
//! }
//! ```
