//! Tests of cool-downs: what an origin does, one thing after the other, and how long its routes are left alone then.

use super::*;

const ROUTES: [&[u8]; 3] = [b"/good", b"/bad", b"/worse"];

/// What happens at the one origin. Routes are named by their place, tokens by their number.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A renewal brings this token, because the bad route asked for it.
    Renewed(u64),
    /// So it does, because this one did.
    Asked(usize, u64),
    /// It brings none.
    Failed(u64),
    Rejected(usize, u64),
    Passed(usize, u64),
    /// So many seconds pass.
    After(u64),
}
use Step::*;

struct Known {
    cool_downs: CoolDowns,
    origin: Origin,
    now: Instant,
}

impl Known {
    fn new() -> Self {
        let origin = "https://api.example".parse().unwrap();
        Self { cool_downs: CoolDowns::NONE, origin, now: Instant::now() }
    }

    fn take(&mut self, step: Step) -> Option<Duration> {
        let Self { cool_downs, origin, now } = self;
        let token = Generation::from_number;
        match step {
            Renewed(number) => return self.take(Asked(1, number)),
            Asked(at, number) => {
                cool_downs.awaits(*now, origin, route(at), token(number - 1));
                cool_downs.awaits(*now, origin, route(at), token(number - 1));
                cool_downs.landed(*now, token(number));
            }
            Failed(rejected) => cool_downs.awaits(*now, origin, route(1), token(rejected)),
            Rejected(at, number) => return cool_downs.rejected(*now, origin, route(at), token(number)),
            Passed(at, number) => cool_downs.passed(*now, origin, route(at), token(number)),
            After(seconds) => *now += Duration::from_secs(seconds),
        }
        None
    }

    /// For how many seconds each route is left alone.
    fn left_alone(&self) -> [u64; 3] {
        [0, 1, 2].map(|at| self.cool_downs.check(self.now, &self.origin, route(at)).map_or(0, |left| left.as_secs()))
    }
}

fn route(at: usize) -> Route {
    Route::new(b"GET", ROUTES[at])
}

#[tokio::test(start_paused = true)]
async fn origin_is_left_alone_as_the_table_says() {
    for (name, steps, expected) in [
        ("a rejection alone proves nothing", &[Rejected(1, 1)][..], [0; 3]),
        ("nor does a renewal", &[Renewed(2)], [0; 3]),
        ("rejected at its trial", &[Renewed(2), Rejected(1, 2)], [1; 3]),
        ("or a later one in its stead", &[Renewed(2), Rejected(1, 5)], [1; 3]),
        ("an older one is no trial", &[Renewed(2), Rejected(1, 1)], [0; 3]),
        ("a token that was taken is none (79)", &[Renewed(2), Passed(1, 2), Rejected(1, 2)], [0; 3]),
        ("on another route, too", &[Renewed(2), Passed(0, 2), Rejected(1, 2)], [0; 3]),
        ("an older one that was taken shows nothing", &[Renewed(2), Passed(0, 1), Rejected(1, 2)], [1; 3]),
        ("a flight that failed puts nothing on trial", &[Failed(1), Rejected(1, 1)], [0; 3]),
        ("a trial lasts for a minute", &[Renewed(2), After(60), Rejected(1, 2)], [0; 3]),
        ("a crowd counts once", &[Renewed(2), Rejected(1, 2), Rejected(1, 2), Rejected(0, 2)], [1; 3]),
        ("also when it comes late", &[Renewed(2), Rejected(1, 2), After(2), Rejected(1, 2)], [0; 3]),
        (
            "the next pause is twice as long",
            &[Renewed(2), Rejected(1, 2), After(1), Renewed(3), Rejected(1, 3)],
            [2; 3],
        ),
        (
            "also after one that ended early",
            &[Renewed(2), Rejected(1, 2), Passed(1, 2), Renewed(3), Rejected(1, 3)],
            [2; 3],
        ),
        ("for a minute", &[Renewed(2), Rejected(1, 2), Passed(1, 2), After(60), Renewed(3), Rejected(1, 3)], [1; 3]),
        ("what passes ends it", &[Renewed(2), Rejected(1, 2), Passed(1, 2)], [0; 3]),
        ("with a later token, too", &[Renewed(2), Rejected(1, 2), Passed(1, 3)], [0; 3]),
        ("not with an older one", &[Renewed(2), Rejected(1, 2), Passed(1, 1)], [1; 3]),
        ("also while a renewal is under way", &[Renewed(2), Rejected(1, 2), Failed(2), Passed(1, 2)], [0; 3]),
        ("one route among good ones (105)", &[Renewed(2), Rejected(1, 2), Passed(0, 2)], [0, 60, 0]),
        (
            "whose token had died is no such route",
            &[Renewed(2), Rejected(1, 2), After(1), Renewed(3), Passed(0, 3)],
            [0; 3],
        ),
        (
            "and a revocation heals on those",
            &[Renewed(2), Rejected(1, 2), Passed(0, 2), Asked(0, 3), Rejected(1, 3), Passed(0, 3)],
            [0, 60, 0],
        ),
        (
            "which are heard all the same",
            &[Renewed(2), Rejected(1, 2), Passed(0, 2), Asked(0, 3), Rejected(1, 3), Rejected(0, 3)],
            [60; 3],
        ),
        (
            "after a minute it is tried again, and tells nothing of the others",
            &[Renewed(2), Rejected(1, 2), Passed(0, 2), After(60), Renewed(3), Rejected(1, 3)],
            [0, 60, 0],
        ),
        ("a second such route does", &[Renewed(2), Rejected(1, 2), Passed(0, 2), Asked(2, 3), Rejected(2, 3)], [60; 3]),
        (
            "until one passes again",
            &[Renewed(2), Rejected(1, 2), Passed(0, 2), Asked(2, 3), Rejected(2, 3), Passed(0, 3)],
            [0, 60, 60],
        ),
        (
            "and a route that takes tokens again is as good as any",
            &[Renewed(2), Rejected(1, 2), Passed(0, 2), Passed(1, 2)],
            [0; 3],
        ),
        ("without a replay it is asked for twice", &[Renewed(2), Passed(0, 2), Renewed(3)], [0, 60, 0]),
        ("unless that token was taken (79)", &[Renewed(2), Passed(1, 2), Renewed(3)], [0; 3]),
        ("or none was tried", &[Renewed(2), After(61), Renewed(3)], [0; 3]),
        (
            "and once a minute from then on",
            &[Renewed(2), Passed(0, 2), Renewed(3), Passed(0, 3), After(60), Renewed(4), Passed(0, 4)],
            [0, 60, 0],
        ),
    ] {
        let mut known = Known::new();
        for step in steps {
            known.take(*step);
        }
        assert_eq!(known.left_alone(), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_double_to_a_minute_and_other_origins_have_none() {
    let mut known = Known::new();
    let other: Origin = "https://other.example".parse().unwrap();
    for (token, expected) in (2..).zip([1, 2, 4, 8, 16, 32, 60, 60]) {
        known.take(Renewed(token));
        assert_eq!(known.take(Rejected(1, token)), Some(Duration::from_secs(expected)));
        assert_eq!(known.left_alone(), [expected; 3]);
        assert_eq!(known.cool_downs.check(known.now, &other, route(0)), None);
        known.take(After(expected));
        assert_eq!(known.left_alone(), [0; 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_healed_is_forgotten_at_once_and_the_rest_a_minute_later() {
    let mut known = Known::new();
    for step in [Renewed(2), Passed(1, 2)] {
        known.take(step);
    }
    assert!(known.cool_downs.is_empty());
    for step in [Renewed(3), Rejected(1, 3), Passed(1, 3), After(59)] {
        known.take(step);
        known.cool_downs.tidy(known.now);
        assert!(!known.cool_downs.is_empty() && !known.cool_downs.is_over(known.now), "{step:?}");
    }
    known.take(After(1));
    assert!(known.cool_downs.is_over(known.now));
    known.cool_downs.tidy(known.now);
    assert!(known.cool_downs.is_empty());
}

#[tokio::test(start_paused = true)]
async fn list_is_bounded() {
    let mut cool_downs = CoolDowns::NONE;
    for number in 0..100 {
        let origin = format!("https://api{number}.example").parse().unwrap();
        cool_downs.awaits(Instant::now(), &origin, route(0), Generation::NONE);
    }
    assert_eq!(cool_downs.origins.len(), ORIGINS);
}
