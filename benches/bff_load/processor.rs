//! Threads by the name of what they do, and the time that they had.

use std::{fs, time::Duration};

use tokio::runtime::{Builder, Runtime};

/// A runtime of its own for a part, with a thread for each core.
pub(crate) fn runtime(part: &'static str) -> Runtime {
    Builder::new_multi_thread().thread_name(part).enable_all().build().unwrap()
}

/// The CPU time that the threads of a part have had; none where it is not told as on Linux.
pub(crate) fn time(part: &str) -> Duration {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(Result::ok);
    let of_part = threads
        .map(|thread| thread.path())
        .filter(|thread| fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == part));
    let nanoseconds = of_part.filter_map(|thread| {
        let text = fs::read_to_string(thread.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}
