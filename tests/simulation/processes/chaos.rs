//! What happens to the processes, and to the place where their record stands.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tower_reauth::Record;

use super::{oracle, remote, world::World};

pub(crate) async fn live(world: World) {
    loop {
        let (pause, blow, process) = {
            let mut state = world.scene.lock();
            let (processes, blows) = (state.plan.processes, if state.plan.remote.is_some() { 14 } else { 8 });
            (state.rng.u64(1..=120_000), state.rng.u32(..blows), state.rng.usize(..processes))
        };
        sleep(Duration::from_millis(pause)).await;
        let plan = world.scene.lock().plan.clone();
        match blow {
            0 | 1 if plan.kills => kill(&world, process).await,
            2 | 3 if plan.stops => stop(&world, process),
            4 if plan.logouts => log_out(&world, process).await,
            5 if plan.store_faults => store_fault(&world).await,
            6 if plan.losses => lose(&world),
            6 if plan.revokes => revoke(&world),
            7 | 12 | 13 if !plan.is_calm() => repair(&world, process),
            8 if plan.remote.as_ref().is_some_and(|far| far.deaf) => deafen(&world, process),
            9 if plan.remote.as_ref().is_some_and(|far| far.fail_overs) => fail_over(&world).await,
            10 if plan.remote.as_ref().is_some_and(|far| far.freezes) => freeze(&world),
            11 if plan.remote.as_ref().is_some_and(|far| far.ends) => end_login(&world),
            _ => {}
        }
    }
}

async fn kill(world: &World, process: usize) {
    world.kill(process);
    let pause = world.scene.lock().delay(20_000);
    sleep(Duration::from_millis(pause)).await;
    world.start(process);
    world.call_away(process);
    if process == 0 && world.scene.lock().plan.is_quiet() {
        world.probe(process).await;
    }
}

fn stop(world: &World, process: usize) {
    let Some(life) = world.life(process) else { return };
    let time = {
        let mut state = world.scene.lock();
        let longest = [1, 15, 60, 200][state.rng.usize(..4)];
        let time = Duration::from_secs(state.rng.u64(1..=longest));
        let until = Instant::now() + time;
        state.lives[life].stopped = Some(until);
        state.lives[life].stop = Some(until);
        state.trouble(|| format!("life {life} is stopped for {time:?}"));
        time
    };
    let scene = world.scene.clone();
    tokio::spawn(async move {
        sleep(time).await;
        let mut state = scene.lock();
        if state.lives[life].stopped.is_some_and(|until| until <= Instant::now()) {
            state.lives[life].stopped = None;
            state.trouble(|| format!("life {life} goes on"));
        }
    });
}

async fn log_out(world: &World, process: usize) {
    let Some(session) = world.session(process) else { return };
    let pause = {
        let mut state = world.scene.lock();
        state.login = Some(Instant::now());
        state.note(|| format!("process {process} logs out"));
        state.delay(100_000)
    };
    let _ = timeout(Duration::from_secs(60), session.logout()).await;
    drop(session);
    sleep(Duration::from_millis(pause)).await;
    world.log_in(process);
}

async fn store_fault(world: &World) {
    let time = {
        let mut state = world.scene.lock();
        match state.rng.u32(..3) {
            0 => state.place.fails = true,
            1 => state.place.saves_fail = true,
            _ => state.place.slow = true,
        }
        state.place.failed = Some(Instant::now() + Duration::from_secs(3600));
        state.trouble(|| "the store fails".to_owned());
        state.delay(60_000)
    };
    sleep(Duration::from_millis(time)).await;
    let mut state = world.scene.lock();
    (state.place.fails, state.place.saves_fail, state.place.slow) = (false, false, false);
    // What is under way may still meet it.
    state.place.failed = Some(Instant::now() + Duration::from_secs(3));
    state.trouble(|| "the store works".to_owned());
}

fn deafen(world: &World, process: usize) {
    let Some(life) = world.life(process) else { return };
    let mut state = world.scene.lock();
    let time = Duration::from_millis(state.rng.u64(1..=120_000));
    let all_at_once = state.rng.bool();
    state.lives[life].deaf = Some((Instant::now() + time, all_at_once));
    state.note(|| format!("life {life} hears no news for {time:?}, and then all: {all_at_once}"));
}

/// The store is down, soon after a write, until a replica takes over.
async fn fail_over(world: &World) {
    let (within, lag) = {
        let mut state = world.scene.lock();
        (Duration::from_millis(state.rng.u64(1..=1000)), Duration::from_millis(state.rng.u64(1..=2000)))
    };
    let is_soon = |world: &World| world.scene.lock().place.last_write().is_some_and(|at| at.elapsed() < within);
    for _ in 0..600 {
        if is_soon(world) {
            break;
        }
        sleep(within).await;
    }
    let down = {
        let mut state = world.scene.lock();
        state.place.fails = true;
        state.place.failed = Some(Instant::now() + Duration::from_secs(60));
        state.trouble(|| "the store fails".to_owned());
        let longest = [1, 1000, 30_000][state.rng.usize(..3)];
        state.delay(longest)
    };
    sleep(Duration::from_millis(down)).await;
    remote::fail_over(&world.scene, lag + Duration::from_millis(down));
    let mut state = world.scene.lock();
    state.place.fails = false;
    state.place.failed = Some(Instant::now() + Duration::from_secs(3));
    state.trouble(|| "the store works".to_owned());
}

/// Commands wait at its door, whoever sent them.
fn freeze(world: &World) {
    let mut state = world.scene.lock();
    let time = Duration::from_millis(state.rng.u64(1..=40_000));
    let until = Instant::now() + time;
    state.place.frozen = Some(until);
    state.place.failed = Some(until + Duration::from_secs(3));
    state.trouble(|| format!("the store is frozen for {time:?}"));
}

fn end_login(world: &World) {
    let mut state = world.scene.lock();
    state.trouble(|| "the issuer ends all logins".to_owned());
    // Not one that nobody has used yet: whoever began it would have to log in again.
    state.families.iter_mut().for_each(|family| family.lives &= family.epoch.is_none());
}

fn lose(world: &World) {
    let mut state = world.scene.lock();
    let version = |text: &Option<String>| {
        let record = Record::from_json(text.as_deref()?).expect("a record");
        (!record.is_logged_out()).then_some(record.version().epoch())
    };
    // No login, and no logout.
    let there = version(&state.place.record);
    if there.is_some() && there == version(&state.place.before) {
        state.place.record = state.place.before.clone();
        state.trouble(|| "the store loses its newest write".to_owned());
    }
}

fn revoke(world: &World) {
    let mut state = world.scene.lock();
    state.note(|| "the access tokens die".to_owned());
    state.revoked = Some(Instant::now());
    state.pairs.iter_mut().for_each(|pair| pair.lives = false);
}

/// People log in again where they have to, and start again what was logged out.
fn repair(world: &World, process: usize) {
    let processes = world.scene.lock().plan.processes;
    let lost = {
        let state = world.scene.lock();
        !oracle::is_stored_alive(&state) && !state.plan.is_quiet()
    };
    for other in 0..processes {
        if world.is_there(other) && world.is_logged_out(other) {
            world.start(other);
            world.call_away(other);
        }
    }
    if lost {
        world.log_in(process);
    }
}
