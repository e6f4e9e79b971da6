//! `call`: one GET through the layer. Its answer goes to the output as it comes.

use std::{
    io::{self, ErrorKind, Write},
    time::Duration,
};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{Request, Uri, header::ACCEPT};
use http_body_util::{BodyExt, Full};
use tokio::signal;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_reauth::{Origins, ReauthLayer, RenewalFailed, Session};

use crate::{
    account::Account,
    failure::Failure,
    http_client::{self, Http},
    server::origin_of,
};

/// How long a renewal may take that is under way when the program ends.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(account: &Account, path: Option<&str>) -> Result<(), Failure> {
    let api = account.server.api()?;
    let origins = Origins::only(&origin_of("--api", api)?)?;
    let address = address(api, path.unwrap_or(account.server.default_path))?;
    account.record().await?;
    let http = http_client::new();
    let session = account.session(http.clone())?.build();
    let done = tokio::select! {
        done = call(&session, origins, http, address) => done,
        _ = signal::ctrl_c() => Err(Failure::Failed(anyhow!("interrupted"))),
    };
    // The refresh token of a renewal that is under way may be spent: what comes for it is waited for, and stored.
    session.shutdown(PATIENCE).await;
    done
}

async fn call(session: &Session, origins: Origins, http: Http, address: Uri) -> Result<(), Failure> {
    let mut api = ServiceBuilder::new().layer(ReauthLayer::new(session.clone(), origins)).service(http);
    let request = Request::get(address).header(ACCEPT, "application/json, */*");
    let request = request.body(Full::<Bytes>::default()).context("the request can't be made")?;
    let response = api.ready().await?.call(request).await?;
    // Without a new token the layer passes on the API's rejection.
    if let Some(failed) = response.extensions().get::<RenewalFailed>() {
        return Err(failed.error().clone().into());
    }
    let status = response.status();
    print(response.into_body()).await?;
    if status.is_success() { Ok(()) } else { Err(Failure::Failed(anyhow!("the API answers {status}"))) }
}

fn address(api: &str, path: &str) -> Result<Uri, Failure> {
    // `call @elsewhere.example` must not lead elsewhere.
    if !path.is_empty() && !path.starts_with(['/', '?']) {
        return Err(Failure::input("the path of a call starts with a slash"));
    }
    let api = if path.is_empty() { api } else { api.trim_end_matches('/') };
    let address = format!("{api}{path}").parse();
    address.map_err(|error| Failure::input(format_args!("the path of the call: {error}")))
}

async fn print<B: hyper::body::Body<Data = Bytes>>(body: B) -> anyhow::Result<()>
where
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut body = std::pin::pin!(body);
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the answer breaks off")?;
        let Some(part) = frame.data_ref() else { continue };
        match io::stdout().write_all(part) {
            // Who closes the pipe does not want to read on.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("the answer can't be written")?,
        }
    }
    crate::output::say("");
    Ok(())
}
