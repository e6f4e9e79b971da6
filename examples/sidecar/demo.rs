//! `--demo`: the embedded gateway as authorization server and upstream. It kills every token again and again.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};

use crate::{
    listener::Listener,
    options::{Options, Places},
    support::{self, Gateway, Regime, Running, What},
};

const CLIENT: &str = "demo";
const SECRET: &str = "the demo's secret";
/// How long the gateway leaves a token alone.
const PEACE: Duration = Duration::from_secs(5);

/// With `--demo`, starts the gateway and fills in where it is.
pub(crate) async fn prepare(mut options: Options, places: &Places) -> anyhow::Result<(Options, Option<Running>)> {
    if !options.demo {
        return Ok((options, None));
    }
    for (key, said) in [("upstream", options.upstream.is_some()), ("token-endpoint", options.token_endpoint.is_some())]
    {
        ensure!(!said, "{}: --demo brings its own", places.of(key));
    }
    let gateway = support::Options::new(Regime::Jwt).client(CLIENT, SECRET).observer(|seen| {
        if let What::Accepted { .. } | What::Rejected { .. } | What::Issued { .. } = seen.what {
            println!("gateway {seen}");
        }
    });
    let gateway = support::start(gateway).await.context("the embedded gateway does not start")?;
    options.upstream = Some(gateway.url(""));
    options.token_endpoint = Some(gateway.url("/oauth2/token"));
    options.client_id = Some(CLIENT.to_owned());
    options.demo_secret = Some(SECRET);
    tokio::spawn(kill_tokens(Arc::clone(gateway.gateway())));
    Ok((options, Some(gateway)))
}

pub(crate) fn say_how(listener: &Listener) {
    println!(
        "Try `curl {listener}/orders` as often as you like: every {} s the gateway kills all tokens,",
        PEACE.as_secs()
    );
    println!("and you never see a 401.");
}

async fn kill_tokens(gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(PEACE).await;
        gateway.revoke_all();
    }
}
