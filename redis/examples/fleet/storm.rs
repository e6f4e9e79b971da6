//! The storm: again and again the token dies under all replicas, and every third time one of those that wait for the next token is
//! killed.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    board::{Board, Doing},
    crew::Crew,
    gateway::Gateway,
    screen::Screen,
    sum::Sum,
};

/// In milliseconds, between the moment when all have a token and its end.
const PAUSE: std::ops::Range<u64> = 300..900;
/// Nothing here takes so long unless something is broken: a lease of a dead replica would be over.
const LIMIT: Duration = Duration::from_secs(30);

/// Until it is dropped, or something is broken.
pub(crate) async fn rage(
    gateway: &Gateway,
    crew: &Crew,
    board: &watch::Sender<Board>,
    screen: &Screen,
    sum: &mut Sum,
) -> anyhow::Result<()> {
    until(board, |board| board.all_beyond(0)).await.context("not all replicas got a 200")?;
    screen.tell("all replicas call with the token of the login");
    for turn in 1.. {
        sleep(Duration::from_millis(fastrand::u64(PAUSE))).await;
        let token = board.borrow().newest_token();
        sum.deaths.push(gateway.issuer.token_requests());
        gateway.end_token();
        until(board, |board| board.who(Doing::Renews).is_some()).await.context("no replica renews")?;
        let renews = board.borrow().who(Doing::Renews).map_or(0, |at| at + 1);
        screen.tell(&format!("token {token} is dead: replica {renews} renews it"));
        if turn % 3 == 2 {
            until(board, |board| board.who(Doing::Waits).is_some()).await.context("no replica waits")?;
            let victim = board.borrow().who(Doing::Waits);
            if let Some(victim) = victim {
                crew.kill(victim).await?;
                screen.tell(&format!("replica {} is killed while it waits, and started again", victim + 1));
                crew.begin(victim).await?;
                sum.kills += 1;
            }
        }
        until(board, |board| board.all_beyond(token)).await.context("not all replicas got the next token")?;
    }
    Ok(())
}

async fn until(board: &watch::Sender<Board>, happens: impl Fn(&Board) -> bool) -> anyhow::Result<()> {
    let mut seen = board.subscribe();
    let waited = seen.wait_for(|board| happens(board) || board.who(Doing::Ended).is_some());
    let board = timeout(LIMIT, waited).await.context("after 30 s")??;
    match board.who(Doing::Ended) {
        Some(at) => bail!("replica {} ended by itself", at + 1),
        None => Ok(()),
    }
}
