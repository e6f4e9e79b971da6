//! A day of calls against a server that gives one answer for ever: how often each credential is sent.

use std::time::Duration;

use tokio::time::advance;
use tower_reauth::{Session, Status};

use super::answers::{ROWS, Row, Says};
use crate::support::*;

const DAY: u64 = 24 * 3600;
const BETWEEN: u64 = 20;

/// How often the refresh token and the own credential were sent, and how the session ended.
struct Sends {
    refresh: usize,
    own: usize,
    status: Status,
}

/// A day of it. `worked`: a token was had before, with a refresh token where the kind has one and `refreshes` says so.
async fn day(kind: Kind, row: &Row, worked: bool, refreshes: bool) -> Sends {
    let world = World::new(kind);
    let session: &Session = &world.session;
    if worked {
        let tokens = Answer::tokens().expires_in(1);
        world.issuer.next(if refreshes { tokens.with_refresh_token() } else { tokens.without_refresh_token() });
        session.token().await.unwrap();
    }
    let before = world.issuer.requests().len();
    world.issuer.always(row.answer());
    for _ in 0..DAY / BETWEEN {
        advance(Duration::from_secs(BETWEEN)).await;
        session.token().await.unwrap_err();
    }
    let requests = &world.issuer.requests()[before..];
    let refresh = requests.iter().filter(|one| one.grant_type() == "refresh_token").count();
    Sends { refresh, own: requests.len() - refresh, status: session.status() }
}

/// At most so many sends of a refresh token alone, of a new password, of one that had worked.
fn bounds(says: Says) -> (usize, usize, usize) {
    use Says::{Address, Broken, Client, Code, Known, NotAllowed, Page, Status, Throttled, Vague, Wait};
    match says {
        Known => (2, 1, 2),
        Code => (3, 1, 2),
        Status => (3, 1, 3),
        Vague => (3, 1, 3),
        Address => (3, 5, 40),
        Page => (4320, 2, 40),
        Broken => (4320, 5, 40),
        Client | NotAllowed => (110, 5, 110),
        Throttled => (4320, 5, 300),
        Wait => (4320, 5, 960),
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_again_and_again_in_a_day() {
    println!("answer | refresh alone | new password | password that had worked | both: refresh, password");
    for row in ROWS {
        let alone = day(Kind::RefreshToken, row, true, true).await;
        let new = day(Kind::Password, row, false, false).await;
        let old = day(Kind::Password, row, true, false).await;
        let both = day(Kind::Password, row, true, true).await;
        println!(
            "{} {} | {} {:?} | {} {:?} | {} {:?} | {}, {} {:?}",
            row.status,
            row.body.trim(),
            alone.refresh,
            alone.status,
            new.own,
            new.status,
            old.own,
            old.status,
            both.refresh,
            both.own,
            both.status
        );
        let most = bounds(row.says);
        assert!(alone.refresh <= most.0 && new.own <= most.1 && old.own <= most.2, "{row:?}");
        assert!(both.own <= most.2, "{row:?}");
        // With nothing left, the user is asked; while the server may recover, nobody is.
        let ends = matches!(row.says, Says::Known | Says::Code | Says::Status | Says::Vague);
        assert_eq!(old.status == Status::Refused, ends, "{row:?}");
        assert_eq!(both.status == Status::Refused, ends, "{row:?}");
        assert_eq!(alone.status == Status::Refused, ends || row.says == Says::Address, "{row:?}");
    }
}
