//! The pause that a server asks for.

use super::*;

#[tokio::test(start_paused = true)]
async fn pause_holds_for_every_clone_and_ends_when_the_server_said() {
    let script = Script::new([answer(429, &[("retry-after", "40")], ""), answer(200, &[], TOKEN)]);
    let endpoint = script.endpoint();
    let clone = endpoint.clone().client_auth(ClientAuth::none("another client"));
    let error = ask(&endpoint).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unavailable, seconds(40)));

    advance(Duration::from_secs(39)).await;
    for error in [ask(&clone).await.unwrap_err(), clone.refresh(&context(), || Ok("rt".into())).await.unwrap_err()] {
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unavailable, seconds(1)));
        assert_eq!(error.status(), None, "nothing was sent, so no answer has a status");
        assert!(error.to_string().contains("429"), "{error}");
    }
    assert_eq!(script.sends(), 1);

    advance(Duration::from_secs(1)).await;
    ask(&clone).await.unwrap();
    assert_eq!(script.sends(), 2);
}

#[tokio::test(start_paused = true)]
async fn pause_without_retry_after_doubles_until_a_success() {
    let busy = || answer(503, &[], "");
    let script = Script::new([busy(), busy(), busy(), answer(400, &[], r#"{"error":"invalid_grant"}"#), busy()]);
    let endpoint = script.endpoint();
    for wait in [1, 2, 4] {
        assert_eq!(ask(&endpoint).await.unwrap_err().status(), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(ask(&endpoint).await.unwrap_err().retry_after(), seconds(wait));
        advance(Duration::from_secs(wait)).await;
    }
    assert_eq!(ask(&endpoint).await.unwrap_err().kind(), ErrorKind::Refused);
    ask(&endpoint).await.unwrap_err();
    assert_eq!(ask(&endpoint).await.unwrap_err().retry_after(), seconds(1));
    assert_eq!(script.sends(), 5);
}

#[tokio::test(start_paused = true)]
async fn other_outages_hold_only_their_own_caller() {
    let script = Script::new([answer(500, &[("retry-after", "40")], ""), answer(200, &[], TOKEN)]);
    let endpoint = script.endpoint();
    assert_eq!(ask(&endpoint).await.unwrap_err().retry_after(), seconds(40));
    ask(&endpoint).await.unwrap();
}
