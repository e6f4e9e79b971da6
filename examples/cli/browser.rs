//! A browser, and the user before it: played for the demo.

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{
    Request,
    header::{CONTENT_TYPE, LOCATION},
};
use http_body_util::{BodyExt, Full};

use crate::{
    gateway::{PASSWORD, USER},
    http_client::Http,
};

/// Opens the address that a login printed, fills in the form that it leads to, and goes where that sends it.
pub(crate) async fn allow(http: &Http, address: &str) -> anyhow::Result<()> {
    get(http, address).await?;
    let (page, asked) = address.split_once('?').context("the address asks for nothing")?;
    let form = form_urlencoded::Serializer::new(asked.to_owned())
        .append_pair("username", USER)
        .append_pair("password", PASSWORD)
        .append_pair("decision", "allow")
        .finish();
    let request = Request::post(page).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = http.request(request.body(Full::new(form.into()))?).await?;
    let status = response.status();
    if let Some(back) = response.headers().get(LOCATION) {
        return get(http, back.to_str()?).await;
    }
    ensure!(status.is_success(), "the page answers {status}");
    Ok(())
}

async fn get(http: &Http, address: &str) -> anyhow::Result<()> {
    let response = http.request(Request::get(address).body(Full::<Bytes>::default())?).await?;
    let status = response.status();
    response.into_body().collect().await?;
    ensure!(status.is_success(), "{address} answers {status}");
    Ok(())
}
