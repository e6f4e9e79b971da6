//! Device codes (RFC 8628): a device asks with the one code until a user has entered the other.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::tokens::Slot;

/// How long a device may ask.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// How long it waits between two questions, at first. RFC 8628 §3.2 has five seconds where nothing is said.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// What is added each time that it does not wait (RFC 8628 §3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// No vowels, so that no words come of it, and nothing that looks like a digit (RFC 8628 §6.1).
const LETTERS: [char; 20] =
    ['B', 'C', 'D', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Z'];

/// What a device is told when it asks.
pub(super) enum Poll {
    Good(Slot),
    Pending,
    TooSoon,
    Denied,
    Expired,
    Bad,
}

/// All device codes that were not redeemed yet.
#[derive(Default)]
pub(super) struct DeviceCodes {
    devices: Vec<Device>,
}

struct Device {
    device_code: String,
    user_code: String,
    client: String,
    scopes: BTreeSet<String>,
    expires: Instant,
    interval: Duration,
    polled: Option<Instant>,
    decision: Decision,
}

enum Decision {
    Open,
    Allowed(String),
    Denied,
}

impl DeviceCodes {
    /// A device code, and the user code that goes with it.
    pub(super) fn add(&mut self, client: String, scopes: BTreeSet<String>) -> (String, String) {
        let half = || (0..4).map(|_| fastrand::choice(LETTERS).unwrap_or('X')).collect::<String>();
        let (device_code, user_code) = (format!("{:032x}", fastrand::u128(..)), format!("{}-{}", half(), half()));
        self.devices.push(Device {
            device_code: device_code.clone(),
            user_code: user_code.clone(),
            client,
            scopes,
            expires: Instant::now() + LIFETIME,
            interval: INTERVAL,
            polled: None,
            decision: Decision::Open,
        });
        (device_code, user_code)
    }

    pub(super) fn poll(&mut self, device_code: &str, client: &str) -> Poll {
        let is_it = |device: &Device| device.device_code == device_code && device.client == client;
        let Some(at) = self.devices.iter().position(is_it) else { return Poll::Bad };
        let (device, now) = (&mut self.devices[at], Instant::now());
        if device.expires <= now {
            return Poll::Expired;
        }
        if device.polled.replace(now).is_some_and(|before| now < before + device.interval) {
            device.interval += SLOWER;
            return Poll::TooSoon;
        }
        match &device.decision {
            Decision::Open => Poll::Pending,
            Decision::Denied => Poll::Denied,
            Decision::Allowed(_) => {
                let Device { client, scopes, decision: Decision::Allowed(user), .. } = self.devices.swap_remove(at)
                else {
                    return Poll::Bad;
                };
                Poll::Good(Slot { client, user: Some(user), scopes, ..Slot::default() })
            }
        }
    }

    /// Whether a device that has not had its answer shows this code.
    pub(super) fn knows(&mut self, user_code: &str) -> bool {
        self.open(user_code).is_some()
    }

    /// What the user said; `None` is a no.
    pub(super) fn decide(&mut self, user_code: &str, user: Option<String>) {
        if let Some(device) = self.open(user_code) {
            device.decision = user.map_or(Decision::Denied, Decision::Allowed);
        }
    }

    /// People leave out what stands between the letters, and don't care for their case.
    fn open(&mut self, user_code: &str) -> Option<&mut Device> {
        let letters = |code: &str| code.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_uppercase();
        let (asked, now) = (letters(user_code), Instant::now());
        self.devices.iter_mut().find(|device| {
            letters(&device.user_code) == asked && now < device.expires && matches!(device.decision, Decision::Open)
        })
    }
}
