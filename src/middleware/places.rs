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
    places: OnceLock<Made>,
}

struct Made {
    places: Box<[Place; PLACES]>,
    session: Session,
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
        let place = mine(&self.places.get()?.places)?.0.try_lock().ok()?;
        let copy = place.as_ref().filter(|copy| copy.is_fresh())?;
        let (generation, taken) = (copy.generation, take(copy));
        drop(place);
        // Nobody holds the lock of a place while a session is asked: whoever wipes the places waits for it.
        session.allows_copy_of(generation).then_some(taken)
    }

    /// Keeps a copy at this thread's place. Returns the authorization, which the copy shares nothing with that other threads use.
    pub(super) fn keep(
        self: &Arc<Self>,
        session: &Session,
        scheme: &Scheme,
        authorization: Authorization,
        now: Instant,
    ) -> Authorization {
        // Each such call asks the session: a copy would be made for nothing.
        if authorization.care {
            return dressed(scheme, authorization);
        }
        let made = match self.places.get() {
            Some(made) => made,
            None => {
                // Before there is a place for a copy. Where two threads come at once, the session knows of them twice, which does no harm.
                session.wipes(Arc::downgrade(self) as _);
                self.places.get_or_init(|| Made {
                    places: Box::new(array::from_fn(|_| Place::default())),
                    session: session.clone(),
                })
            }
        };
        let Some(place) = mine(&made.places) else { return dressed(scheme, authorization) };
        let authorization = match place.0.try_lock() {
            Ok(mut place) => {
                let authorization = private(scheme, place.take(), authorization, now);
                *place = Some(authorization.clone());
                authorization
            }
            Err(_) => return dressed(scheme, authorization),
        };
        // Not before it is there: whoever ends a generation says so first, and then comes by here. Either of us takes it away.
        if !session.allows_copy_of(authorization.generation) {
            self.wipe();
        }
        authorization
    }
}

impl Copies for Places {
    fn wipe(&self) {
        for place in self.places.get().into_iter().flat_map(|made| &*made.places) {
            let copy = place.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(copy);
        }
    }
}

impl Drop for Places {
    // The session may live on without this layer, among a million others.
    fn drop(&mut self) {
        if let Some(made) = self.places.get() {
            made.session.forget_copies();
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

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use super::*;
    use crate::{
        error::Error,
        grant::{Grant, grant_fn},
        token::TokenSet,
    };

    /// No test takes so long, unless it waits for what never comes.
    const TOO_LONG: Duration = Duration::from_secs(60);

    fn grant() -> impl Grant {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        grant_fn(async |_context| TokenSet::new(format!("token-{}", NUMBER.fetch_add(1, Ordering::Relaxed))))
    }

    async fn session() -> Session {
        let session = Session::new(grant());
        session.token().await.expect("this grant never fails");
        session
    }

    fn look(session: &Session) -> Result<Option<Authorization>, Error> {
        session.authorization(Instant::now())
    }

    /// Keeps a copy at the places of so many threads.
    fn fill(places: &Arc<Places>, session: &Session, threads: usize) {
        let fill_one = || {
            let authorization = look(session).expect("logged in").expect("a token");
            places.keep(session, &Scheme::default(), authorization, Instant::now());
            assert!(places.copy(session, |_| ()).is_some());
        };
        for _ in 0..threads {
            thread::scope(|scope| scope.spawn(fill_one).join().expect("nothing panics"));
        }
    }

    fn copies(places: &Places) -> usize {
        let made = places.places.get().expect("in use");
        made.places.iter().filter(|place| place.0.lock().expect("nothing panics").is_some()).count()
    }

    #[tokio::test]
    async fn copies_are_wiped_when_the_token_changes_wherever_they_are() {
        let session = session().await;
        let places = Arc::new(Places::default());
        let ends: [fn(&Session); 3] =
            [Session::forget, |session| drop(session.logout()), |session| session.login(grant())];
        for end in ends {
            fill(&places, &session, 5);
            assert_eq!(copies(&places), 5);
            end(&session);
            assert_eq!(copies(&places), 0);
            session.login(grant());
            session.token().await.expect("this grant never fails");
        }
        fill(&places, &session, 5);
        let renewed = session.renew(session.generation()).await;
        assert!(renewed.is_ok());
        assert_eq!(copies(&places), 0);
        fill(&places, &session, 1);
        assert_eq!(copies(&places), 1);
    }

    #[tokio::test]
    async fn copies_of_all_layers_of_a_session_are_wiped_and_of_no_other_session() {
        let (session, other) = (session().await, session().await);
        let layers = [Arc::new(Places::default()), Arc::new(Places::default())];
        let others = Arc::new(Places::default());
        layers.iter().for_each(|places| fill(places, &session, 2));
        fill(&others, &other, 2);
        drop(Arc::new(Places::default()));
        session.forget();
        assert_eq!(layers.each_ref().map(|places| copies(places)), [0, 0]);
        assert_eq!(copies(&others), 2);
    }

    #[tokio::test]
    async fn token_that_was_read_before_the_logout_is_not_kept_after_it() {
        let session = session().await;
        let places = Arc::new(Places::default());
        fill(&places, &session, 1);
        let before = look(&session).expect("logged in").expect("a token");
        session.forget();
        places.keep(&session, &Scheme::default(), before, Instant::now());
        assert_eq!(copies(&places), 0);
        assert!(places.copy(&session, |_| ()).is_none());
    }

    #[tokio::test]
    async fn no_copy_is_made_for_calls_that_ask_the_session_each_time() {
        let session = session().await;
        let places = Arc::new(Places::default());
        let careful = Authorization { care: true, ..look(&session).expect("logged in").expect("a token") };
        let header = places.keep(&session, &Scheme::default(), careful.clone(), Instant::now()).header;
        assert_eq!(header.as_bytes().as_ptr(), careful.header.as_bytes().as_ptr());
        assert!(places.places.get().is_none());
    }

    #[tokio::test]
    async fn copy_is_handed_out_while_the_session_is_locked() {
        let session = session().await;
        let places = Arc::new(Places::default());
        let (ready, is_ready) = mpsc::channel();
        let (go, goes) = mpsc::channel::<()>();
        let (got, has_got) = mpsc::channel();
        let (session, places) = (&session, &places);
        thread::scope(|scope| {
            scope.spawn(move || {
                let authorization = look(session).expect("logged in").expect("a token");
                places.keep(session, &Scheme::default(), authorization, Instant::now());
                ready.send(()).expect("somebody waits");
                goes.recv().expect("somebody lets it go");
                got.send(places.copy(session, |_| ()).is_some()).expect("somebody waits");
            });
            is_ready.recv().expect("the place is full");
            session.locked(|| {
                go.send(()).expect("the thread waits");
                assert_eq!(has_got.recv_timeout(TOO_LONG), Ok(true), "without the session's lock");
            });
        });
    }

    #[tokio::test]
    async fn whoever_finds_another_one_at_its_place_does_not_wait() {
        let session = session().await;
        let places = Arc::new(Places::default());
        let authorization = look(&session).expect("logged in").expect("a token");
        places.keep(&session, &Scheme::default(), authorization.clone(), Instant::now());
        let _taken = mine(&places.places.get().expect("in use").places).expect("a place").0.lock();
        assert!(places.copy(&session, |_| ()).is_none());
        let kept = places.keep(&session, &Scheme::default(), authorization.clone(), Instant::now());
        assert_eq!(kept.generation, authorization.generation);
    }

    #[tokio::test]
    async fn copy_shares_no_bytes_with_the_session_and_is_made_once_for_a_token() {
        let session = session().await;
        let places = Arc::new(Places::default());
        let keep = || {
            let authorization = look(&session).expect("logged in").expect("a token");
            let of_the_session = authorization.header.as_bytes().as_ptr();
            let header = places.keep(&session, &Scheme::bare(), authorization, Instant::now()).header;
            assert!(header.as_bytes().starts_with(b"token-"));
            (of_the_session, header.as_bytes().as_ptr())
        };
        let (of_the_session, first) = keep();
        assert_ne!(of_the_session, first);
        assert_eq!(keep(), (of_the_session, first));
    }
}
