//! What a store tells those who listen: late, in any order, twice, or not at all.

use tokio::time::{Instant, sleep_until};
use tower_reauth::{Ear, News};

use super::{life::Life, scene::Scene};

/// One who listens.
pub(crate) struct Listener {
    pub(crate) number: u64,
    pub(crate) life: usize,
    pub(crate) ear: Ear,
}

/// Listens until it is dropped.
pub(crate) struct Subscription {
    scene: Scene,
    number: u64,
}

pub(crate) fn listen(life: &Life, ear: Ear) -> Subscription {
    let mut state = life.scene.lock();
    let place = &mut state.place;
    place.tickets += 1;
    let number = place.tickets;
    place.ears.push(Listener { number, life: life.number, ear });
    Subscription { scene: life.scene.clone(), number }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _ear = {
            let ears = &mut self.scene.lock().place.ears;
            let at = ears.iter().position(|listener| listener.number == self.number);
            at.map(|at| ears.remove(at))
        };
    }
}

pub(crate) fn carry(scene: &Scene, told: &[News]) {
    let mut letters: Vec<(News, u64, usize, Instant)> = Vec::new();
    {
        let mut state = scene.lock();
        let Some(remote) = state.plan.remote.clone().filter(|_| !told.is_empty()) else { return };
        let now = Instant::now();
        let ears: Vec<_> = state.place.ears.iter().map(|listener| (listener.number, listener.life)).collect();
        for (news, (number, life)) in told.iter().flat_map(|news| ears.iter().map(move |ear| (*news, *ear))) {
            let copies = 1 + usize::from(state.chance(remote.news_repeat));
            for _ in 0..copies {
                let at = now + std::time::Duration::from_millis(state.delay(remote.news_delay));
                let deaf = state.lives[life].deaf.filter(|(until, _)| now < *until);
                match deaf {
                    // All at once when it is over, or that there was something.
                    Some((until, true)) => letters.push((news, number, life, until)),
                    Some((until, false)) => letters.push((News::Missed, number, life, until)),
                    None if state.chance(remote.news_lost) => {}
                    None => letters.push((news, number, life, at)),
                }
            }
        }
    }
    for (news, number, life, at) in letters {
        let life = Life { scene: scene.clone(), number: life };
        tokio::spawn(async move {
            sleep_until(at).await;
            if !life.awakes().await {
                return;
            }
            let ear = {
                let mut state = life.scene.lock();
                state.count("news");
                let listener = state.place.ears.iter().find(|listener| listener.number == number);
                listener.map(|listener| listener.ear.clone())
            };
            if let Some(ear) = ear {
                ear.hear(news);
            }
        });
    }
}
