//! The story: what each device of a user did, and what the layer did for it. It is told to that user's devices, and to nobody
//! else. It is for show: a product leaves it out, with `layer_events.rs` and `events.rs`.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

use crate::visitor::random;

/// What a page is told when it opens.
const REMEMBERED: usize = 64;

/// A login at a device, in the eyes of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct DeviceId(pub(crate) u64);

/// Something that a device does, from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) device: DeviceId,
    pub(crate) number: u64,
}

/// One line of the story.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// Counts up.
    id: u64,
    /// The device, numbered for its user.
    device: u64,
    deed: u64,
    part: Part,
    text: String,
    /// Milliseconds since 1970.
    at: u64,
}

/// What a line is in its deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    Begins,
    /// The layer works.
    Layer,
    /// The layer sends the request again.
    Replayed,
    Succeeds,
    Fails,
    /// The login is over, which is nobody's failure.
    Ends,
}

/// Everybody's stories.
#[derive(Default)]
pub(crate) struct Story {
    shelf: Mutex<Shelf>,
    last_number: AtomicU64,
}

/// A device's look at its user's story.
pub(crate) struct Listener {
    /// The device, numbered for its user.
    pub(crate) device: u64,
    pub(crate) told: Vec<Line>,
    pub(crate) lines: broadcast::Receiver<Line>,
    /// Closed when the device is logged out.
    pub(crate) stays: watch::Receiver<()>,
}

#[derive(Default)]
struct Shelf {
    users: HashMap<String, User>,
    devices: HashMap<DeviceId, Device>,
    /// What a session of the layer did last: its revocation is told outside of every deed.
    sessions: HashMap<String, Deed>,
}

struct User {
    told: VecDeque<Line>,
    lines: broadcast::Sender<Line>,
    devices: usize,
    last_device: u64,
}

struct Device {
    user: String,
    number: u64,
    session: Option<String>,
    stays: watch::Sender<()>,
}

impl Story {
    /// A new one, that no other instance has: whoever hears of a device must not hear of somebody else's.
    pub(crate) fn device() -> DeviceId {
        DeviceId(u64::from_ne_bytes(random()))
    }

    pub(crate) fn deed(&self, device: DeviceId) -> Deed {
        Deed { device, number: self.number() }
    }

    /// A device is logged in, here or at another instance.
    pub(crate) fn joins(&self, device: DeviceId, user: &str) {
        let mut shelf = self.shelf();
        if shelf.devices.contains_key(&device) {
            return;
        }
        let of_user = shelf.users.entry(user.to_owned()).or_insert_with(User::new);
        of_user.devices += 1;
        of_user.last_device += 1;
        let (user, number, stays) = (user.to_owned(), of_user.last_device, watch::Sender::new(()));
        shelf.devices.insert(device, Device { user, number, session: None, stays });
    }

    /// A device is logged out, or its session has ended.
    pub(crate) fn leaves(&self, device: DeviceId) {
        let mut shelf = self.shelf();
        let Some(Device { user, session, .. }) = shelf.devices.remove(&device) else { return };
        if let Some(session) = session {
            shelf.sessions.remove(&session);
        }
        if let Some(of_user) = shelf.users.get_mut(&user) {
            of_user.devices -= 1;
            if of_user.devices == 0 {
                shelf.users.remove(&user);
            }
        }
    }

    /// Tells the user's devices. Of a device that is not logged in nothing is told.
    pub(crate) fn tell(&self, deed: Deed, part: Part, text: impl Into<String>) {
        let (text, at) = (text.into(), microseconds() / 1000);
        // Numbered under the lock, so that ids count up in the order of telling.
        self.shelf().tell(deed.device, |device| Line { id: self.number(), device, deed: deed.number, part, text, at });
    }

    /// What the user's devices did, and will do; `None` when the device is not logged in.
    pub(crate) fn listen(&self, device: DeviceId) -> Option<Listener> {
        self.shelf().listen(device)
    }

    /// The deed that an event of a session belongs to: the one that it was seen in, or the session's last.
    pub(crate) fn deed_of(&self, session: &str, seen: Option<Deed>) -> Option<Deed> {
        match seen {
            Some(deed) => {
                self.shelf().does(session, deed);
                Some(deed)
            }
            None => self.shelf().sessions.get(session).copied(),
        }
    }

    /// Counts up, and after what other instances have counted: a page that comes from one of them goes on.
    fn number(&self) -> u64 {
        let now = microseconds();
        let next = |last: u64| now.max(last + 1);
        let last = self.last_number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        last.map_or(now, next)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn tell(&mut self, device: DeviceId, line: impl FnOnce(u64) -> Line) {
        if let Some(device) = self.devices.get(&device)
            && let Some(user) = self.users.get_mut(&device.user)
        {
            user.tell(line(device.number));
        }
    }

    fn does(&mut self, session: &str, deed: Deed) {
        // Nothing is noted of a login that may yet fail: nobody would ever leave.
        if let Some(device) = self.devices.get_mut(&deed.device) {
            device.session = Some(session.to_owned());
            self.sessions.insert(session.to_owned(), deed);
        }
    }

    fn listen(&self, device: DeviceId) -> Option<Listener> {
        let device = self.devices.get(&device)?;
        let user = self.users.get(&device.user)?;
        Some(Listener {
            device: device.number,
            told: user.told.iter().cloned().collect(),
            lines: user.lines.subscribe(),
            stays: device.stays.subscribe(),
        })
    }
}

impl User {
    fn new() -> Self {
        Self { told: VecDeque::new(), lines: broadcast::Sender::new(REMEMBERED), devices: 0, last_device: 0 }
    }

    fn tell(&mut self, line: Line) {
        if self.told.len() == REMEMBERED {
            self.told.pop_front();
        }
        self.told.push_back(line.clone());
        // Nobody may be listening.
        let _ = self.lines.send(line);
    }
}

/// Since 1970.
fn microseconds() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros());
    u64::try_from(time).unwrap_or(u64::MAX)
}
