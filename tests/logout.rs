//! Cases 36 and 37: what a logout forgets, what it revokes, and what it stops.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use crate::support::*;
use bytes::Bytes;
use futures::FutureExt;
use http::Response;
use http_body_util::Full;
use tokio::{
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, advance, sleep},
};
use tower::{
    Layer, ServiceExt,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
};
use tower_reauth::{
    Credential, Error, ErrorKind, Grant, GrantContext, PasswordGrant, RenewalFailed, ResponseBody, Session, Status,
    TokenEndpoint, TokenSet, grant_with,
};

const SECOND: Duration = Duration::from_secs(1);

type Answered = Result<Response<ResponseBody<Full<Bytes>>>, Error>;

fn start(world: &World, path: &'static str) -> JoinHandle<Answered> {
    let world = world.clone();
    tokio::spawn(async move { world.get(path).await })
}

/// Why a call has no good answer, whether it holds a rejection or not.
fn kind(answered: Answered) -> ErrorKind {
    match answered {
        Err(error) => error.kind(),
        Ok(response) => response.extensions().get::<RenewalFailed>().expect("the layer says why").error().kind(),
    }
}

/// Which tokens were given back, in order.
fn revoked(world: &World) -> Vec<String> {
    let token = |one: &TokenRequest| one.parameter("token").expect("a token").to_owned();
    world.issuer.revocations().iter().map(token).collect()
}

/// Until nobody has anything left to do, on the paused clock.
async fn settle() {
    sleep(SECOND).await;
}

fn has_endpoint(world: &World) -> bool {
    world.kind != Kind::Custom
}

// Case 36

/// Ends the login while the flight is under way, and lets the flight land.
async fn during_a_flight(world: &World, end: impl AsyncFnOnce(&Session)) {
    let gate = Gate::closed();
    world.issuer.next(Answer::tokens().access_token("stray").with_refresh_token().delivered_behind(&gate));
    let waiting = start(world, "/orders");
    never_hangs(gate.arrived(1)).await;
    let (sent, requests) = (world.resource.count(), world.issuer.token_requests());
    end(&world.session).await;
    assert_eq!(kind(world.get("/orders").await), ErrorKind::LoggedOut);
    gate.open();
    settle().await;
    assert_eq!(kind(waiting.await.unwrap()), ErrorKind::LoggedOut);
    assert_eq!((world.resource.count(), world.issuer.token_requests()), (sent, requests));
    assert_eq!(world.session.status(), Status::LoggedOut);
    assert_eq!(world.session.token().await.unwrap_err().kind(), ErrorKind::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn logout_during_the_first_flight_throws_its_answer_away_and_revokes_it() {
    for_every_credential(async |world| {
        during_a_flight(&world, async |session| session.logout().await.unwrap()).await;
        for stray in ["stray".to_owned(), world.issuer.last_refresh_token()] {
            assert_eq!(revoked(&world).contains(&stray), has_endpoint(&world), "{stray}");
        }
        assert_eq!(world.issuer.is_alive("stray"), !has_endpoint(&world));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn logout_during_a_renewal_revokes_the_old_tokens_and_what_the_renewal_brings() {
    for_every_credential(async |world| {
        world.issuer.regime(Regime::Beside);
        world.issuer.next(Answer::tokens().with_refresh_token());
        world.get("/orders").await.unwrap();
        let (access, refresh) = (world.issuer.last_access_token(), world.issuer.last_refresh_token());
        world.issuer.revoke_all();
        during_a_flight(&world, async |session| session.logout().await.unwrap()).await;
        let revoked = revoked(&world);
        for token in [access.as_str(), &refresh, "stray"] {
            assert_eq!(revoked.iter().any(|one| one == token), has_endpoint(&world), "{token}: {revoked:?}");
        }
        if has_endpoint(&world) {
            assert!(!world.issuer.is_redeemable(&world.issuer.last_refresh_token()));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn logout_whose_future_is_dropped_at_once_does_the_same() {
    for_every_credential(async |world| {
        during_a_flight(&world, async |session| drop(session.logout())).await;
        assert_eq!(revoked(&world).contains(&"stray".to_owned()), has_endpoint(&world));
    })
    .await;
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        drop(world.session.logout());
        assert_eq!(world.session.status(), Status::LoggedOut);
        assert_eq!(kind(world.get("/orders").await), ErrorKind::LoggedOut);
        settle().await;
        assert_eq!(world.issuer.is_alive(&world.issuer.last_access_token()), !has_endpoint(&world));
    })
    .await;
}

// Case 68

/// Ends the login while the flight is under way, lets go of every handle of the session, and lets the flight land.
async fn with_no_handle_left(world: World, end: impl FnOnce(&Session)) -> Issuer {
    let gate = Gate::closed();
    world.issuer.next(Answer::tokens().access_token("stray").with_refresh_token().delivered_behind(&gate));
    let session = world.session.clone();
    let waiting = tokio::spawn(async move { session.token().await.map(|_| ()) });
    never_hangs(gate.arrived(1)).await;
    end(&world.session);
    waiting.abort();
    let World { issuer, session, .. } = world;
    drop(session);
    settle().await;
    gate.open();
    settle().await;
    issuer
}

#[tokio::test(start_paused = true)]
async fn what_a_flight_brings_in_after_a_logout_is_revoked_even_if_no_handle_is_left() {
    for_every_credential(async |world| {
        let revocable = has_endpoint(&world);
        let issuer = with_no_handle_left(world, |session| drop(session.logout())).await;
        assert_eq!(issuer.is_alive("stray"), !revocable);
        assert_eq!(issuer.is_redeemable(&issuer.last_refresh_token()), !revocable);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_flight_brings_in_after_a_forget_is_not_revoked_when_no_handle_is_left() {
    let ends: [fn(&Session); 3] = [
        Session::forget,
        |_| {},
        |session| {
            // A login in place of another is no logout.
            session.login(grant_with((), async |_, _| TokenSet::new("another")));
        },
    ];
    for end in ends {
        for_every_credential(async |world| {
            let issuer = with_no_handle_left(world, end).await;
            assert!(issuer.is_alive("stray"));
            assert!(issuer.revocations().is_empty());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn flight_of_a_session_that_has_gone_sends_nothing_more() {
    let world = World::new(Kind::Password);
    world.issuer.next(Answer::tokens().with_refresh_token());
    world.get("/orders").await.unwrap();
    let gate = Gate::closed();
    world.issuer.next(Answer::error(400, "invalid_grant").delivered_behind(&gate));
    let token = world.session.token().await.unwrap();
    let session = world.session.clone();
    let waiting = tokio::spawn(async move { session.renew(token.generation()).await.map(|_| ()) });
    never_hangs(gate.arrived(1)).await;
    drop(world.session.logout());
    waiting.abort();
    let World { issuer, session, .. } = world;
    drop(session);
    gate.open();
    settle().await;
    // The refresh token was refused: the password would be next.
    assert_eq!((issuer.token_requests_of("refresh_token"), issuer.token_requests_of("password")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn login_after_the_logout_goes_with_the_last_handle_whatever_is_left_to_do_for_the_older_one() {
    for landed in [false, true] {
        let world = World::new(Kind::Password);
        let (landing, revocation) = (Gate::closed(), Gate::closed());
        world.issuer.next(Answer::tokens().delivered_behind(&landing));
        world.issuer.next_revocation(Answer::tokens().behind(&revocation));
        let waiting = start(&world, "/orders");
        never_hangs(landing.arrived(1)).await;
        drop(world.session.logout());
        assert_eq!(kind(waiting.await.unwrap()), ErrorKind::LoggedOut);
        let secret = Arc::new(());
        world.session.login(grant_with(secret.clone(), async |_, _| TokenSet::new("token")));
        assert!(Arc::strong_count(&secret) > 1);
        if landed {
            landing.open();
            never_hangs(revocation.arrived(1)).await;
        }
        drop(world);
        assert_eq!(Arc::strong_count(&secret), 1, "{landed}");
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_the_revocation_of_what_a_flight_brings_in_after_the_logout() {
    let world = World::new(Kind::Password);
    let (landing, revocation) = (Gate::closed(), Gate::closed());
    world.issuer.next(Answer::tokens().access_token("stray").delivered_behind(&landing));
    world.issuer.next_revocation(Answer::tokens().behind(&revocation));
    let waiting = start(&world, "/orders");
    never_hangs(landing.arrived(1)).await;
    // There is nothing to revoke yet.
    world.session.logout().await.unwrap();
    assert_eq!(kind(waiting.await.unwrap()), ErrorKind::LoggedOut);
    landing.open();
    never_hangs(revocation.arrived(1)).await;
    assert!(!world.session.shutdown(SECOND).await);
    revocation.open();
    assert!(world.session.shutdown(SECOND).await);
    assert!(!world.issuer.is_alive("stray"));
}

#[tokio::test(start_paused = true)]
async fn forget_during_a_flight_throws_its_answer_away_and_revokes_nothing() {
    for_every_credential(async |world| {
        during_a_flight(&world, async |session| session.forget()).await;
        assert!(revoked(&world).is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn waiting_call_learns_at_once_that_its_login_has_ended() {
    let ends: [fn(&World); 3] = [
        |world| drop(world.session.logout()),
        |world| world.session.forget(),
        |world| world.session.login(world.grant()),
    ];
    for end in ends {
        for_every_credential(async |world| {
            world.issuer.next(Answer::never());
            let waiting = start(&world, "/orders");
            never_hangs(world.issuer.arrived(1)).await;
            let ended = Instant::now();
            end(&world);
            assert_eq!(kind(waiting.await.unwrap()), ErrorKind::LoggedOut);
            assert_eq!(ended.elapsed(), Duration::ZERO);
        })
        .await;
    }
}

/// A crowd under one shared limit: `/slow` holds the only place until the gate opens.
async fn behind_a_limit(world: &World, before: impl AsyncFnOnce(&World), end: impl AsyncFnOnce(&World)) -> ErrorKind {
    let limit = GlobalConcurrencyLimitLayer::new(1);
    let gate = Gate::closed();
    world.resource.hold("/slow", &gate);
    before(world).await;
    let token = Gate::closed();
    world.issuer.next(Answer::tokens().behind(&token));
    let requests = world.issuer.token_requests();
    let waiting = tokio::spawn(world.layer().layer(limit.layer(world.resource.clone())).oneshot(get("/orders")));
    never_hangs(world.issuer.arrived(requests + 1)).await;
    // The place is free while the call waits for its token.
    let slow = tokio::spawn(limit.layer(world.resource.clone()).oneshot(get("/slow")));
    never_hangs(gate.arrived(1)).await;
    token.open();
    settle().await;
    let sent = world.resource.count_at("/orders");
    end(world).await;
    gate.open();
    slow.await.unwrap().unwrap();
    let kind = kind(waiting.await.unwrap());
    assert_eq!(world.resource.count_at("/orders"), sent);
    kind
}

#[tokio::test(start_paused = true)]
async fn replay_that_was_about_to_go_does_not_go_after_a_logout() {
    for_every_credential(async |world| {
        let before = async |world: &World| {
            world.session.token().await.unwrap();
            world.issuer.revoke_all();
        };
        let kind = behind_a_limit(&world, before, async |world| drop(world.session.logout())).await;
        assert_eq!(kind, ErrorKind::LoggedOut);
        // Nor with the token of the login that follows.
        world.session.login(world.grant());
        let login = async |world: &World| {
            world.session.login(world.grant());
            world.session.token().await.unwrap();
        };
        assert_eq!(behind_a_limit(&world, before, login).await, ErrorKind::LoggedOut);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn first_send_that_was_about_to_go_does_not_go_after_a_logout() {
    for_every_credential(async |world| {
        let kind = behind_a_limit(&world, async |_| {}, async |world| world.session.forget()).await;
        assert_eq!(kind, ErrorKind::LoggedOut);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn stray_token_that_the_next_login_holds_is_not_revoked() {
    for older_lands_first in [true, false] {
        for_every_credential(async |world| {
            // A refresh token brings no token twice, and a closure has nothing to revoke with.
            if matches!(world.kind, Kind::RefreshToken | Kind::Custom) {
                return;
            }
            world.issuer.regime(Regime::SameAgain);
            let (older, newer) = (Gate::closed(), Gate::closed());
            world.issuer.next(Answer::tokens().delivered_behind(&older));
            let waiting = start(&world, "/orders");
            never_hangs(older.arrived(1)).await;
            let logout = world.session.logout();
            world.session.login(world.grant());
            world.issuer.next(Answer::tokens().delivered_behind(&newer));
            let call = start(&world, "/orders");
            never_hangs(newer.arrived(1)).await;
            for gate in if older_lands_first { [&older, &newer] } else { [&newer, &older] } {
                gate.open();
                settle().await;
            }
            logout.await.unwrap();
            assert_eq!(kind(waiting.await.unwrap()), ErrorKind::LoggedOut);
            assert_eq!(call.await.unwrap().unwrap().status(), 200);
            assert_eq!(world.issuer.access_tokens().len(), 1);
            assert!(revoked(&world).is_empty());
            assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn stray_token_is_revoked_when_the_next_login_holds_another() {
    for_every_credential(async |world| {
        if !has_endpoint(&world) {
            return;
        }
        world.issuer.regime(Regime::Beside);
        let (older, newer) = (Gate::closed(), Gate::closed());
        world.issuer.next(Answer::tokens().access_token("stray").delivered_behind(&older));
        let waiting = start(&world, "/orders");
        never_hangs(older.arrived(1)).await;
        drop(world.session.logout());
        world.session.login(world.grant());
        world.issuer.next(Answer::tokens().delivered_behind(&newer));
        let call = start(&world, "/orders");
        never_hangs(newer.arrived(1)).await;
        older.open();
        settle().await;
        newer.open();
        settle().await;
        drop(waiting);
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
        assert!(!world.issuer.is_alive("stray"));
        assert!(world.issuer.is_alive(&world.issuer.last_access_token()));
    })
    .await;
}

// Case 37

#[tokio::test(start_paused = true)]
async fn logout_forgets_at_once_and_then_revokes_the_refresh_token_and_the_access_token() {
    for_every_credential(async |world| {
        world.issuer.always(Answer::tokens().with_refresh_token());
        let mut status = world.session.subscribe();
        world.get("/orders").await.unwrap();
        let (access, refresh) = (world.issuer.last_access_token(), world.issuer.last_refresh_token());
        let logout = world.session.logout();
        // Not polled yet.
        assert_eq!(*status.borrow_and_update(), Status::LoggedOut);
        assert_eq!(world.session.token().now_or_never().unwrap().unwrap_err().kind(), ErrorKind::LoggedOut);
        assert_eq!(world.get("/orders").now_or_never().map(kind), Some(ErrorKind::LoggedOut));
        logout.await.unwrap();
        let seen: Vec<_> = world
            .issuer
            .revocations()
            .iter()
            .map(|one| {
                assert!(one.authorization().unwrap().starts_with("Basic "));
                let parameter = |name| one.parameter(name).unwrap_or_default().to_owned();
                (parameter("token"), parameter("token_type_hint"))
            })
            .collect();
        let both = [(refresh, "refresh_token".to_owned()), (access, "access_token".to_owned())];
        assert_eq!(seen, if has_endpoint(&world) { &both[..] } else { &[] });
        assert_eq!(world.resource.count(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn service_with_a_copy_of_the_token_does_not_send_it_after_a_logout() {
    for_every_credential(async |world| {
        let mut api = world.api();
        for _ in 0..3 {
            assert_eq!(call(&mut api, get("/orders")).await.unwrap().status(), 200);
        }
        drop(world.session.logout());
        assert_eq!(kind(call(&mut api, get("/orders")).await), ErrorKind::LoggedOut);
        assert_eq!(world.resource.count(), 3);
        world.session.login(world.grant());
        assert_eq!(call(&mut api, get("/orders")).await.unwrap().status(), 200);
        assert_eq!(world.resource.last().token(), Some(&*world.issuer.last_access_token()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn grant_and_its_secrets_are_dropped_before_logout_returns() {
    let secret = Arc::new(());
    let ends: [fn(&Session); 3] = [
        |session| drop(session.logout()),
        Session::forget,
        |session| session.login(grant_with((), async |_, _| TokenSet::new("another"))),
    ];
    for end in ends {
        let grant = grant_with(secret.clone(), async |_, _| Ok(TokenSet::new("token")?.with_refresh_token("refresh")));
        let session = Session::new(grant);
        session.token().await.unwrap();
        assert!(Arc::strong_count(&secret) > 1);
        end(&session);
        assert_eq!(Arc::strong_count(&secret), 1);
    }
}

// Case 73

/// Ways to end a login, the last handle's drop among them.
const ENDS: [fn(Session); 4] = [
    |session| drop(session.logout()),
    |session| session.forget(),
    |session| session.login(grant_with((), async |_, _| TokenSet::new("another"))),
    drop,
];

/// A grant with a secret that can be seen to go, and an endpoint.
struct Secretive {
    endpoint: TokenEndpoint,
    secret: Arc<()>,
}

impl Grant for Secretive {
    async fn fetch(&self, context: GrantContext) -> Result<TokenSet, Error> {
        let _secret = &self.secret;
        self.endpoint.request(&context, &[("grant_type", "urn:example:custom"), ("owner", USERNAME)]).await
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.endpoint)
    }
}

#[tokio::test(start_paused = true)]
async fn grant_is_dropped_before_logout_returns_while_a_refresh_hangs() {
    for end in ENDS {
        let (issuer, secret) = (Issuer::new(), Arc::new(()));
        issuer.next(Answer::tokens().with_refresh_token());
        let session = Session::new(Secretive { endpoint: issuer.endpoint(), secret: secret.clone() });
        let token = session.token().await.unwrap();
        issuer.next(Answer::never());
        let renewing = session.clone();
        let waiting = tokio::spawn(async move { renewing.renew(token.generation()).await.map(|_| ()) });
        never_hangs(issuer.arrived(2)).await;
        waiting.abort();
        settle().await;
        assert!(Arc::strong_count(&secret) > 1);
        end(session);
        assert_eq!(Arc::strong_count(&secret), 1);
    }
}

/// Hands everything on to a grant that the test can look into.
struct Seen(Arc<Mutex<Vec<&'static str>>>, PasswordGrant);

impl Grant for Seen {
    fn fetch(&self, context: GrantContext) -> impl Future<Output = Result<TokenSet, Error>> + Send {
        self.1.fetch(context)
    }

    fn endpoint(&self) -> Option<&TokenEndpoint> {
        self.1.endpoint()
    }

    fn credential(&self) -> Credential {
        self.1.credential()
    }

    fn forget(&self) {
        let had = self.1.credential();
        self.1.forget();
        assert_eq!(
            (had, self.1.credential()),
            (Credential::Password, Credential::RefreshToken),
            "the password is gone"
        );
        self.0.lock().unwrap().push("forgotten");
    }
}

#[tokio::test(start_paused = true)]
async fn password_is_wiped_before_logout_returns_while_it_is_on_the_wire() {
    for end in ENDS {
        let (issuer, told) = (Issuer::new(), Arc::default());
        let grant = PasswordGrant::new(issuer.endpoint(), USERNAME, PASSWORD);
        let session = Session::new(Seen(Arc::clone(&told), grant));
        issuer.next(Answer::never());
        let fetching = session.clone();
        let waiting = tokio::spawn(async move { fetching.token().await.map(|_| ()) });
        never_hangs(issuer.arrived(1)).await;
        waiting.abort();
        settle().await;
        assert!(told.lock().unwrap().is_empty());
        end(session);
        assert_eq!(*told.lock().unwrap(), ["forgotten"]);
    }
}

#[tokio::test(start_paused = true)]
async fn token_request_that_waits_for_its_turn_is_not_sent_after_the_end_of_its_login() {
    for kind in [Kind::Password, Kind::ClientCredentials, Kind::RefreshToken] {
        for end in ENDS {
            let world = World::new(kind);
            let endpoint = world.issuer.endpoint().concurrency(1);
            let gate = Gate::closed();
            world.issuer.next(Answer::tokens().behind(&gate));
            let session = |owner| Session::new(kind.grant_at(endpoint.clone(), &world.issuer, owner));
            let fetch = |session: &Session| {
                let session = session.clone();
                tokio::spawn(async move { session.token().await.map(|_| ()) })
            };
            let first = fetch(&session("bob"));
            never_hangs(gate.arrived(1)).await;
            let waits = session(USERNAME);
            let waiting = fetch(&waits);
            settle().await;
            waiting.abort();
            settle().await;
            end(waits);
            gate.open();
            first.await.unwrap().unwrap();
            settle().await;
            assert_eq!(world.issuer.token_requests(), 1);
            // The place is free again.
            fetch(&session("carol")).await.unwrap().unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn token_request_that_waits_for_its_service_is_not_sent_after_the_end_of_its_login() {
    for kind in [Kind::Password, Kind::ClientCredentials, Kind::RefreshToken] {
        for end in ENDS {
            let issuer = Issuer::new();
            let room = Arc::new(Semaphore::new(0));
            let endpoint =
                TokenEndpoint::new(ConcurrencyLimit::with_semaphore(issuer.clone(), room.clone()), TOKEN_URI).unwrap();
            let session = Session::new(kind.grant_at(endpoint, &issuer, USERNAME));
            let fetching = session.clone();
            let waiting = tokio::spawn(async move { fetching.token().await.map(|_| ()) });
            settle().await;
            waiting.abort();
            settle().await;
            end(session);
            room.add_permits(1);
            settle().await;
            assert_eq!(issuer.token_requests(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn login_after_a_logout_starts_afresh() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.session.logout().await.unwrap();
        world.session.login(world.grant());
        assert_eq!(world.session.status(), Status::Idle);
        assert_eq!(world.get("/orders").await.unwrap().status(), 200);
        assert_eq!(world.issuer.token_requests(), 2);
        assert_eq!(world.issuer.dead_refresh_tokens(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn second_logout_has_nothing_left_to_do() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.session.logout().await.unwrap();
        let count = world.issuer.revocations().len();
        world.session.logout().await.unwrap();
        assert_eq!(world.issuer.revocations().len(), count);
    })
    .await;
    Session::logged_out().logout().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn logout_before_the_first_token_revokes_only_a_refresh_token_that_was_given() {
    for_every_credential(async |world| {
        world.session.logout().await.unwrap();
        let count = usize::from(world.kind == Kind::RefreshToken);
        assert_eq!((world.issuer.revocations().len(), world.issuer.token_requests()), (count, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn logout_without_an_address_for_revocations_is_local() {
    for_every_credential(async |world| {
        let endpoint = TokenEndpoint::new(world.issuer.clone(), TOKEN_URI).unwrap();
        let grant = world.kind.grant_at(endpoint, &world.issuer, USERNAME);
        let world = world.with_session(Session::new(grant));
        world.get("/orders").await.unwrap();
        world.session.logout().await.unwrap();
        assert!(world.issuer.revocations().is_empty());
        assert_eq!(kind(world.get("/orders").await), ErrorKind::LoggedOut);
    })
    .await;
}

/// A session with both tokens, whose logout is answered in this way first.
async fn logout_answered(answers: Vec<Answer>) -> (World, Result<(), Error>, Duration) {
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    answers.into_iter().for_each(|answer| world.issuer.next_revocation(answer));
    let start = Instant::now();
    let result = world.session.logout().await;
    assert_eq!(world.session.status(), Status::LoggedOut);
    (world, result, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn revocation_is_tried_again_after_a_503_and_at_most_three_times() {
    let busy = || Answer::status(503, "");
    let (world, result, took) = logout_answered(vec![busy(), busy()]).await;
    result.unwrap();
    assert_eq!((world.issuer.revocations().len(), took), (4, 3 * SECOND));

    let (world, result, _) = logout_answered(vec![busy(), busy(), busy()]).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.status().map(|status| status.as_u16())), (ErrorKind::NotRevoked, Some(503)));
    // The other token is given back all the same.
    let kinds: Vec<_> =
        world.issuer.revocations().iter().map(|one| one.parameter("token_type_hint").unwrap().to_owned()).collect();
    assert_eq!(kinds, ["refresh_token", "refresh_token", "refresh_token", "access_token"]);
}

#[tokio::test(start_paused = true)]
async fn revocation_waits_as_long_as_retry_after_says_but_half_a_minute_at_most() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    for (header, wait) in [("7", 7), ("3600", 30), (&date, 30)] {
        let (world, result, took) = logout_answered(vec![Answer::status(503, "").header("retry-after", header)]).await;
        result.unwrap();
        assert_eq!((world.issuer.revocations().len(), took.as_secs()), (3, wait), "{header}");
    }
}

#[tokio::test(start_paused = true)]
async fn revocation_that_fails_otherwise_is_reported_and_not_repeated() {
    for answer in [
        Answer::error(400, "invalid_request"),
        Answer::error(401, "invalid_client"),
        Answer::status(500, ""),
        Answer::status(302, ""),
        Answer::broken(),
        Answer::never(),
    ] {
        println!("{answer:?}");
        let (world, result, _) = logout_answered(vec![answer]).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotRevoked);
        assert!(error.to_string().contains("revocation of the refresh token"), "{error}");
        assert_eq!(world.issuer.revocations().len(), 2);
        assert!(!world.issuer.is_alive(&world.issuer.last_access_token()));
    }
}

#[tokio::test(start_paused = true)]
async fn forget_and_dropping_the_last_clone_send_nothing() {
    for_every_credential(async |world| {
        world.get("/orders").await.unwrap();
        world.session.forget();
        assert_eq!(kind(world.get("/orders").await), ErrorKind::LoggedOut);
        world.session.login(world.grant());
        world.get("/orders").await.unwrap();
        let World { issuer, session, .. } = world;
        drop(session);
        settle().await;
        assert!(issuer.revocations().is_empty());
        assert!(issuer.is_alive(&issuer.last_access_token()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn last_clone_that_is_dropped_during_a_flight_lets_it_end_and_revokes_nothing() {
    for_every_credential(async |world| {
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let call = start(&world, "/orders");
        never_hangs(gate.arrived(1)).await;
        let World { issuer, session, .. } = world;
        drop(session);
        call.abort();
        gate.open();
        settle().await;
        // Invariant 3: what is on the wire is carried through.
        assert_eq!(issuer.access_tokens().len(), 1);
        assert!(issuer.revocations().is_empty());
    })
    .await;
}

#[test]
fn logout_without_a_runtime_forgets_and_says_that_nothing_was_revoked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = World::new(Kind::Password);
    runtime.block_on(world.session.token()).unwrap();
    let error = futures::executor::block_on(world.session.logout()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRuntime);
    assert_eq!(world.session.status(), Status::LoggedOut);
    assert!(world.issuer.revocations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn logout_while_a_pause_lasts_still_revokes() {
    let world = World::new(Kind::Password);
    world.get("/orders").await.unwrap();
    world.issuer.revoke_all();
    world.issuer.next(Answer::status(503, "").header("retry-after", "300"));
    assert_eq!(kind(world.get("/orders").await), ErrorKind::Unavailable);
    let start = Instant::now();
    world.session.logout().await.unwrap();
    assert_eq!((world.issuer.revocations().len(), start.elapsed()), (2, Duration::ZERO));
    advance(SECOND).await;
}
