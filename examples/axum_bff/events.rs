//! The story as server-sent events. A stream belongs to the cookie session that opened it, and ends with its login.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    app::{App, closed},
    problem::Problem,
    story::{Line, Listener},
    visitor::Account,
};

/// Proxies and browsers take a connection for dead on which nothing happens.
const ALIVE: Duration = Duration::from_secs(15);

/// First the device's number, then what was told, then what happens; `ended` when the login has ended.
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    account: Account,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Listener { device, told, lines, stays } = app.story.listen(account.key.device).ok_or(Problem::LoginRequired)?;
    let hello = stream::iter([Event::default().event("device").data(device.to_string())]);
    let told = stream::iter(told).map(|line| event(&line));
    let live = stream::unfold(Some((lines, stays, app.closing())), |sources| async {
        let (mut lines, mut stays, mut closing) = sources?;
        tokio::select! {
            // What was told before the end is told before the end.
            biased;
            line = lines.recv() => match line {
                Ok(line) => Some((event(&line), Some((lines, stays, closing)))),
                // The user's last device has left.
                Err(RecvError::Closed) => Some((ended(), None)),
                // Too slow a reader: it comes again, and gets what is remembered.
                Err(RecvError::Lagged(_)) => None,
            },
            _ = stays.changed() => Some((ended(), None)),
            () = closed(&mut closing) => None,
        }
    });
    let stream = hello.chain(told).chain(live).map(Ok);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE)))
}

fn event(line: &Line) -> Event {
    let event = Event::default().event("line");
    event.json_data(line).unwrap_or_else(|_| Event::default().comment("a line that can't be told"))
}

fn ended() -> Event {
    Event::default().event("ended").data("log in again")
}
