//! How an execution's order is chosen.

use std::cell::Cell;

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId},
};

const SEED: u64 = 0x7265_6175_7468;

thread_local! {
    static SETTLED: Cell<bool> = const { Cell::new(false) };
    static CLOCK: Cell<Option<TaskId>> = const { Cell::new(None) };
}

/// Lets the time pass, from now on, whenever everybody waits and somebody does so between two attempts.
pub fn let_time_pass() {
    drop(shuttle::future::spawn(async {
        CLOCK.set(Some(shuttle::current::me()));
        tokio::time::pass().await;
    }));
}

/// Runs what belongs to no claim, such as its beginning and its last look, in one order only.
pub async fn settled<F: Future>(part: F) -> F::Output {
    SETTLED.set(true);
    let output = part.await;
    SETTLED.set(false);
    output
}

/// All schedules with up to this many preemptions; says how many there were.
pub fn all(preemptions: usize, claim: impl Fn() + Send + Sync + 'static) {
    let executions = run(Bounded { preemptions, ..Bounded::default() }, claim);
    println!("{executions} executions, all with up to {preemptions} preemptions");
}

/// This many schedules, the same in every run: half of them random and half with a few preemptions at random places.
pub fn sample(executions: usize, claim: impl Fn() + Clone + Send + Sync + 'static) {
    run(RandomScheduler::new_from_seed(SEED, executions / 2), claim.clone());
    run(PctScheduler::new_from_seed(SEED, 4, executions / 2), claim);
    println!("{executions} executions, a sample");
}

fn run(scheduler: impl Scheduler + 'static, claim: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = 0x4_0000;
    config.silence_warnings = true;
    Runner::new(ClockLast(scheduler), config).run(move || {
        SETTLED.set(false);
        CLOCK.set(None);
        tokio::time::reset();
        tokio::runtime::reset();
        // Jitter must not differ between two executions of one schedule.
        fastrand::seed(1);
        claim();
    })
}

/// Another scheduler, by which the clock moves only when nobody else can.
#[derive(Debug)]
struct ClockLast<S>(S);

impl<S: Scheduler> Scheduler for ClockLast<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        let clock = CLOCK.get();
        if clock.is_none() || runnable.len() == 1 {
            return self.0.next_task(runnable, current, is_yielding);
        }
        let others: Vec<&Task> = runnable.iter().copied().filter(|task| Some(task.id()) != clock).collect();
        self.0.next_task(&others, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// Depth first through all schedules with a bounded number of preemptions.
#[derive(Debug, Default)]
struct Bounded {
    preemptions: usize,
    // The choice that is made at each step, out of how many.
    path: Vec<(usize, usize)>,
    step: usize,
    spent: usize,
}

impl Scheduler for Bounded {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.step > 0 {
            while let Some((choice, choices)) = self.path.pop() {
                if choice + 1 < choices {
                    self.path.push((choice + 1, choices));
                    break;
                }
            }
            if self.path.is_empty() {
                return None;
            }
        }
        (self.step, self.spent) = (0, 0);
        Some(Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        let mut tasks: Vec<TaskId> = runnable.iter().map(|task| task.id()).collect();
        let current = current.and_then(|current| tasks.iter().position(|task| *task == current));
        if let Some(current) = current {
            tasks.swap(0, current);
        }
        let goes_on = current.is_some() && !is_yielding;
        if SETTLED.get() || (goes_on && self.spent == self.preemptions) {
            // Whoever yields waits for the others.
            return if is_yielding { tasks.last() } else { tasks.first() }.copied();
        }
        if self.step == self.path.len() {
            self.path.push((0, tasks.len()));
        }
        let (choice, choices) = self.path[self.step];
        assert_eq!(choices, tasks.len(), "an execution took another course than the one before it");
        self.step += 1;
        if goes_on && choice > 0 {
            self.spent += 1;
        }
        Some(tasks[choice])
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}
