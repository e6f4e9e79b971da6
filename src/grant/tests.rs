//! Tests of the grants.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::ExposeSecret;

use super::{
    ClientCredentialsGrant, Credential, Grant, GrantContext, PasswordGrant, RefreshTokenGrant, Retain, Revocable,
    Revoke, grant_fn, grant_with,
};
use crate::{
    endpoint::{
        ClientAuth,
        script::{Script, TOKEN, answer},
    },
    error::{Error, ErrorKind},
    identity::SessionId,
    token::TokenSet,
};

const WITH_REFRESH: &str = r#"{"access_token":"at","refresh_token":"rt"}"#;

async fn fetch(grant: &impl Grant) -> Result<TokenSet, Error> {
    grant.fetch(GrantContext::default()).await
}

#[tokio::test]
async fn password_grant_sends_name_password_and_scope() {
    let script = Script::new([answer(200, &[], TOKEN), answer(200, &[], TOKEN)]);
    let grant = PasswordGrant::new(script.endpoint(), "al ice", "pass&wörd");
    fetch(&grant).await.unwrap();
    assert_eq!(script.last().1, "grant_type=password&username=al+ice&password=pass%26w%C3%B6rd");
    fetch(&grant.scope("orders device_1")).await.unwrap();
    assert!(script.last().1.ends_with("&scope=orders+device_1"));
}

#[tokio::test]
async fn client_credentials_grant_sends_the_client_and_scope() {
    let script = Script::new([answer(200, &[], TOKEN), answer(200, &[], TOKEN)]);
    let grant = ClientCredentialsGrant::new(script.endpoint().client_auth(ClientAuth::post("id", "secret")));
    fetch(&grant).await.unwrap();
    assert_eq!(script.last().1, "grant_type=client_credentials&client_id=id&client_secret=secret");
    fetch(&grant.scope("orders")).await.unwrap();
    assert_eq!(script.last().1, "grant_type=client_credentials&scope=orders&client_id=id&client_secret=secret");
}

#[tokio::test]
async fn password_is_kept_until_logout_by_default() {
    let script = Script::new((0..3).map(|_| answer(200, &[], WITH_REFRESH)));
    let grant = PasswordGrant::new(script.endpoint(), "alice", "hunter2");
    for _ in 0..3 {
        fetch(&grant).await.unwrap();
        assert!(script.last().1.contains("password=hunter2"));
    }
}

#[tokio::test]
async fn password_is_wiped_as_soon_as_a_refresh_token_came() {
    let failed = answer(400, &[], r#"{"error":"invalid_grant"}"#);
    let script = Script::new([answer(200, &[], TOKEN), failed, answer(200, &[], WITH_REFRESH)]);
    let grant = PasswordGrant::new(script.endpoint(), "alice", "hunter2").retain(Retain::UntilFirstRefreshToken);
    fetch(&grant).await.unwrap();
    fetch(&grant).await.unwrap_err();
    fetch(&grant).await.unwrap();
    assert!(grant.with_password(|password| password.is_none()));
    let error = fetch(&grant).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("wiped"), "{error}");
    assert_eq!(script.sends(), 3);
}

#[tokio::test]
async fn refresh_token_grant_has_nothing_else_to_send() {
    let script = Script::new([]);
    let mut grant = RefreshTokenGrant::new(script.endpoint(), "hunter2");
    assert!(grant.initial_refresh_token().is_some());
    assert!(grant.initial_refresh_token().is_none(), "it keeps no copy");
    let boxed = RefreshTokenGrant::new(script.endpoint(), "hunter2").boxed();
    for error in [fetch(&grant).await.unwrap_err(), fetch(&boxed).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("no refresh token is left"), "{error}");
    }
}

#[tokio::test]
async fn boxed_grant_does_what_the_one_inside_does() {
    let script = Script::new([answer(200, &[], TOKEN)]);
    let mut boxed = RefreshTokenGrant::new(script.endpoint(), "hunter2").boxed();
    assert_eq!(boxed.initial_refresh_token().unwrap().expose_secret(), "hunter2");
    assert!(boxed.initial_refresh_token().is_none(), "it keeps no copy");
    assert_eq!((boxed.credential(), boxed.confirm_after()), (Credential::RefreshToken, None));
    assert!(boxed.endpoint().is_some());

    // However often it is boxed.
    let pauses = [Duration::from_secs(7)];
    let password = PasswordGrant::new(script.endpoint(), "alice", "hunter2").confirmations(pauses);
    let mut boxed = password.boxed().boxed();
    assert!(boxed.initial_refresh_token().is_none());
    assert_eq!((boxed.credential(), boxed.confirm_after()), (Credential::Password, Some(&pauses[..])));
    assert!(boxed.endpoint().is_some());
    assert!(!format!("{boxed:?}").contains("hunter2"));
    fetch(&boxed).await.unwrap();
    assert!(script.last().1.contains("password=hunter2"));
    boxed.forget();
    assert_eq!(fetch(&boxed).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(script.sends(), 1);
}

#[test]
fn boxed_grant_passes_on_how_tokens_are_revoked() {
    struct Own;

    impl Grant for Own {
        async fn fetch(&self, _: GrantContext) -> Result<TokenSet, Error> {
            TokenSet::new("token")
        }

        fn revoke(&self) -> Option<Revoke> {
            Some(Revoke::new((), async |(), _| Ok(())))
        }
    }

    assert!(Own.boxed().boxed().revoke().is_some());
    assert!(grant_fn(async |_| TokenSet::new("token")).boxed().revoke().is_none());
    assert!(RefreshTokenGrant::new(Script::new([]).endpoint(), "hunter2").boxed().revoke().is_none());
}

#[test]
fn what_is_to_be_revoked_shows_no_secret() {
    let tokens = TokenSet::new("hunter2").unwrap().with_extra("location", "hunter2");
    let revocable = Revocable::access(tokens).with_refresh_token(Some("hunter2".into()));
    assert_eq!(revocable.access_token().unwrap().expose_secret(), "hunter2");
    let shown = format!("{revocable:?} {:?}", Revoke::new(revocable.clone(), async |_, _| Ok(())));
    assert!(shown.contains("location") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn closures_are_called_with_the_context_and_their_state() {
    let context = GrantContext::new(SessionId(1), Some("claims".into()), None);
    let plain = grant_fn(async |context: GrantContext| TokenSet::new(context.claims().unwrap_or("none")));
    assert!(plain.fetch(context.clone()).await.unwrap().same_access_token(&TokenSet::new("claims").unwrap()));

    let counting = grant_with(Arc::new(AtomicUsize::new(0)), async |calls, context| {
        assert_eq!(context.claims(), Some("claims"));
        TokenSet::new(format!("token-{}", calls.fetch_add(1, Ordering::Relaxed)))
    });
    for token in ["token-0", "token-1"] {
        let tokens = counting.fetch(context.clone()).await.unwrap();
        assert!(tokens.same_access_token(&TokenSet::new(token).unwrap()));
    }
    assert!(counting.endpoint().is_none());
}

#[test]
fn each_grant_says_what_it_sends_and_where() {
    let endpoint = || Script::new([]).endpoint();
    fn what(grant: &impl Grant) -> (Credential, bool) {
        (grant.credential(), grant.endpoint().is_some())
    }
    assert_eq!(what(&PasswordGrant::new(endpoint(), "a", "b")), (Credential::Password, true));
    assert_eq!(what(&ClientCredentialsGrant::new(endpoint())), (Credential::Client, true));
    assert_eq!(what(&RefreshTokenGrant::new(endpoint(), "a")), (Credential::RefreshToken, true));
    assert_eq!(what(&grant_fn(async |_| TokenSet::new("at"))), (Credential::Custom, false));
}

#[test]
fn debug_of_grants_shows_no_secret() {
    let endpoint =
        || Script::new([]).endpoint().client_auth(ClientAuth::basic("id", "hunter2")).parameter("assertion", "hunter2");
    let shown = format!(
        "{:#?} {:#?} {:#?} {:#?}",
        PasswordGrant::new(endpoint(), "hunter2", "hunter2"),
        ClientCredentialsGrant::new(endpoint()),
        RefreshTokenGrant::new(endpoint(), "hunter2"),
        ClientAuth::post("id", "hunter2"),
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("http://localhost/token") && shown.contains("assertion"), "{shown}");
}

#[tokio::test]
async fn device_scope_stands_beside_the_others_and_differs_for_different_ids() {
    let script = Script::new((0..4).map(|_| answer(200, &[], TOKEN)));
    let mut seen = Vec::new();
    for id in ["tablet-1", "tablet 1", "tablet.201", "t\u{e4}blet"] {
        let grant = PasswordGrant::new(script.endpoint(), "alice", "pw").device_scope(id).scope("orders");
        fetch(&grant).await.unwrap();
        seen.push(script.last().1.rsplit("&scope=").next().unwrap().to_owned());
    }
    assert_eq!(
        seen,
        [
            "orders+device_tablet-1",
            "orders+device_tablet.201",
            "orders+device_tablet.2e201",
            "orders+device_t.c3.a4blet"
        ]
    );
}
