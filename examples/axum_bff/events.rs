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
    let session = app.live(&account).await?.ok_or(Problem::LoginRequired)?;
    let listener = app.story.listen(account.key.device);
    let Listener { device, told, lines, stays } = listener.ok_or(Problem::LoginRequired)?;
    let hello = stream::iter([Event::default().event("device").data(device.to_string())]);
    let told = stream::iter(told).map(|line| event(&line));
    let sources = (lines, stays, app.closing());
    let live = stream::unfold((app, Some(sources)), move |(app, sources)| {
        let (account, session) = (account.clone(), session.clone());
        async move {
            let (mut lines, mut stays, mut closing) = sources?;
            let has_left = tokio::select! {
                // What was told before the end is told before the end.
                biased;
                line = lines.recv() => match line {
                    Ok(line) => return Some((event(&line), (app, Some((lines, stays, closing))))),
                    // The user's last device has left.
                    Err(RecvError::Closed) => true,
                    // Too slow a reader: it comes again, and gets what is remembered.
                    Err(RecvError::Lagged(_)) => false,
                },
                _ = stays.changed() => true,
                () = app.ended_elsewhere(&account, &session) => true,
                () = closed(&mut closing) => false,
            };
            // This instance may only have put the session aside: then the page comes again.
            let is_over = has_left && !app.is_live(&account).await.unwrap_or(true);
            is_over.then(|| (ended(), (app, None)))
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
