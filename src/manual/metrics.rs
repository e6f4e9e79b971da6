//! Every metric of this crate, for [`metrics`](https://docs.rs/metrics), with the feature `metrics`.
//!
//! Names and labels are part of the public interface. No label holds an origin, a session or a user, so there are no more
//! series than the tables below list.
//!
//! | name | kind | unit | what it says |
//! | --- | --- | --- | --- |
//! | `tower_reauth_requests_total` | counter | calls | calls that have ended, by `outcome` |
//! | `tower_reauth_rejections_total` | counter | responses | answers that said that the token is not good, by `token` |
//! | `tower_reauth_renewals_total` | counter | renewals | renewals that have ended, by `reason` and `outcome` |
//! | `tower_reauth_renewal_duration_seconds` | histogram | seconds | how long they took, by `outcome` |
//! | `tower_reauth_waiters` | gauge | callers | callers that wait for a renewal now |
//! | `tower_reauth_damped_total` | counter | callers | callers that got no renewal, because unexpired tokens are rejected too often |
//! | `tower_reauth_refused_total` | counter | refusals | secrets that the authorization server refused, by `what` |
//!
//! A call has ended when its future returns a response's head or an error. A call whose future is dropped before is not
//! counted. The duration is that of the whole renewal: a refused refresh token and the attempt after it are one.
//!
//! # Labels
//! | name | label | value | when |
//! | --- | --- | --- | --- |
//! | `tower_reauth_requests_total` | `outcome` | `passed` | the first answer was not a rejection; it may be a 404 or a 500 |
//! | `tower_reauth_requests_total` | `outcome` | `healed` | rejected, then sent again, and the last answer is no rejection; it may be a 404 or a 500 |
//! | `tower_reauth_requests_total` | `outcome` | `rejected` | the caller got a rejection, with [`RenewalFailed`] |
//! | `tower_reauth_requests_total` | `outcome` | `bare` | sent without a token of this crate: another origin, [`WithoutAuth`], no key with [`WithoutKey::Bare`], or a header of the caller's own |
//! | `tower_reauth_requests_total` | `outcome` | `unsent` | an error of this crate: there was no token to send it with |
//! | `tower_reauth_requests_total` | `outcome` | `failed` | an error of the inner service ([`ErrorKind::Service`]) |
//! | `tower_reauth_rejections_total` | `token` | `current` | the session's present token: it was revoked, or the origin does not accept it |
//! | `tower_reauth_rejections_total` | `token` | `outdated` | an older token: the rejection came late, and costs no renewal |
//! | `tower_reauth_renewals_total` | `reason` | `no fresh token` | none yet, or it has expired |
//! | `tower_reauth_renewals_total` | `reason` | `ahead of time` | it is [due for renewal](crate::Session#when-a-token-is-renewed), and has not expired |
//! | `tower_reauth_renewals_total` | `reason` | `rejected` | a rejection of the present token |
//! | `tower_reauth_renewals_total` | `reason` | `asked for` | [`ForceRenewal`] |
//! | `tower_reauth_renewals_total` | `outcome` | `renewed` | there is a token |
//! | `tower_reauth_renewals_total` | `outcome` | `adopted` | another process had brought a token into the [store](crate::manual::store) |
//! | `tower_reauth_renewals_total` | `outcome` | `refused` | the authorization server refused the credentials or the client, now or the last time |
//! | `tower_reauth_renewals_total` | `outcome` | `failed` | any other failure: another attempt may work |
//! | `tower_reauth_renewals_total` | `outcome` | `discarded` | the session was logged out, logged in anew or dropped meanwhile |
//! | `tower_reauth_renewals_total` | `outcome` | `lost` | it died: the grant panicked, or the runtime went away |
//! | `tower_reauth_renewal_duration_seconds` | `outcome` | as above | |
//! | `tower_reauth_refused_total` | `what` | `refresh token` | a refresh token; the session's own grant may still work |
//! | `tower_reauth_refused_total` | `what` | `credentials` | the credentials of the login: see [`Status::Refused`] |
//!
//! # What to watch
//! * `requests_total` with `rejected`, `unsent`: what users noticed. With `healed`: what they were spared.
//! * `refused_total` with `credentials`: somebody has to act.
//! * `damped_total`: two parties revoke each other's tokens, see
//!   [`troubleshooting`](crate::manual::troubleshooting#a-storm-of-token-requests).
//! * `waiters` that stay high: the authorization server is slow or down.
//!
//! # What it costs
//! A call whose first answer is good increments one counter; everything else is rare. The counter is looked up once for each
//! service and kept: 5 to 20 ns a call with the Prometheus exporter, no allocation, and one number that all threads write
//! to. Without the feature a call costs nothing.
//!
//! Install the recorder before you build the first layer. A later recorder misses the passed calls of services that were used
//! before, and the descriptions (Prometheus' `# HELP`), which are sent when a layer is built.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Any recorder will do; this one renders text for Prometheus.
//! let prometheus = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
//! println!("{}", prometheus.render());
//! # Ok(()) }
//! ```
//!
//! The `dashboard` example serves that text, and a page that plots it.
//!
//! [`ErrorKind::Service`]: crate::ErrorKind::Service
//! [`ForceRenewal`]: crate::ForceRenewal
//! [`RenewalFailed`]: crate::RenewalFailed
//! [`Status::Refused`]: crate::Status::Refused
//! [`WithoutAuth`]: crate::WithoutAuth
//! [`WithoutKey::Bare`]: crate::WithoutKey::Bare
