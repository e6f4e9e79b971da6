//! What many sessions do to one token endpoint.

use futures::future::join_all;
use tower_reauth::{ErrorKind, PasswordGrant, RefreshTokenGrant};

use super::*;

/// Sessions of so many users, whose token requests go through clones of one endpoint.
fn crowd(world: &World, count: usize, limit: Option<usize>) -> Users {
    let users = Users::new(world.clone(), Sessions::new());
    let endpoint = match limit {
        Some(limit) => world.issuer.endpoint().concurrency(limit),
        None => world.issuer.endpoint(),
    };
    for number in 0..count {
        let owner = format!("user-{number}");
        let session = match world.kind {
            Kind::RefreshToken => {
                Session::new(RefreshTokenGrant::new(endpoint.clone(), world.issuer.mint_refresh_token(&owner)))
            }
            // Longer than a request waits for its turn.
            _ => Session::builder(PasswordGrant::new(endpoint.clone(), &*owner, PASSWORD))
                .waiting_time(Duration::from_secs(31))
                .build(),
        };
        users.sessions.insert(key(&owner), session);
    }
    users
}

async fn get_all(users: &Users, count: usize) -> Vec<Answered> {
    join_all((0..count).map(|number| {
        let users = users.clone();
        async move { users.get(&format!("user-{number}")).await }
    }))
    .await
}

#[tokio::test(start_paused = true)]
async fn renewals_of_different_users_run_side_by_side_up_to_the_limit() {
    for kind in [Kind::Password, Kind::RefreshToken] {
        for (limit, expected) in [(None, 64), (Some(5), 5), (Some(0), 1), (Some(usize::MAX), 200)] {
            let world = World::new(kind);
            world.issuer.always(Answer::tokens().after(Duration::from_millis(20)));
            let users = crowd(&world, 200, limit);
            for answer in get_all(&users, 200).await {
                assert_eq!(answer.unwrap().status(), 200);
            }
            assert_eq!((world.issuer.peak(), world.issuer.token_requests()), (expected, 200));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pause_that_the_endpoint_asks_for_holds_those_who_wait_for_their_turn() {
    for kind in [Kind::Password, Kind::RefreshToken] {
        let world = World::new(kind);
        world.issuer.always(Answer::status(429, "").header("retry-after", "30").after(Duration::from_millis(20)));
        let users = crowd(&world, 200, Some(10));
        for answer in get_all(&users, 200).await {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        assert_eq!(world.issuer.token_requests(), 10, "those who had their turn before the pause");
        world.issuer.always(Answer::tokens());
        // A password that may have been counted is held back for longer.
        tokio::time::advance(Duration::from_secs(if kind == Kind::Password { 301 } else { 31 })).await;
        for answer in get_all(&users, 200).await {
            assert_eq!(answer.unwrap().status(), 200);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn password_that_waited_for_its_turn_in_vain_was_not_sent() {
    let world = World::new(Kind::Password);
    let users = crowd(&world, 2, Some(1));
    // Four times: a password may be sent three times in 15 minutes without a success.
    for _ in 0..4 {
        world.issuer.next(Answer::status(503, "").header("retry-after", "30").after(Duration::from_millis(20)));
        let first = users.get("user-0");
        let second = async {
            settle().await;
            users.get("user-1").await
        };
        let (_, second) = tokio::join!(first, second);
        assert_eq!(second.unwrap_err().kind(), ErrorKind::Unavailable);
        tokio::time::advance(Duration::from_secs(31)).await;
    }
    assert_eq!(users.get("user-1").await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn password_that_waited_behind_a_server_that_hangs_was_not_sent() {
    let world = World::new(Kind::Password);
    let users = crowd(&world, 5, Some(1));
    for number in 0..4 {
        world.issuer.next(Answer::never());
        let hanging = tokio::spawn({
            let users = users.clone();
            async move { users.get(&format!("user-{number}")).await }
        });
        settle().await;
        assert_eq!(users.get("user-4").await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(hanging.await.unwrap().unwrap_err().kind(), ErrorKind::WaitedTooLong);
        // Until the exchange that hangs has ended, and the pauses after it.
        tokio::time::sleep(Duration::from_secs(130)).await;
    }
    assert_eq!(users.get("user-4").await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn endpoint_that_hangs_for_some_serves_the_others() {
    let world = World::new(Kind::Password);
    let users = crowd(&world, 11, Some(10));
    for _ in 0..9 {
        world.issuer.next(Answer::never());
    }
    let hanging: Vec<_> = (0..9)
        .map(|number| {
            let users = users.clone();
            tokio::spawn(async move { users.get(&format!("user-{number}")).await })
        })
        .collect();
    world.issuer.arrived(9).await;
    assert_eq!(users.get("user-9").await.unwrap().status(), 200);
    assert_eq!(users.get("user-10").await.unwrap().status(), 200);
    for call in hanging {
        assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::WaitedTooLong);
    }
}
