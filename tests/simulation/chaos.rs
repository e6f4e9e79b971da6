//! What happens behind the callers' backs.

use crate::{
    issuer::wait,
    script::{End, ORIGINS},
    world::{OWNERS, SESSIONS, World},
};

pub(crate) struct Chaos {
    pub(crate) world: World,
    /// The longest pause between two blows, in milliseconds.
    pub(crate) pause: u64,
}

impl Chaos {
    pub(crate) async fn live(self) {
        loop {
            let pause = self.world.script.lock().rng.u64(1..=self.pause * 4);
            wait(pause).await;
            let blow = self.world.script.lock().rng.u32(..100);
            match blow {
                0..33 => self.revoke(false),
                33..36 => self.revoke(true),
                36..42 => self.kill_refresh_tokens(),
                42..54 => self.other_device(),
                54..58 => self.restart(),
                58..68 => self.stir(),
                68..72 => self.change_password(),
                72..77 => self.break_origin(),
                77..84 => self.end(),
                _ => self.repair(),
            }
        }
    }

    fn revoke(&self, everything: bool) {
        let mut state = self.world.script.lock();
        let alive: Vec<_> = (0..state.pairs.len()).filter(|pair| state.pairs[*pair].lives).collect();
        let chosen = if everything { alive } else { state.rng.choice(alive).into_iter().collect() };
        state.note(|| format!("revoked: {chosen:?}"));
        chosen.into_iter().for_each(|pair| state.pairs[pair].lives = false);
    }

    fn kill_refresh_tokens(&self) {
        let mut state = self.world.script.lock();
        let owner = state.rng.usize(..OWNERS);
        state.note(|| format!("refresh tokens of {owner} die"));
        state.pairs.iter_mut().filter(|pair| pair.owner == owner).for_each(|pair| pair.refreshes = false);
    }

    fn other_device(&self) {
        let mut state = self.world.script.lock();
        let owner = state.rng.usize(..OWNERS);
        let outcome = state.issue(owner, true);
        state.note(|| format!("another device of {owner} gets {outcome:?}"));
    }

    fn restart(&self) {
        let (forgets, broken) = {
            let mut state = self.world.script.lock();
            let forgets = state.rng.bool();
            state.note(|| format!("the issuer restarts, and forgets: {forgets}"));
            (forgets, std::mem::take(&mut state.exchanges))
        };
        drop(broken);
        if forgets {
            self.revoke(true);
        }
    }

    fn stir(&self) {
        let mut state = self.world.script.lock();
        let mut rng = state.rng.fork();
        state.temper.stir(&mut rng);
        state.note(|| "other faults".to_owned());
    }

    fn change_password(&self) {
        let mut state = self.world.script.lock();
        let owner = state.rng.usize(..OWNERS);
        let good = state.rng.bool();
        state.note(|| format!("the password of {owner} is good: {good}"));
        state.passwords[owner] = good;
    }

    fn break_origin(&self) {
        let mut state = self.world.script.lock();
        let origin = state.rng.usize(..ORIGINS.len());
        let broken = state.rng.u32(..3) == 0;
        state.note(|| format!("origin {origin} is broken: {broken}"));
        state.broken_origins[origin] = broken;
    }

    /// Ends a login, in one of the ways in which it can end.
    fn end(&self) {
        let (session, how) = {
            let mut state = self.world.script.lock();
            let session = state.rng.usize(..SESSIONS);
            let how = state.rng.u32(..4);
            match how {
                0 | 1 => state.end(session, End::LoggedOut),
                2 => state.end(session, End::Forgotten),
                _ => {}
            }
            (session, how)
        };
        match how {
            // Nobody waits for the revocation, or somebody does.
            0 => drop(self.world.sessions[session].logout()),
            1 => drop(tokio::spawn(self.world.sessions[session].logout())),
            2 => self.world.sessions[session].forget(),
            _ => self.world.login(session),
        }
    }

    /// People log in again where they have to.
    fn repair(&self) {
        let ended: Vec<_> = {
            let state = self.world.script.lock();
            let is_over = |login: Option<usize>| login.is_none_or(|login| state.logins[login].refused.is_some());
            (0..state.sessions.len()).filter(|session| is_over(state.sessions[*session])).collect()
        };
        ended.into_iter().for_each(|session| self.world.login(session));
    }
}
