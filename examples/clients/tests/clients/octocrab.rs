use http::{Response, header::LOCATION};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::connect::HttpConnector;
use octocrab::Octocrab;
use tower_reauth::{
    Error, ErrorKind,
    testing::{Answer, Issuer},
};
use tower_reauth_clients::{
    clients,
    forge::{self, Archives},
    server::{guarded, issue_bad_tokens, rejected, serve, session},
};

struct World {
    issuer: Issuer,
    archives: Archives,
    elsewhere: String,
    github: Octocrab,
}

impl World {
    async fn new() -> anyhow::Result<Self> {
        let (issuer, archives) = (Issuer::new(), Archives::default());
        let elsewhere = serve(archives.router()).await?;
        let url = guarded(forge::router(&elsewhere), &issuer, forge::bad_credentials).await?;
        let github = clients::octocrab::client(url.parse()?, session(&issuer), HttpConnector::new())?;
        Ok(Self { issuer, archives, elsewhere, github })
    }
}

#[tokio::test]
async fn pages_go_on_when_the_token_dies_between_them() -> anyhow::Result<()> {
    let World { issuer, github, .. } = World::new().await?;
    let first = github.repos("acme", "shop").list_tags().send().await?;
    issuer.revoke_all();
    let tags: Vec<_> = github.all_pages(first).await?.into_iter().map(|tag| tag.name).collect();
    assert_eq!(tags, ["v1.1", "v1.2", "v2.1", "v2.2", "v3.1", "v3.2"]);
    assert_eq!((issuer.token_requests(), rejected(&issuer)), (2, 1));
    Ok(())
}

#[tokio::test]
async fn a_redirect_to_another_host_goes_bare() -> anyhow::Result<()> {
    let World { issuer, archives, github, .. } = World::new().await?;
    let archive = github.repos("acme", "shop").download_tarball("v3.2".to_owned()).await?;
    assert_eq!(archive.into_body().collect().await?.to_bytes(), "an archive");
    assert_eq!(archives.seen(), [None]);
    assert_eq!((issuer.token_requests(), rejected(&issuer)), (1, 0));
    Ok(())
}

#[tokio::test]
async fn a_redirect_that_octocrab_follows_by_itself_goes_bare() -> anyhow::Result<()> {
    let World { issuer, archives, elsewhere, github } = World::new().await?;
    github.repos("acme", "shop").list_tags().send().await?;
    let nothing = Empty::new().map_err(|never| match never {}).boxed();
    let found = Response::builder().header(LOCATION, format!("{elsewhere}/shop.tar")).body(nothing)?;
    let archive = github.follow_location_to_data(found).await?;
    assert_eq!(archive.into_body().collect().await?.to_bytes(), "an archive");
    assert_eq!((archives.seen(), issuer.token_requests()), (vec![None], 1));
    Ok(())
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_the_token() -> anyhow::Result<()> {
    let World { issuer, github, .. } = World::new().await?;
    let tags = github.repos("acme", "old-name").list_tags().send().await?;
    assert_eq!(tags.items.len(), 2);
    assert_eq!((issuer.token_requests(), rejected(&issuer)), (1, 0));
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_is_found_in_octocrabs_error() -> anyhow::Result<()> {
    let World { issuer, github, .. } = World::new().await?;
    issuer.always(Answer::error(401, "invalid_client"));
    let error = github.repos("acme", "shop").list_tags().send().await.expect_err("nobody is let in");
    assert!(matches!(error, octocrab::Error::Service { .. }), "{error}");
    assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::Misconfigured));
    Ok(())
}

#[tokio::test]
async fn a_rejection_that_stays_is_githubs_own_answer() -> anyhow::Result<()> {
    let World { issuer, github, .. } = World::new().await?;
    issue_bad_tokens(&issuer);
    let error = github.repos("acme", "shop").list_tags().send().await.expect_err("nobody is let in");
    let octocrab::Error::GitHub { source, .. } = &error else { panic!("{error}") };
    assert_eq!((source.status_code.as_u16(), source.message.as_str()), (401, "Bad credentials"));
    assert!(Error::find(&error).is_none());
    Ok(())
}

#[tokio::test]
async fn a_path_in_the_address_of_an_enterprise_server_is_kept() -> anyhow::Result<()> {
    let issuer = Issuer::new();
    let router = axum::Router::new().nest("/api/v3", forge::router("http://127.0.0.1:1"));
    let url = guarded(router, &issuer, forge::bad_credentials).await?;
    let github = clients::octocrab::client(format!("{url}/api/v3").parse()?, session(&issuer), HttpConnector::new())?;
    github.repos("acme", "shop").list_tags().send().await?;
    assert_eq!((issuer.token_requests(), rejected(&issuer)), (1, 0));
    Ok(())
}
