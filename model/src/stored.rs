//! What holds where sessions, each of a process of its own, share a store. Each function is one execution of one claim, and
//! panics where it does not hold.

use std::time::Duration;

use secrecy::ExposeSecret;
use shuttle::future::{JoinHandle, block_on, spawn};
use tower_reauth::{ErrorKind, Grant, PasswordGrant, Record, RefreshTokenGrant, Session, Status, TokenSet};

use crate::{
    family::{self, Family},
    schedule::{let_time_pass, settled},
    store::{Faults, Store},
    world::LIFETIME,
};

const FOREVER: Duration = Duration::from_secs(1 << 32);
/// Past the limit of a renewal, and with it past any claim.
const OVERDUE: Duration = Duration::from_secs(122);
/// A session that may go on looks again after that time.
const NEWS: Duration = Duration::from_secs(31);

const MOMENT: Duration = Duration::from_millis(1);

type Outcome = Result<usize, ErrorKind>;

/// A store and a server.
#[derive(Clone, Debug)]
struct Place {
    store: Store,
    family: Family,
}

/// The token expired: all get the one that one of them fetches.
pub fn processes_share_one_renewal(sessions: usize) {
    share_one_renewal(sessions, Faults::default());
}

/// As the one above, where nothing but the version and the claims protects.
pub fn processes_without_leases_share_one_renewal(sessions: usize) {
    share_one_renewal(sessions, Faults { no_leases: true, ..Faults::default() });
}

/// As the one above, where a load may answer what stood there before.
pub fn old_answers_cost_nothing(sessions: usize) {
    share_one_renewal(sessions, Faults { no_leases: true, repeats: 1..4, ..Faults::default() });
}

/// A claim is lost: the lease protects.
pub fn the_lease_protects_when_a_claim_is_lost(sessions: usize) {
    share_one_renewal(sessions, Faults { forgets: 0..1, ..Faults::default() });
}

/// A token set can't be saved at first: it is handed out, nobody spends the older one, and it is saved in the end.
pub fn what_cannot_be_saved_is_saved_later(sessions: usize) {
    share_one_renewal(sessions, Faults { fails: 1..3, ..Faults::default() });
}

/// A token set is saved, and whoever saved it is told that it was not.
pub fn what_seems_to_be_unsaved_is_not_lost(sessions: usize) {
    share_one_renewal(sessions, Faults { loses_answers: 1..3, ..Faults::default() });
}

/// A lease runs out in the middle of a flight: the claim protects, and the version decides.
pub fn a_lease_that_runs_out_costs_nothing(sessions: usize) {
    share_one_renewal(sessions, Faults { run_out: 0..2, ..Faults::default() });
}

/// The clock stands still: whoever waits for another one goes on because it is told, and by nothing else.
pub fn whoever_waits_is_woken(sessions: usize) {
    block_on(async {
        let place = Place::with_token(Faults { news: true, ..Faults::default() });
        let sessions = place.sessions(sessions);
        settled(place.begin(&sessions)).await;
        for outcome in place.ask_all(&sessions) {
            assert_eq!(outcome.await.expect("nobody aborts this"), Ok(2));
        }
        settled(place.ends_well(&sessions, 2)).await;
    });
}

/// As the one above, where leases run out and nobody who waits for one is told when.
pub fn news_and_leases_that_run_out_cost_nothing(sessions: usize) {
    share_one_renewal(sessions, Faults { news: true, run_out: 0..2, ..Faults::default() });
}

fn share_one_renewal(sessions: usize, faults: Faults) {
    block_on(async {
        let place = Place::with_expired_token(faults, false);
        let sessions = place.sessions(sessions);
        for outcome in place.ask_all(&sessions) {
            assert_eq!(outcome.await.expect("nobody aborts this"), Ok(2));
        }
        settled(place.ends_well(&sessions, 2)).await;
    });
}

/// Nothing stands in the store: all get the token of one login.
pub fn processes_share_one_login(sessions: usize) {
    block_on(async {
        let place = Place::empty(Faults::default(), false);
        let sessions: Vec<_> = (0..sessions).map(|_| place.session(place.password_grant())).collect();
        for outcome in place.ask_all(&sessions) {
            assert_eq!(outcome.await.expect("nobody aborts this"), Ok(1));
        }
        settled(place.ends_well(&sessions, 1)).await;
    });
}

/// The login was ended: all get the token of the one login that follows.
pub fn processes_share_one_login_after_a_logout(sessions: usize) {
    block_on(async {
        let place = Place::with_token(Faults::default());
        let sessions: Vec<_> = (0..sessions).map(|_| place.session(place.password_grant())).collect();
        settled(async {
            let former = &place.sessions(1)[0];
            assert_eq!(place.ask(former).await, Ok(1));
            former.logout().await.expect("the tokens are revoked");
        })
        .await;
        for outcome in place.ask_all(&sessions) {
            assert_eq!(outcome.await.expect("nobody aborts this"), Ok(2));
        }
        settled(place.ends_well(&sessions, 2)).await;
    });
}

/// The password is wrong: it is sent once, and all learn of it.
pub fn processes_share_one_refusal(sessions: usize) {
    block_on(async {
        let place = Place::empty(Faults::default(), false);
        let tokens = TokenSet::new("a-0").expect("this is a token").with_lifetime(LIFETIME);
        place.store.put(Record::new(tokens));
        tokio::time::advance(LIFETIME);
        place.family.refuses_logins();
        let sessions: Vec<_> = (0..sessions).map(|_| place.session(place.password_grant())).collect();
        for outcome in place.ask_all(&sessions) {
            let outcome = outcome.await.expect("nobody aborts this");
            assert!(outcome.is_err(), "{outcome:?}");
        }
        settled(async {
            place.rests(&sessions).await;
            assert_eq!(place.family.refused_logins(), Some(1), "one token request");
        })
        .await;
    });
}

/// A claim is lost, and nothing else protects: whoever is refused, since another one was first, goes on with what that one
/// saved.
pub fn whoever_came_second_adopts(sessions: usize) {
    block_on(async {
        let faults = Faults { no_leases: true, forgets: 0..1, ..Faults::default() };
        let place = Place::with_expired_token(faults, true);
        let sessions = place.sessions(sessions);
        let mut refused = 0;
        for outcome in place.ask_all(&sessions) {
            match outcome.await.expect("nobody aborts this") {
                Err(ErrorKind::Refused) => refused += 1,
                outcome => assert_eq!(outcome, Ok(2)),
            }
        }
        settled(async {
            let (refusals, late) = place.family.refusals();
            assert!(refused <= refusals - late, "refused although the store had something better");
            // Time for another look.
            tokio::time::advance(Duration::from_secs(2));
            place.ends_well(&sessions, 2).await;
        })
        .await;
    });
}

/// The refresh token is dead, and another session has the password: it is asked, logs in once, and all go on with that.
pub fn whoever_has_the_password_is_asked(callers: usize) {
    block_on(async {
        let place = Place::with_token(Faults { news: true, ..Faults::default() });
        let helper = place.session(place.password_grant());
        let all = [place.sessions(1).remove(0), helper];
        settled(async {
            place.begin(&all).await;
            place.family.ends();
        })
        .await;
        for outcome in place.ask_all(&vec![all[0].clone(); callers]) {
            assert_eq!(outcome.await.expect("nobody aborts this"), Ok(2));
        }
        settled(place.ends_well(&all, 2)).await;
    });
}

/// One logs out while others renew: the login is over for all, and nothing of it is left, in the store or at the server.
pub fn a_logout_wins_over_the_flights_of_others(others: usize) {
    log_out_meanwhile(others, 1, Faults::default());
}

/// As the one above, where nothing but the version protects.
pub fn a_logout_wins_without_leases(others: usize) {
    log_out_meanwhile(others, 1, Faults { no_leases: true, ..Faults::default() });
}

/// As the first one, where those who wait for the lease are told, and it may run out.
pub fn a_logout_wins_over_those_who_wait_for_the_lease(others: usize) {
    log_out_meanwhile(others, 1, Faults { news: true, run_out: 0..1, ..Faults::default() });
}

/// The one who logs out renews.
pub fn a_logout_wins_over_its_own_flight(callers: usize) {
    log_out_meanwhile(callers, 0, Faults::default());
}

/// The first of the sessions logs out; those from `from` on renew.
fn log_out_meanwhile(callers: usize, from: usize, faults: Faults) {
    block_on(async {
        let place = Place::with_token(faults);
        let sessions = place.sessions(if from == 0 { 1 } else { callers + 1 });
        settled(async {
            place.begin(&sessions).await;
        })
        .await;
        let askers: Vec<_> = match from {
            0 => vec![sessions[0].clone(); callers],
            _ => sessions[from..].to_vec(),
        };
        let outcomes = place.ask_all(&askers);
        let logout = spawn({
            let session = sessions[0].clone();
            async move { session.logout().await }
        });
        for outcome in outcomes {
            let outcome = outcome.await.expect("nobody aborts this");
            assert!(matches!(outcome, Ok(2) | Err(ErrorKind::LoggedOut | ErrorKind::Refused)), "{outcome:?}");
        }
        logout.await.expect("nobody aborts this").expect("the tokens are revoked");
        settled(async {
            place.rests(&sessions).await;
            assert!(!place.family.is_alive(), "a token outlived its login");
            for session in &sessions {
                // Time for another look.
                tokio::time::advance(NEWS);
                let _ = place.ask(session).await;
            }
            place.rests(&sessions).await;
            for session in &sessions {
                assert_eq!(place.ask(session).await, Err(ErrorKind::LoggedOut));
                assert_eq!(session.status(), Status::LoggedOut);
            }
            assert!(place.store.current().is_some_and(|record| record.is_logged_out()), "the login came back");
            assert!(!place.family.is_alive(), "a token outlived its login");
        })
        .await;
    });
}

/// The last handle of a session goes while it renews: its answer is saved, and another one goes on with it.
pub fn the_last_handle_goes_and_the_answer_is_saved(others: usize) {
    the_last_handle_goes(others, Faults::default());
}

/// As the one above, where it can't be saved at first.
pub fn the_last_handle_goes_and_the_answer_is_saved_later(others: usize) {
    the_last_handle_goes(others, Faults { fails: 1..3, ..Faults::default() });
}

fn the_last_handle_goes(others: usize, faults: Faults) {
    block_on(async {
        let may_fail = !faults.fails.is_empty();
        let place = Place::with_expired_token(faults, false);
        let victim = place.ask_all(&place.sessions(1)).remove(0);
        let abort = victim.abort_handle();
        let gone = spawn(async move { abort.abort() });
        let others = place.sessions(others);
        for outcome in place.ask_all(&others) {
            match outcome.await.expect("nobody aborts this") {
                // It may have been another's claim that could not be saved, or taken back.
                Err(ErrorKind::Store) if may_fail => {}
                outcome => assert_eq!(outcome, Ok(2)),
            }
        }
        gone.await.expect("nobody aborts this");
        let _ = victim.await;
        settled(async {
            tokio::time::advance(OVERDUE);
            // A save may fail here as well, and then there is a pause.
            for session in others.iter().filter(|_| may_fail) {
                for _ in 0..4 {
                    if place.ask(session).await.is_ok() {
                        break;
                    }
                    tokio::time::advance(OVERDUE);
                }
            }
            place.ends_well(&others, 2).await;
        })
        .await;
    });
}

impl Place {
    fn empty(faults: Faults, forgives: bool) -> Self {
        // What is told must be enough.
        let store = Store::new(faults);
        if !store.stands_still() {
            let_time_pass();
        }
        let family = Family::new(&store, forgives);
        Self { store, family }
    }

    fn with_token(faults: Faults) -> Self {
        Self::filled(Self::empty(faults, false))
    }

    fn with_expired_token(faults: Faults, forgives: bool) -> Self {
        let place = Self::filled(Self::empty(faults, forgives));
        tokio::time::advance(LIFETIME);
        place
    }

    fn filled(self) -> Self {
        self.store.put(Record::new(self.family.first()));
        self
    }

    fn password_grant(&self) -> PasswordGrant {
        PasswordGrant::new(self.family.endpoint(), "alice", "password")
    }

    fn session(&self, grant: impl Grant) -> Session {
        Session::builder(grant).waiting_time(FOREVER).store(self.store.clone(), "alice").build()
    }

    fn sessions(&self, sessions: usize) -> Vec<Session> {
        (0..sessions).map(|_| self.session(RefreshTokenGrant::stored(self.family.endpoint()))).collect()
    }

    fn ask_all(&self, sessions: &[Session]) -> Vec<JoinHandle<Outcome>> {
        let ask = |session: &Session| {
            let (place, session) = (self.clone(), session.clone());
            spawn(async move { place.ask(&session).await })
        };
        sessions.iter().map(ask).collect()
    }

    async fn ask(&self, session: &Session) -> Outcome {
        let number = family::number(&session.token().await.map_err(|error| error.kind())?);
        assert!(self.store.knows(number), "a token was handed out before it was saved");
        Ok(number)
    }

    /// All have the first token, and it has just expired.
    async fn begin(&self, sessions: &[Session]) {
        for session in sessions {
            assert_eq!(self.ask(session).await, Ok(1));
        }
        tokio::time::advance(LIFETIME);
    }

    /// Nothing is under way any more.
    async fn rests(&self, sessions: &[Session]) {
        if self.store.stands_still() {
            let_time_pass();
        }
        // The clock moves when nobody else can.
        tokio::time::sleep(MOMENT).await;
        for session in sessions {
            assert!(session.shutdown(FOREVER).await);
        }
        assert!(!self.store.is_leased(), "a lease was not given back");
    }

    /// All have the newest pair, which is this one, and so has the store.
    async fn ends_well(&self, sessions: &[Session], number: usize) {
        self.rests(sessions).await;
        for session in sessions {
            assert_eq!(self.ask(session).await, Ok(number));
        }
        self.rests(sessions).await;
        assert_eq!(self.family.issued(), number, "one token request");
        let record = self.store.current().expect("something was saved");
        let refresh_token = record.refresh_token().map(|token| family::number_of(token.expose_secret()));
        assert!(self.store.holds(number) && refresh_token == Some(number), "the store has an older pair");
    }
}
