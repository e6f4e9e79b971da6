//! What becomes of a subject that is refused, and of one that changes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::advance;

use super::*;

/// A place that a subject is read from: each of these in turn, and the last one for ever.
#[derive(Clone)]
struct Place(Arc<Mutex<VecDeque<&'static str>>>);

impl Place {
    fn with(values: impl IntoIterator<Item = &'static str>) -> Self {
        Self(Arc::new(Mutex::new(values.into_iter().collect())))
    }

    fn source(&self) -> SecretSource {
        let place = self.clone();
        SecretSource::from_fn(move || {
            let mut values = place.0.lock().unwrap();
            let value = if values.len() > 1 { values.pop_front() } else { values.front().copied() };
            let missing = || Error::new(ErrorKind::Secret, "the place is empty");
            std::future::ready(value.map(Into::into).ok_or_else(missing))
        })
    }
}

fn sent(issuer: &Issuer, name: &str) -> Vec<String> {
    issuer.requests().iter().map(|request| request.parameter(name).unwrap_or_default().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_subject_that_never_changes_is_refused_for_good_in_whatever_words() {
    for (status, code) in [(400, "invalid_grant"), (400, "invalid_request"), (401, "invalid_token"), (403, "")] {
        let issuer = Issuer::new();
        issuer.always(if code.is_empty() { Answer::status(status, "") } else { Answer::error(status, code) });
        for session in [
            Session::new(TokenExchangeGrant::new(issuer.endpoint(), "bad")),
            Session::new(JwtBearerGrant::new(issuer.endpoint(), "bad")),
        ] {
            let before = issuer.token_requests();
            assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Refused);
            assert_eq!(session.status(), Status::Refused);
            for _ in 0..100 {
                advance(Duration::from_secs(600)).await;
                session.token().await.unwrap_err();
            }
            assert_eq!(issuer.token_requests(), before + 1, "{status} {code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subject_that_works_no_more_is_refused_for_good_too() {
    let issuer = Issuer::new();
    let session = Session::new(TokenExchangeGrant::new(issuer.endpoint(), "subject"));
    let token = session.token().await.unwrap();
    issuer.always(Answer::error(400, "invalid_grant"));
    session.renew(token.generation()).await.unwrap_err();
    assert_eq!(session.status(), Status::Refused);
}

#[tokio::test(start_paused = true)]
async fn an_outage_or_a_wrong_target_ends_no_subject() {
    for answer in
        [Answer::broken(), Answer::status(502, ""), Answer::status(404, ""), Answer::error(400, "invalid_target")]
    {
        let issuer = Issuer::new();
        let session = Session::new(TokenExchangeGrant::new(issuer.endpoint(), "subject"));
        issuer.next(answer);
        session.token().await.unwrap_err();
        assert_ne!(session.status(), Status::Refused);
        advance(Duration::from_secs(61)).await;
        session.token().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_subject_that_was_replaced_in_that_moment_is_sent_at_once() {
    let issuer = Issuer::new();
    issuer.next(Answer::error(400, "invalid_grant"));
    let session = Session::new(JwtBearerGrant::new(issuer.endpoint(), Place::with(["old", "new"]).source()));
    session.token().await.unwrap();
    assert_eq!(sent(&issuer, "assertion"), ["old", "new"]);

    let issuer = Issuer::new();
    issuer.next(Answer::error(400, "invalid_request"));
    let session = Session::new(TokenExchangeGrant::new(issuer.endpoint(), Place::with(["old", "new"]).source()));
    session.token().await.unwrap();
    assert_eq!(sent(&issuer, "subject_token"), ["old", "new"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_subject_is_not_sent_twice_in_a_row_and_is_tried_again_later() {
    let issuer = Issuer::new();
    issuer.always(Answer::error(400, "invalid_grant"));
    let place = Place::with(["subject"]);
    let session = Session::new(TokenExchangeGrant::new(issuer.endpoint(), place.source()));
    for (sends, pause) in [(1, 59), (1, 2), (2, 118), (2, 3), (3, 0)] {
        session.token().await.unwrap_err();
        assert_eq!(issuer.token_requests(), sends);
        advance(Duration::from_secs(pause)).await;
    }
    // Its owner mends it, and nobody has to log in.
    issuer.always(Answer::tokens());
    advance(Duration::from_secs(240)).await;
    session.token().await.unwrap();
    assert_eq!(session.status(), Status::Active);
}

#[tokio::test(start_paused = true)]
async fn a_subject_that_cannot_be_read_is_no_send_and_is_read_again() {
    let issuer = Issuer::new();
    let place = Place::with([]);
    let session = Session::new(JwtBearerGrant::new(issuer.endpoint(), place.source()));
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Secret);
        assert_eq!(session.status(), Status::Idle);
        advance(Duration::from_secs(5)).await;
    }
    place.0.lock().unwrap().push_back("subject");
    session.token().await.unwrap();
    assert_eq!(issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_logout_no_subject_is_left_or_sent() {
    let issuer = Issuer::new();
    let gate = Gate::closed();
    issuer.next(Answer::tokens().behind(&gate));
    let session = Session::new(TokenExchangeGrant::new(issuer.endpoint().concurrency(1), "subject"));
    let other = Session::new(TokenExchangeGrant::new(issuer.endpoint(), "other"));
    drop(other);
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { session.token().await }
    });
    issuer.arrived(1).await;
    session.forget();
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
    assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::LoggedOut);
    assert_eq!(issuer.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_changes_keeps_a_good_subject_from_being_refused_for_good() {
    let issuer = Issuer::new();
    issuer.always(Answer::error(400, "invalid_grant"));
    let actor = Place::with(["stale", "other"]);
    let grant = TokenExchangeGrant::new(issuer.endpoint(), "subject").actor_token(actor.source(), TokenType::JWT);
    let session = Session::new(grant);
    session.token().await.unwrap_err();
    // Another actor was there by then; it is not the same pair twice.
    assert_eq!(sent(&issuer, "actor_token"), ["stale", "other"]);
    issuer.always(Answer::tokens());
    advance(Duration::from_secs(61)).await;
    session.token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_subject_that_is_over_before_its_token_is_not_sent_ahead_of_time() {
    let issuer = Issuer::new();
    let session = Session::new(TokenExchangeGrant::new(issuer.endpoint(), "subject"));
    session.token().await.unwrap();
    issuer.always(Answer::error(400, "invalid_grant"));
    for _ in 0..35 {
        advance(Duration::from_secs(100)).await;
        session.token().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!((issuer.token_requests(), session.status()), (1, Status::Active));
}

#[tokio::test(start_paused = true)]
async fn in_a_pause_nothing_is_read() {
    let issuer = Issuer::new();
    let reads = Arc::new(Mutex::new(0));
    let read = reads.clone();
    let source = SecretSource::from_fn(move || {
        *read.lock().unwrap() += 1;
        std::future::ready(Ok("subject".into()))
    });
    issuer.next(Answer::status(429, "").header("retry-after", "100"));
    let first = Session::new(JwtBearerGrant::new(issuer.endpoint(), source.clone()));
    let endpoint = issuer.endpoint();
    let second = Session::new(TokenExchangeGrant::new(endpoint.clone(), source.clone()));
    let third = Session::new(JwtBearerGrant::new(endpoint, source));
    first.token().await.unwrap_err();
    issuer.next(Answer::status(429, "").header("retry-after", "100"));
    second.token().await.unwrap_err();
    third.token().await.unwrap_err();
    assert_eq!((*reads.lock().unwrap(), issuer.token_requests()), (2, 2), "the third one shares a pause");
}

/// What is read for it hangs until the renewal is over: nothing went out, and nothing counts.
#[tokio::test(start_paused = true)]
async fn a_secret_that_hangs_is_no_send_of_a_password() {
    let issuer = Issuer::new();
    let client = ClientAuth::post(CLIENT_ID, SecretSource::from_fn(std::future::pending));
    let grant = PasswordGrant::new(issuer.endpoint().client_auth(client), USERNAME, PASSWORD);
    let session = Session::builder(grant).renewal_limit(Duration::from_secs(20)).build();
    for _ in 0..50 {
        session.token().await.unwrap_err();
        assert_ne!(session.status(), Status::Refused);
        advance(Duration::from_secs(600)).await;
    }
    assert_eq!(issuer.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_the_client_that_changes_is_read_for_each_request() {
    let issuer = Issuer::new();
    let client = ClientAuth::post(CLIENT_ID, Place::with(["first", "second"]).source());
    let session = Session::new(TokenExchangeGrant::new(issuer.endpoint().client_auth(client), "subject"));
    let token = session.token().await.unwrap();
    session.renew(token.generation()).await.unwrap();
    assert_eq!(sent(&issuer, "client_secret"), ["first", "second"]);
    session.logout().await.unwrap();
    assert_eq!(issuer.revocations()[0].parameter("client_secret"), Some("second"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_never_comes_ends_with_the_endpoints_time_and_is_no_send() {
    let issuer = Issuer::new();
    let client = ClientAuth::post(CLIENT_ID, SecretSource::from_fn(std::future::pending));
    let endpoint = issuer.endpoint().client_auth(client).timeout(Duration::from_secs(10));
    let error = Session::new(TokenExchangeGrant::new(endpoint, "subject")).token().await.unwrap_err();
    assert_eq!((error.kind(), issuer.token_requests()), (ErrorKind::Secret, 0));
}

#[tokio::test(start_paused = true)]
async fn an_empty_secret_from_a_closure_is_no_secret_and_nothing_is_sent() {
    let issuer = Issuer::new();
    for text in ["", " \n"] {
        let empty = SecretSource::from_fn(move || std::future::ready(Ok(text.into())));
        let endpoint = issuer.endpoint().client_auth(ClientAuth::post(CLIENT_ID, empty.clone()));
        for session in [
            Session::new(JwtBearerGrant::new(issuer.endpoint(), empty)),
            Session::new(TokenExchangeGrant::new(endpoint, "subject")),
        ] {
            let error = session.token().await.unwrap_err();
            assert_eq!((error.kind(), issuer.token_requests()), (ErrorKind::Secret, 0));
        }
    }
}

/// A folder as kubelet keeps it: the files lie in a folder with a date, `..data` points to it, and a rename exchanges that.
#[cfg(unix)]
struct Projected(std::path::PathBuf);

#[cfg(unix)]
impl Projected {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("tower-reauth-projected-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        std::os::unix::fs::symlink("..data/token", path.join("token")).unwrap();
        Self(path)
    }

    fn publish(&self, version: &str, token: &str) {
        std::fs::create_dir(self.0.join(version)).unwrap();
        std::fs::write(self.0.join(version).join("token"), token).unwrap();
        std::os::unix::fs::symlink(version, self.0.join("..data_tmp")).unwrap();
        std::fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
    }
}

#[cfg(unix)]
impl Drop for Projected {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_projected_token_is_used_as_kubelet_swaps_it_and_one_that_is_not_there_yet_is_waited_for() {
    let (first, second) = ("eyJhbGciOiJub25lIn0.eyJuIjoxfQ.c2ln", "eyJhbGciOiJub25lIn0.eyJuIjoyfQ.c2ln");
    let (issuer, folder) = (Issuer::new(), Projected::new());
    let file = SecretSource::file(folder.0.join("token"));
    let client = ClientAuth::assertion(CLIENT_ID, file.clone());
    let session = Session::new(JwtBearerGrant::new(issuer.endpoint().client_auth(client), file));
    let error = session.token().await.unwrap_err();
    assert_eq!((error.kind(), issuer.token_requests(), session.status()), (ErrorKind::Secret, 0, Status::Idle));
    assert!(error.to_string().contains(folder.0.to_str().unwrap()), "{error}");

    // Half of it is no token.
    folder.publish("..1", &first[..25]);
    advance(Duration::from_secs(5)).await;
    let error = session.token().await.unwrap_err();
    assert!(error.to_string().contains("cut off") && !error.to_string().contains("eyJ"), "{error}");
    folder.publish("..2", first);
    advance(Duration::from_secs(5)).await;
    let token = session.token().await.unwrap();

    folder.publish("..3", second);
    session.renew(token.generation()).await.unwrap();
    assert_eq!(sent(&issuer, "assertion"), [first, second]);
    assert_eq!(sent(&issuer, "client_assertion"), [first, second]);
}
