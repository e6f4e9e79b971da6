//! `gateway`: the embedded gateway in the foreground, for the other commands.

use anyhow::Context;

use crate::{
    failure::Failure,
    output::say,
    server::CLIENT,
    support::{self, Options, Regime, Seen},
};

pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "wonderland";

/// Each login has tokens of its own, each refresh token works once, and one that comes again ends its login.
pub(crate) fn options(observer: impl Fn(&Seen) + Send + Sync + 'static) -> Options {
    Options::new(Regime::Beside)
        .reuse_detection()
        .user(USER, PASSWORD)
        .public_client(CLIENT)
        .redirect_uri(CLIENT, "http://127.0.0.1/callback")
        .observer(observer)
}

pub(crate) async fn serve(port: u16) -> Result<(), Failure> {
    let gateway = support::start_at(port, options(|seen| say(format_args!("gateway {seen}")))).await;
    let gateway = gateway.with_context(|| format!("port {port} of 127.0.0.1 can't be had"))?;
    say(format_args!("The gateway is at {}. Its user is {USER}, with the password {PASSWORD}.", gateway.url("")));
    // Until the user ends it.
    std::future::pending().await
}
