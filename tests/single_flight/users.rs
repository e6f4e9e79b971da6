//! Case 21: tokens of two users never cross.

use fastrand::Rng;
use futures::FutureExt;
use http::HeaderValue;
use tower::{Layer, Service, limit::GlobalConcurrencyLimitLayer};
use tower_reauth::{ErrorKind, Reauth, Session, WithoutAuth};

use super::*;

const OWNERS: [&str; 2] = ["alice", "bob"];
const RENEWALS: usize = 1000;

/// One of two sessions, with a service that is used again and again, so that it holds a copy of the token.
struct Device {
    world: World,
    api: Reauth<Resource>,
    owner: &'static str,
}

impl Device {
    /// A call that says whose it is.
    fn request(&self, random: &mut Rng) -> Request<Full<Bytes>> {
        let mut request = get("/orders");
        request.headers_mut().insert("x-owner", HeaderValue::from_static(self.owner));
        if random.u8(..) < 20 {
            request.extensions_mut().insert(ForceRenewal);
        }
        request
    }

    fn start(&self, random: &mut Rng) -> JoinHandle<Answered> {
        let request = self.request(random);
        let mut api = self.api.clone();
        // Called now, and not when the task is first polled: the owner may be another one then.
        let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut api).now_or_never();
        spawn(ready.expect("always ready").expect("always ready").call(request))
    }

    fn login(&mut self, owner: &'static str) {
        self.owner = owner;
        self.world.session.login(self.world.kind.grant(&self.world.issuer, owner));
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_two_users_never_cross() {
    let seed = fastrand::u64(..);
    println!("seed: {seed}");
    for_every_credential(async |world| {
        let random = &mut Rng::with_seed(seed);
        let mut devices = OWNERS.map(|owner| {
            let session = Session::builder(world.kind.grant(&world.issuer, owner)).renewals_per_minute(None).build();
            let world = world.with_session(session);
            Device { api: world.api(), world, owner }
        });
        while world.issuer.token_requests() < RENEWALS {
            let device = &mut devices[random.usize(..2)];
            match random.u8(..6) {
                0 | 1 => world.issuer.revoke_all(),
                2 => world.issuer.next(Answer::tokens().after(Duration::from_millis(random.u64(..50)))),
                // The same session, and perhaps another user, while the older one's renewal is under way.
                3 => {
                    world.issuer.revoke_all();
                    world.issuer.next(Answer::tokens().after(Duration::from_millis(random.u64(..50))));
                    device.start(random);
                    settle().await;
                    device.login(OWNERS[random.usize(..2)]);
                }
                4 => {
                    let logout = device.world.session.logout();
                    if random.bool() {
                        logout.await.unwrap();
                    }
                    device.login(device.owner);
                }
                _ => {}
            }
            // Under way while the next call, and perhaps the next rounds and their logins, go on.
            let calls: Vec<_> = (0..random.usize(..4)).map(|_| devices[random.usize(..2)].start(random)).collect();
            if random.bool() {
                settle().await;
            }
            let device = &mut devices[random.usize(..2)];
            let request = device.request(random);
            assert!(matches!(
                call(&mut device.api, request).await.map(|response| response.status().as_u16()),
                Ok(200 | 401)
            ));
            if random.bool() {
                for answer in answers(calls).await {
                    assert!(answer.is_ok_and(|response| matches!(response.status().as_u16(), 200 | 401)));
                }
            }
        }
        for seen in world.resource.seen() {
            let owner = world.issuer.owner_of(seen.token().unwrap()).unwrap();
            assert_eq!(seen.headers["x-owner"], *owner);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_while_another_user_logs_in_is_not_sent_with_that_user_s_token() {
    for_every_credential(async |world| {
        let gate = Gate::closed();
        world.issuer.next(Answer::tokens().behind(&gate));
        let calls = crowd(&world, "/alice", 10).await;
        world.session.login(world.kind.grant(&world.issuer, "bob"));
        assert_eq!(world.get("/bob").await.unwrap().status(), 200);
        gate.open();
        for answer in answers(calls).await {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::LoggedOut);
        }
        assert_eq!(world.resource.count_at("/alice"), 0);
        // Nor is it kept for the calls that follow.
        assert!(world.session.shutdown(Duration::from_secs(1)).await);
        world.get("/bob").await.unwrap();
        assert_eq!(world.issuer.owner_of(world.resource.last().token().unwrap()).unwrap(), "bob");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_rejected_after_another_user_logged_in_is_not_replayed_with_that_user_s_token() {
    for_every_credential(async |world| {
        world.get("/alice").await.unwrap();
        let gate = Gate::closed();
        world.resource.hold("/alice", &gate);
        let calls = crowd(&world, "/alice", 10).await;
        gate.arrived(10).await;
        world.issuer.revoke_all();
        world.session.login(world.kind.grant(&world.issuer, "bob"));
        assert_eq!(world.get("/bob").await.unwrap().status(), 200);
        gate.open();
        for answer in answers(calls).await {
            let response = answer.unwrap();
            assert_eq!((response.status().as_u16(), failure(&response).kind()), (401, ErrorKind::LoggedOut));
        }
        assert_eq!(world.resource.count_at("/alice"), 11);
        assert_eq!(world.issuer.token_requests(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_of_the_user_before_fetches_no_token_for_the_user_who_logged_in() {
    for_every_credential(async |world| {
        world.get("/alice").await.unwrap();
        let gate = Gate::closed();
        world.resource.hold("/alice", &gate);
        let calls = crowd(&world, "/alice", 10).await;
        gate.arrived(10).await;
        world.issuer.revoke_all();
        world.session.login(world.kind.grant(&world.issuer, "bob"));
        gate.open();
        for answer in answers(calls).await {
            assert_eq!(failure(&answer.unwrap()).kind(), ErrorKind::LoggedOut);
        }
        assert_eq!(world.issuer.token_requests(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_was_about_to_go_when_another_user_logged_in_does_not_go() {
    for_every_credential(async |world| {
        let api = world.layer().layer(GlobalConcurrencyLimitLayer::new(1).layer(world.resource.clone()));
        assert_eq!(api.clone().oneshot(get("/alice")).await.unwrap().status(), 200);
        world.issuer.revoke_all();
        let (renewal, held) = (Gate::closed(), Gate::closed());
        world.issuer.next(Answer::tokens().behind(&renewal));
        world.resource.hold("/held", &held);
        let alice = spawn(api.clone().oneshot(get("/alice")));
        renewal.arrived(1).await;
        // Takes the only place, so that the replay has its token and waits for the service.
        let mut request = get("/held");
        request.extensions_mut().insert(WithoutAuth);
        let other = spawn(api.clone().oneshot(request));
        held.arrived(1).await;
        renewal.open();
        settle().await;
        world.session.login(world.kind.grant(&world.issuer, "bob"));
        world.session.token().await.unwrap();
        held.open();
        let response = alice.await.unwrap().unwrap();
        assert_eq!((response.status().as_u16(), failure(&response).kind()), (401, ErrorKind::LoggedOut));
        assert_eq!(other.await.unwrap().unwrap().status(), 401);
        assert_eq!(world.resource.count_at("/alice"), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_copied_the_token_of_one_user_sends_the_next_user_s() {
    for_every_credential(async |world| {
        let mut api = world.api();
        for owner in ["alice", "bob", "alice"] {
            world.session.login(world.kind.grant(&world.issuer, owner));
            // From the second call on the service keeps a copy of its own.
            for _ in 0..3 {
                call(&mut api, get("/orders")).await.unwrap();
                assert_eq!(world.issuer.owner_of(world.resource.last().token().unwrap()).unwrap(), owner);
            }
        }
        assert_eq!(world.issuer.token_requests(), 3);
    })
    .await;
}
