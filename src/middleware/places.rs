//! Copies of the token for services that are cloned for each call, and so keep none.
//!
//! The session's lock is one for all threads, and so is the reference count of the header value that stands behind it: what
//! two threads write to for every call costs more than all else here. So a layer has a few places with copies of its own,
//! and a thread always goes to the same one.
//!
//! 1. A copy is good while its generation is the session's, as that of a service is.
//! 2. Whoever finds another one at its place does not wait: it asks the session.
//! 3. Nobody may ever come by a place again. So it is the session that has the copies wiped, as soon as its token is another
//!    one, and before the logout returns (invariants 6 and 9).

use std::{
    array,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::time::Instant;

use crate::{
    clock,
    scheme::Scheme,
    session::{Authorization, Copies, Session},
};

/// Few enough to be wiped in no time, and enough for the threads of a large runtime.
const PLACES: usize = 32;

/// Those of one layer with one session.
#[derive(Default)]
pub(super) struct Places {
    // Made for the first call that needs them.
    places: OnceLock<Box<[Place; PLACES]>>,
}

/// What processors hand to each other: two lines of their caches at a time.
#[derive(Default)]
#[repr(align(128))]
struct Place(Mutex<Option<Authorization>>);

thread_local! {
    /// Threads are numbered as they come, so that those of one runtime have places of their own.
    static PLACE: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % PLACES
    };
}

impl Places {
    /// Hands the copy at this thread's place to `take`, if it may go with a request.
    #[inline]
    pub(super) fn copy<T>(&self, session: &Session, take: impl FnOnce(&Authorization) -> T) -> Option<T> {
        let place = mine(self.places.get()?)?.0.try_lock().ok()?;
        place.as_ref().filter(|copy| copy.is_good_for(session)).map(take)
    }

    /// Keeps a copy at this thread's place. Returns the authorization, which the copy shares nothing with that other threads use.
    pub(super) fn keep(
        self: &Arc<Self>,
        session: &Session,
        scheme: &Scheme,
        authorization: Authorization,
        now: Instant,
    ) -> Authorization {
        let places = self.places.get_or_init(|| {
            session.wipes(Arc::downgrade(self) as _);
            Box::new(array::from_fn(|_| Place::default()))
        });
        let Some(mut place) = mine(places).and_then(|place| place.0.try_lock().ok()) else {
            return dressed(scheme, authorization);
        };
        let authorization = private(scheme, place.take(), authorization, now);
        // Under the lock of the place: whoever ends a generation says so first, and then comes by here.
        if session.allows_copy_of(authorization.generation) {
            *place = Some(authorization.clone());
        }
        authorization
    }
}

impl Copies for Places {
    fn wipe(&self) {
        for place in self.places.get().into_iter().flat_map(|places| &**places) {
            let copy = place.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(copy);
        }
    }
}

fn mine(places: &[Place; PLACES]) -> Option<&Place> {
    places.get(PLACE.try_with(|place| *place).ok()?)
}

/// The token under this scheme.
pub(super) fn dressed(scheme: &Scheme, mut authorization: Authorization) -> Authorization {
    if scheme.is_own() {
        authorization.header = scheme.copy(&authorization.header);
    }
    authorization
}

/// The token under this scheme in memory that is shared with nobody, to be kept for a while.
pub(super) fn private(
    scheme: &Scheme,
    before: Option<Authorization>,
    mut authorization: Authorization,
    now: Instant,
) -> Authorization {
    // The same token has the same generation: what was made for it is as good as ever.
    authorization.header = match before.filter(|before| before.generation == authorization.generation) {
        Some(before) => before.header,
        None => scheme.copy(&authorization.header),
    };
    // No longer than a look at the clocks holds: the machine may sleep meanwhile. Whoever takes care asks for each call.
    authorization.fresh_until = if authorization.care {
        Some(now)
    } else {
        authorization.fresh_until.map(|until| until.min(now + clock::LOOK))
    };
    authorization
}
