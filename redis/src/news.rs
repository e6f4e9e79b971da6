//! Word between processes, by publish and subscribe.
//!
//! 1. News only make things fast. Some are lost whenever a connection is; sessions look by themselves, too.
//! 2. One connection and one task serve all ears. It subscribes to a channel while some ear listens.
//! 3. Ears are called without a lock.
//! 4. The task lives on the runtime of the set-up, or if that has ended, of whoever listens next.
//! 5. When Redis begins to tell, the ears hear [`News::Free`]: somebody may have waited for that. When it does so again, they hear
//!    [`News::Missed`], and a session looks: they do so in portions, since Redis has just come back for all.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::RedisResult;
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
    task::AbortHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tower_reauth::{Ear, Listening, News, Version};

use crate::{
    failure, names,
    place::Place,
    wire::{Event, Wire},
};

/// A connection that carries nothing for so long is asked whether it lives.
const QUIET: Duration = Duration::from_secs(10);
/// After a connection that broke, at most.
const PAUSE: Duration = Duration::from_secs(1);
/// Whoever wants to know whether it lives waits so long.
const SURE: Duration = Duration::from_millis(400);
/// So many channels are subscribed to by one command.
const CHUNK: usize = 500;
/// So many ears' sessions look at a time, and the next ones after this time.
const PORTION: usize = 500;
const BETWEEN: Duration = Duration::from_millis(50);

/// What a process hears of its records.
pub(crate) struct Switchboard {
    ears: Arc<Ears>,
    place: Place,
    task: Mutex<AbortHandle>,
}

#[derive(Default)]
struct Ears {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    channels: HashMap<Arc<str>, Channel>,
    /// Those that got their first ear, or lost their last.
    dirty: HashSet<Arc<str>>,
    next: u64,
    /// How often the connection was lost.
    cuts: u64,
    /// Who wants to know whether it lives.
    asked: Vec<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Channel {
    ears: Vec<(u64, Ear)>,
    /// Redis has confirmed it.
    live: bool,
    /// Redis told of it before.
    known: bool,
}

/// At some moment.
pub(crate) struct Ourselves {
    pub(crate) told: u64,
    pub(crate) ears: usize,
    cuts: u64,
}

struct Heard {
    board: Arc<Switchboard>,
    channel: Arc<str>,
    id: u64,
}

impl Switchboard {
    pub(crate) fn new(place: Place) -> Arc<Self> {
        let ears = Arc::<Ears>::default();
        let task = Mutex::new(tokio::spawn(serve(Arc::clone(&ears), place.clone())).abort_handle());
        Arc::new(Self { ears, place, task })
    }

    pub(crate) fn listen(self: &Arc<Self>, channel: &Arc<str>, ear: Ear) -> Listening {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_finished()
            && let Ok(runtime) = Handle::try_current()
        {
            *task = runtime.spawn(serve(Arc::clone(&self.ears), self.place.clone())).abort_handle();
        }
        drop(task);
        let (id, is_first) = self.ears.state().add(channel, ear);
        if is_first {
            self.ears.changed.notify_one();
        }
        Listening::new(Heard { board: Arc::clone(self), channel: Arc::clone(channel), id })
    }

    /// What Redis counts of ourselves among those that it tells.
    pub(crate) fn ourselves(&self, channel: &str) -> Ourselves {
        let state = self.ears.state();
        let (told, ears) =
            state.channels.get(channel).map_or((0, 0), |channel| (u64::from(channel.live), channel.ears.len()));
        Ourselves { told, ears, cuts: state.cuts }
    }

    /// Whether Redis has told us all the time since then: we may not know yet that the connection broke.
    pub(crate) async fn has_lived(&self, since: &Ourselves) -> bool {
        let (asked, answered) = oneshot::channel();
        self.ears.state().asked.push(asked);
        self.ears.changed.notify_one();
        matches!(timeout(SURE, answered).await, Ok(Ok(()))) && self.ears.state().cuts == since.cuts
    }
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        self.task.get_mut().unwrap_or_else(PoisonError::into_inner).abort();
    }
}

/// Nobody hears any more, also when the runtime of the task ends.
struct Cut(Arc<Ears>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.state().cut();
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        // The ear is dropped after the lock: nobody knows what it holds.
        let (_ear, was_last) = self.board.ears.state().remove(&self.channel, self.id);
        if was_last {
            self.board.ears.changed.notify_one();
        }
    }
}

impl State {
    /// The number of the ear, and whether it is the first one of its channel.
    fn add(&mut self, channel: &Arc<str>, ear: Ear) -> (u64, bool) {
        self.next += 1;
        let ears = &mut self.channels.entry(Arc::clone(channel)).or_default().ears;
        ears.push((self.next, ear));
        let is_first = ears.len() == 1;
        if is_first {
            self.dirty.insert(Arc::clone(channel));
        }
        (self.next, is_first)
    }

    /// The ear, and whether it was the last one of its channel.
    fn remove(&mut self, name: &Arc<str>, id: u64) -> (Option<Ear>, bool) {
        let Some(channel) = self.channels.get_mut(name) else { return (None, false) };
        let at = channel.ears.iter().position(|(other, _)| *other == id);
        let ear = at.map(|at| channel.ears.swap_remove(at).1);
        let was_last = channel.ears.is_empty();
        if was_last {
            self.channels.remove(name);
            self.dirty.insert(Arc::clone(name));
        }
        (ear, was_last)
    }

    /// Nothing is subscribed to any more.
    fn cut(&mut self) {
        self.cuts += 1;
        self.asked.clear();
        self.dirty = self.channels.keys().cloned().collect();
        for channel in self.channels.values_mut() {
            channel.live = false;
        }
    }

    /// A cluster moved the channel to another node. Says whether somebody still listens.
    #[cfg(feature = "cluster")]
    fn gone(&mut self, name: &str) -> bool {
        let Some((name, _)) = self.channels.get_key_value(name) else { return false };
        self.dirty.insert(Arc::clone(name));
        true
    }

    /// What to subscribe to, and what to unsubscribe from.
    fn take(&mut self) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        std::mem::take(&mut self.dirty).into_iter().partition(|channel| self.channels.contains_key(channel))
    }
}

impl Ears {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, channel: &str, news: News) {
        let ears = self.state().channels.get(channel).map(|channel| channel.ears.clone());
        for (_, ear) in ears.unwrap_or_default() {
            ear.hear(news);
        }
    }

    /// Redis tells of these from now on. Gives back those of which something may have been missed.
    fn live(&self, channels: &[Arc<str>]) -> Vec<Arc<str>> {
        let mut missed = Vec::new();
        for name in channels {
            let mut state = self.state();
            let Some(channel) = state.channels.get_mut(name) else { continue };
            channel.live = true;
            if std::mem::replace(&mut channel.known, true) {
                missed.push(Arc::clone(name));
            } else {
                drop(state);
                self.tell(name, News::Free);
            }
        }
        missed
    }

    async fn wanted(&self) {
        while self.state().channels.is_empty() {
            self.changed.notified().await;
        }
    }
}

async fn serve(ears: Arc<Ears>, place: Place) {
    let _cut = Cut(Arc::clone(&ears));
    let mut silent = false;
    loop {
        ears.state().cut();
        ears.wanted().await;
        let Err(error) = hear(&ears, &place, &mut silent).await;
        let error = failure::told("listen for news", error);
        if std::mem::replace(&mut silent, true) {
            tracing::debug!(%error, "still no news come from Redis");
        } else {
            tracing::warn!(%error, "no news come from Redis: sessions look by themselves, and listening is tried again");
        }
        sleep(PAUSE.mul_f64(0.2 + 0.8 * fastrand::f64())).await;
    }
}

/// One connection, until it breaks.
async fn hear(ears: &Ears, place: &Place, silent: &mut bool) -> RedisResult<Infallible> {
    let mut wire = Wire::to(place).await?;
    let mut missed = VecDeque::new();
    follow(ears, &mut wire, &mut missed).await?;
    *silent = false;
    let mut quiet = Instant::now() + QUIET;
    let mut next = Instant::now();
    loop {
        tokio::select! {
            event = wire.next() => match event? {
                Event::Message(channel, text) => {
                    if let Some(news) = read(&text) {
                        ears.tell(&channel, news);
                    }
                }
                #[cfg(feature = "cluster")]
                Event::Gone(channel) => {
                    if ears.state().gone(&channel) {
                        ears.changed.notify_one();
                    }
                }
            },
            () = ears.changed.notified() => follow(ears, &mut wire, &mut missed).await?,
            () = sleep_until(next), if !missed.is_empty() => {
                for channel in missed.drain(..PORTION.min(missed.len())) {
                    ears.tell(&channel, News::Missed);
                }
                next = Instant::now() + BETWEEN;
                // Nothing came.
                continue;
            }
            () = sleep_until(quiet) => wire.ping().await?,
        }
        quiet = Instant::now() + QUIET;
    }
}

/// Subscribes and unsubscribes as the ears came and went, and makes sure that the connection lives if somebody wants to know.
async fn follow(ears: &Ears, wire: &mut Wire, missed: &mut VecDeque<Arc<str>>) -> RedisResult<()> {
    let (on, off) = ears.state().take();
    for chunk in on.chunks(CHUNK) {
        wire.subscribe(&names_of(chunk)).await?;
        missed.extend(ears.live(chunk));
    }
    for chunk in off.chunks(CHUNK) {
        wire.unsubscribe(&names_of(chunk)).await?;
    }
    let asked = std::mem::take(&mut ears.state().asked);
    if !asked.is_empty() {
        wire.ping().await?;
        for asked in asked {
            let _ = asked.send(());
        }
    }
    Ok(())
}

fn names_of(channels: &[Arc<str>]) -> Vec<&str> {
    channels.iter().map(|name| &**name).collect()
}

/// What is published when somebody asks for tokens in place of these.
pub(crate) fn wanted(dead: Version) -> String {
    format!("w{}", names::digits(dead))
}

fn read(message: &[u8]) -> Option<News> {
    let version = |digits| names::version(str::from_utf8(digits).ok()?);
    match message.split_first()? {
        (b's', digits) => version(digits).map(News::Saved),
        (b'w', digits) => version(digits).map(News::Wanted),
        (b'f', []) => Some(News::Free),
        _ => None,
    }
}
