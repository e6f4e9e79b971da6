"""Copies the sources and the model to another place, with defects in them that a test can switch on one at a time.

A seed that no longer fits the sources ends the run: write it anew, don't drop it.
"""

import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent

# defect: [(file under src/, what stands there once, what stands there instead)]; SEEDED is whether it is switched on.
SEEDS = {
    "flight_is_taken_out_before_its_answer_is_in": [
        (
            "session/launch.rs",
            "let landing = session.change(|state| {",
            """if SEEDED {
            session.change(|state| {
                if let Some(login) = &mut state.login {
                    login.rare_mut().flight = None;
                }
            });
        }
        let landing = session.change(|state| {""",
        )
    ],
    "waiters_are_woken_before_the_answer_is_in": [
        (
            "session/launch.rs",
            "let mut late = None;",
            """if SEEDED {
            drop(self.waiters.land(answer.as_ref().map(|_| Generation::next()).map_err(Clone::clone)));
        }
        let mut late = None;""",
        )
    ],
    "landing_does_not_look_which_login_it_is": [
        (
            "session/launch.rs",
            "login.epoch == order.epoch) else {",
            "SEEDED || login.epoch == order.epoch) else {",
        ),
        ("session/state/landing.rs", "if self.is_flown_by(order.flight) {", "if SEEDED || self.is_flown_by(order.flight) {"),
    ],
    "generation_is_told_after_the_lock": [
        (
            "session/inner.rs",
            "self.generation.store(state.generation().number() | watched, Ordering::Release);",
            """let told_late = state.generation().number() | watched;
        if !SEEDED {
            self.generation.store(told_late, Ordering::Release);
        }""",
        ),
        (
            "session/inner.rs",
            "        if changed {\n",
            """        if SEEDED {
            self.generation.store(told_late, Ordering::Release);
        }
        if changed {
""",
        ),
    ],
    "generation_is_told_before_the_change": [
        (
            "session/inner.rs",
            "let result = act(&mut state);",
            """if SEEDED {
            self.generation.store(state.generation().number(), Ordering::Release);
        }
        let told_early = self.generation.load(Ordering::Acquire);
        let result = act(&mut state);""",
        ),
        (
            "session/inner.rs",
            "let changed = (state.status(), state.epoch()) != before;",
            """if SEEDED {
            self.generation.store(told_early, Ordering::Release);
        }
        let changed = (state.status(), state.epoch()) != before;""",
        ),
    ],
    "status_is_told_as_it_was_under_the_lock": [
        (
            "session/inner.rs",
            "        drop(state);\n",
            "        let status_then = state.status();\n        drop(state);\n",
        ),
        (
            "session/inner.rs",
            "            self.tell_status();\n",
            """            if SEEDED {
                if let Some(told) = self.subscribers() {
                    told.send_if_modified(|known| std::mem::replace(known, status_then) != status_then);
                }
            } else {
                self.tell_status();
            }
""",
        ),
    ],
    "status_is_the_one_that_was_told_last": [
        (
            "session/mod.rs",
            "        self.inner.status()\n",
            """        match self.inner.subscribers() {
            Some(told) if SEEDED => *told.borrow(),
            _ => self.inner.status(),
        }
""",
        )
    ],
    "compare_and_swap_is_left_out": [
        (
            "session/need.rs",
            "held.generation != generation\n",
            "!SEEDED && held.generation != generation\n",
        )
    ],
    "flight_under_way_is_not_joined": [
        (
            "session/ask.rs",
            "if let Some(flight) = self.flight() {",
            "if let Some(flight) = self.flight().filter(|_| !SEEDED) {",
        )
    ],
    "replay_does_not_look_which_login_it_is": [
        (
            "session/ask.rs",
            "let login = state.login.as_ref().filter(|login| login.epoch == epoch).ok_or_else(logged_out)?;",
            """let login = state.login.as_ref().filter(|login| SEEDED || login.epoch == epoch);
            let login = login.ok_or_else(logged_out)?;""",
        )
    ],
    "replay_goes_without_a_last_look": [
        (
            "middleware/recovery/call.rs",
            "    pub(super) proofs: Option<Box<Proofs>>,\n}",
            "    pub(super) proofs: Option<Box<Proofs>>,\n    pub(super) looked: Option<Authorization>,\n}",
        ),
        (
            "middleware/recovery/mod.rs",
            "first: Some(Box::new((request, first))),",
            "first: Some(Box::new((request, first))),\n            looked: None,",
        ),
        ("middleware/recovery/mod.rs", "first: None,", "first: None,\n            looked: None,"),
        (
            "middleware/recovery/call.rs",
            "        let Some(response) = self.response.take() else { return Ok(self.ready()) };\n",
            """        if SEEDED {
            self.looked = self.session.authorization_of(self.epoch).ok();
        }
        let Some(response) = self.response.take() else { return Ok(self.ready()) };
""",
        ),
        (
            "middleware/recovery/prove.rs",
            "match self.session.authorization_of(self.epoch) {",
            "match self.looked.take().map_or_else(|| self.session.authorization_of(self.epoch), Ok) {",
        ),
    ],
    "copied_token_is_used_whatever_its_generation": [
        (
            "session/mod.rs",
            "self.inner.allows_copy_of(generation)",
            "(SEEDED || self.inner.allows_copy_of(generation))",
        )
    ],
    "copied_token_outlives_a_renewal": [
        (
            "session/mod.rs",
            "self.inner.allows_copy_of(generation))",
            "self.inner.allows_copy_of(generation) || SEEDED && self.status() == crate::Status::Active)",
        )
    ],
    "death_of_a_flight_is_not_told": [
        (
            "session/launch.rs",
            "        let error = lost(\"the renewal died",
            """        if SEEDED {
            return;
        }
        let error = lost(\"the renewal died""",
        )
    ],
    "waiter_looks_for_the_landing_before_it_queues": [
        (
            "session/state/waiters.rs",
            "let landing = waiters.with(|queue| {",
            "let seen = waiters.have_landed();\n        let landing = waiters.with(|queue| {",
        ),
        (
            "session/state/waiters.rs",
            "            if queue.landing.is_none() {",
            "            if queue.landing.is_none() || SEEDED && !seen {",
        ),
        (
            "session/state/waiters.rs",
            "            queue.landing.clone()\n        });",
            "            queue.landing.clone().filter(|_| seen || !SEEDED)\n        });",
        ),
    ],
    "who_is_left_when_the_waking_ends_is_not_woken": [
        (
            "session/state/waiters.rs",
            "        while self.waiters.wake(BATCH).0 {}",
            "        while !SEEDED && self.waiters.wake(BATCH).0 {}",
        ),
        (
            "session/state/waiters.rs",
            "        let Some(number) = self.number.take() else { return };\n",
            "        let Some(number) = self.number.take().filter(|_| !SEEDED) else { return };\n",
        ),
    ],
    "dead_flight_is_not_taken_out": [
        (
            "session/launch.rs",
            "                    && login.is_flown_by(self.id)\n",
            "                    && login.is_flown_by(self.id) && !SEEDED\n",
        )
    ],
    "flight_learns_of_the_logout_after_the_lock": [
        (
            "session/revocation.rs",
            """            login.part(parting);
            Some(login)
        })?;
""",
            """            let mut late = Some(parting);
            if !SEEDED {
                login.part(late.take().unwrap_or_default());
            }
            Some((login, late))
        });
        let (login, late) = login?;
        late.map(|parting| login.part(parting));
""",
        )
    ],
    "whoever_was_woken_does_not_wake_the_next": [
        ("session/state/waiters.rs", "        if woken {\n", "        if woken && !SEEDED {\n"),
    ],
    "waiter_does_not_give_up_what_is_overdue": [
        (
            "session/waiting.rs",
            "if let Some(session) = &session {",
            "if let Some(session) = session.as_ref().filter(|_| !SEEDED) {",
        )
    ],
    "flight_that_was_given_up_leaves_no_pause": [
        (
            "session/state/landing.rs",
            "        self.lost(now, &error);\n        Some(GivenUp",
            "        if !SEEDED {\n            self.lost(now, &error);\n        }\n        Some(GivenUp",
        )
    ],
    "late_landing_takes_the_next_flight_out": [
        (
            "session/state/landing.rs",
            "        let brought = answer?;\n        if !self.takes_late",
            """        if SEEDED {
            self.rare_mut().flight = None;
        }
        let brought = answer?;
        if !self.takes_late""",
        )
    ],
    "late_answer_is_kept_whatever_came_meanwhile": [
        ("session/state/landing.rs", "if !self.takes_late(order) {", "if !SEEDED && !self.takes_late(order) {"),
    ],
    "claim_is_not_written": [
        (
            "session/visit.rs",
            "            let spending = Some(claim(",
            "            let spending = (!SEEDED).then(|| claim(",
        )
    ],
    "nobody_looks_again_with_the_lease": [
        (
            "session/visit.rs",
            "                    asked = true;\n                    continue;\n",
            "                    asked = true;\n                    if !SEEDED {\n                        continue;\n                    }\n",
        )
    ],
    "login_after_a_mark_is_ones_own": [
        (
            "session/state/stored.rs",
            "            None => known.seen = Some(found.version),\n",
            "            None => {\n                known.fresh |= SEEDED;\n                known.seen = Some(found.version);\n            }\n",
        )
    ],
    "refusal_is_believed_without_a_look": [
        (
            "session/ladder.rs",
            "        TokenVerdict::Refused(_) => visit?.look(session, order).await,\n",
            "        TokenVerdict::Refused(_) if !SEEDED => visit?.look(session, order).await,\n",
        )
    ],
    "newer_record_is_written_over": [
        (
            "store/record.rs",
            "if seen.is_none_or(|seen| current.version > seen) {",
            "if !SEEDED && seen.is_none_or(|seen| current.version > seen) {",
        )
    ],
    "tokens_are_handed_out_before_they_are_saved": [
        (
            "session/visit.rs",
            "        let saved = loop {\n",
            """        if SEEDED {
            let (shelf, name, saved, seen) = (self.lease.shelf().clone(), order.session, record.clone(), self.seen);
            tokio::spawn(async move { drop(shelf.save(name, &saved, seen).await) });
            return Ok(Brought::Saved { tokens, record: Box::new(record), unsaved: false });
        }
        let saved = loop {
""",
        )
    ],
    "what_could_not_be_saved_is_not_tried_again": [
        (
            "session/pending.rs",
            "    let _older = shelf.pending(|present| present.replace(pending));\n",
            "    let _older = shelf.pending(|present| present.replace(pending));\n"
            "    if SEEDED {\n        return;\n    }\n",
        )
    ],
    "lease_is_given_back_before_the_save": [
        (
            "session/visit.rs",
            "        // One that was refused in this flight is not kept for others.\n",
            "        if SEEDED {\n            drop(self.lease.give());\n        }\n"
            "        // One that was refused in this flight is not kept for others.\n",
        )
    ],
    "lease_is_never_given_back": [
        (
            "session/holding.rs",
            "            _ => Some(lease),\n",
            "            _ if SEEDED => {\n                std::mem::forget(lease);\n                None\n            }\n"
            "            _ => Some(lease),\n",
        )
    ],
    "logout_leaves_no_mark": [
        (
            "session/removal.rs",
            "            let Some(last) = last else { return Ok(None) };\n",
            "            let Some(last) = last.filter(|_| !SEEDED) else { return Ok(found) };\n",
        )
    ],
    "pair_that_a_mark_overtook_is_not_revoked": [
        (
            "session/overtaken.rs",
            "    if newer.is_logged_out() || order.parting().revoke {\n",
            "    if (newer.is_logged_out() || order.parting().revoke) && !SEEDED {\n",
        )
    ],
    "whoever_waits_is_not_woken": [
        (
            "session/reach.rs",
            "    pub(super) async fn pause(&self, time: Duration) {\n",
            "    pub(super) async fn pause(&self, time: Duration) {\n"
            "        if SEEDED {\n            return tokio::time::sleep(time).await;\n        }\n",
        )
    ],
    "lease_counts_as_a_claim": [
        (
            "session/visit.rs",
            "            let record = Record { spending, ..record };\n",
            "            let spending = spending.filter(|_| !SEEDED || !lease.is_held());\n"
            "            let record = Record { spending, ..record };\n",
        )
    ],
    "asks_are_not_answered": [
        (
            "session/hearing.rs",
            "            News::Wanted(dead) => {\n",
            "            News::Wanted(_) if SEEDED => {}\n            News::Wanted(dead) => {\n",
        )
    ],
}

SWITCH = """
std::thread_local! {
    static DEFECT: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

/// Switches a defect on, for this thread.
pub fn seed(defect: &'static str) {
    DEFECT.set(defect);
}

pub(crate) fn is_seeded(defect: &str) -> bool {
    DEFECT.get() == defect
}
"""


def main():
    to = pathlib.Path(sys.argv[1])
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(HERE.parent / "src", to / "src")
    shutil.copytree(HERE, to / "model", ignore=shutil.ignore_patterns("target"))
    # Another version, so that cargo does not take the one for the other where both are built into one place.
    for manifest in [*to.glob("model/**/Cargo.toml"), to / "model" / "Cargo.lock"]:
        manifest.write_text(manifest.read_text().replace('version = "0.0.0"', 'version = "0.0.1"'))
    for defect, changes in SEEDS.items():
        for file, old, new in changes:
            path = to / "src" / file
            text = path.read_text()
            if text.count(old) != 1:
                sys.exit(f"the seed {defect} does not fit src/{file}: found {text.count(old)} times\n{old}")
            path.write_text(text.replace(old, new.replace("SEEDED", f'crate::is_seeded("{defect}")')))
    library = to / "src" / "lib.rs"
    library.write_text(library.read_text() + SWITCH)


main()
