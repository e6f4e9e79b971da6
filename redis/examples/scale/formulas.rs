//! What a fleet asks of Redis, by arithmetic.

use super::simulation::{POLL, Sample};

/// Between two looks for news of a session with traffic, in seconds: `RedisStore::news_every`.
pub(crate) const NEWS_EVERY: f64 = 4.0;
/// Between seven and eight tenths of its life a token is renewed ahead of its end.
pub(crate) const AHEAD: (f64, f64) = (0.7, 0.1);
/// Commands of a replica that renews: look, lease, look again, claim, save, give the lease back.
pub(crate) const RENEWING: f64 = 6.0;
/// What it publishes meanwhile: the tokens, and the end of the lease.
pub(crate) const PUBLISHED: f64 = 2.0;
/// Commands of any other replica that has the session: it hears of the tokens, and loads them.
pub(crate) const ADOPTING: f64 = 1.0;
/// Commands for a session that a replica does not know: it is loaded, its channel is subscribed to, and let go of in the end.
pub(crate) const ARRIVING: f64 = 3.0;
/// A fleet and its users.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    pub(crate) replicas: f64,
    /// Logged in.
    pub(crate) sessions: f64,
    /// Those of them with calls now.
    pub(crate) active: f64,
    /// A second, of each session with calls.
    pub(crate) calls: f64,
    /// The calls of a session go to one replica, as long as that lives.
    pub(crate) sticky: bool,
    /// Of an access token, in seconds.
    pub(crate) lifetime: f64,
    /// A replica forgets a session that had no call for so long, in seconds.
    pub(crate) idle: f64,
}

/// What Redis has to do, a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) looks: f64,
    /// Replicas that meet a session which they don't know.
    pub(crate) arrivals: f64,
    pub(crate) renewals: f64,
    pub(crate) renewal_commands: f64,
    pub(crate) published: f64,
    /// Published messages, once for each replica that hears them.
    pub(crate) messages: f64,
    /// At a time, not a second.
    pub(crate) subscriptions: f64,
}

impl Load {
    pub(crate) fn commands(&self) -> f64 {
        self.looks + self.arrivals * ARRIVING + self.renewal_commands
    }
}

impl Fleet {
    /// A thousand replicas, ten million sessions.
    pub(crate) const LARGE: Self = Self {
        replicas: 1_000.0,
        sessions: 10_000_000.0,
        active: 1_000_000.0,
        calls: 0.1,
        sticky: true,
        lifetime: 3_600.0,
        idle: 1_800.0,
    };

    /// Replicas that may get a call of one session.
    fn spread(&self) -> f64 {
        if self.sticky { 1.0 } else { self.replicas }
    }

    /// Of one session, calls a second at one of these replicas.
    fn calls_at_one(&self) -> f64 {
        self.calls / self.spread()
    }

    /// The part of the time in which one of these replicas does not have the session: its calls come by chance.
    fn forgotten(&self) -> f64 {
        (-self.calls_at_one() * self.idle).exp()
    }

    /// Replicas that have one session at a time.
    pub(crate) fn holders(&self) -> f64 {
        self.spread() * (1.0 - self.forgotten())
    }

    /// From one renewal to the next. Who has the session alone renews at a random moment between 0.7 and 0.8 of the token's life, with
    /// the next call. If it is spread over many, each call meets a moment of its own, and the first that is past it renews.
    pub(crate) fn renewal_interval(&self) -> f64 {
        let (from, wide) = (AHEAD.0 * self.lifetime, AHEAD.1 * self.lifetime);
        if self.sticky {
            from + wide / 2.0 + 1.0 / self.calls
        } else {
            from + (std::f64::consts::PI * wide / (2.0 * self.calls)).sqrt()
        }
    }

    pub(crate) fn load(&self) -> Load {
        let (rate, holders) = (self.calls_at_one(), self.holders());
        let arrivals = self.active * self.calls * self.forgotten();
        // A look is over for `NEWS_EVERY`; the next call after that looks again. A session that was just loaded has looked.
        let looks = self.active * self.spread() * rate / (1.0 + NEWS_EVERY * rate) - arrivals;
        let renewals = self.active / self.renewal_interval();
        Load {
            looks,
            arrivals,
            renewals,
            renewal_commands: renewals * (RENEWING + ADOPTING * (holders - 1.0).max(0.0)),
            published: renewals * PUBLISHED,
            messages: renewals * PUBLISHED * holders,
            subscriptions: self.active * holders,
        }
    }
}

/// The fleets of the manual's table, and how they are played.
pub(crate) fn fleets() -> [(&'static str, Fleet, Sample); 4] {
    let large = Fleet::LARGE;
    let service = Fleet { sessions: 1.0, active: 1.0, calls: 1_000.0, sticky: false, ..large };
    let users = Sample { sessions: 200, seconds: 10_800.0, token_request: 0.1 };
    [
        ("sticky, one session of ten with traffic", large, users),
        ("sticky, all with traffic", Fleet { active: large.sessions, ..large }, users),
        ("not sticky, one of ten with traffic", Fleet { sticky: false, ..large }, users),
        ("one login of the service itself, in all replicas", service, Sample { sessions: 1, seconds: 500.0, ..users }),
    ]
}

/// Commands of a replica whose call is rejected while another one renews, in a token request of so many seconds: a look that finds the
/// claim, one at each poll, and two for the tokens. Who comes before the claim stands there also asks
/// for the lease.
pub(crate) fn waiting(token_request: f64) -> f64 {
    let (mut looks, mut pause, mut left) = (3.0, POLL.0, token_request);
    while left > pause {
        left -= pause;
        looks += 1.0;
        pause = (pause * 2.0).min(POLL.1);
    }
    looks
}

/// The tables of the manual's page, as they stand there.
pub(crate) fn tables() -> String {
    let mut lines = vec![
        "| a second | looks | sessions loaded | renewals | commands in all | messages | subscriptions (at a time) |"
            .to_owned(),
        "| --- | --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    for (name, fleet, _) in fleets() {
        let load = fleet.load();
        let figures = [load.looks, load.arrivals, load.renewals, load.commands(), load.messages, load.subscriptions];
        lines.push(format!("| {name} | {} |", figures.map(written).join(" | ")));
    }
    lines.join("\n")
}

/// Three digits that count.
fn written(figure: f64) -> String {
    if figure < 0.000_05 {
        return "0".to_owned();
    }
    if figure < 100.0 {
        let places = (2.0 - figure.log10().floor()).clamp(0.0, 6.0) as usize;
        return format!("{figure:.places$}");
    }
    let unit = 10_f64.powf(figure.log10().floor() - 2.0);
    let digits = ((figure / unit).round() * unit).round().to_string();
    let grouped = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    grouped.collect::<Vec<_>>().join(",")
}
