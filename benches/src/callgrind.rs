//! Reads what valgrind's callgrind wrote down.

use std::collections::HashMap;

/// What the C library hands memory out with.
const ALLOCATOR: [&str; 7] = ["malloc", "calloc", "realloc", "free", "aligned_alloc", "memalign", "posix_memalign"];

/// Instructions of one dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instructions {
    pub total: u64,
    /// Those among them that the allocator took, and what it called.
    pub allocator: u64,
}

impl Instructions {
    /// Sums up a dump in [callgrind's format](https://valgrind.org/docs/manual/cl-format.html).
    ///
    /// # Errors
    /// When it has no totals, or numbers that are none.
    pub fn read(dump: &str) -> Result<Self, String> {
        let mut instructions = Self::default();
        let mut names = HashMap::new();
        let (mut caller, mut callee) = ("", "");
        let mut lines = dump.lines();
        while let Some(line) = lines.next() {
            if let Some(function) = line.strip_prefix("fn=") {
                caller = name(function, &mut names);
            } else if let Some(function) = line.strip_prefix("cfn=") {
                callee = name(function, &mut names);
            } else if line.starts_with("calls=") {
                // The next line is the call's place, and what it cost with all that it called.
                let cost = lines.next().and_then(|line| line.split_whitespace().nth(1)).ok_or("a call without cost")?;
                if is_allocator(callee) && !is_allocator(caller) {
                    instructions.allocator += number(cost)?;
                }
            } else if let Some(total) = line.strip_prefix("totals: ") {
                instructions.total = number(total)?;
            }
        }
        if instructions.total == 0 { Err("a dump without totals".to_owned()) } else { Ok(instructions) }
    }

    pub fn outside_the_allocator(self) -> u64 {
        self.total - self.allocator
    }
}

/// `(12) name` the first time, `(12)` from then on.
fn name<'a>(function: &'a str, names: &mut HashMap<&'a str, &'a str>) -> &'a str {
    match function.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(function).copied().unwrap_or_default(),
    }
}

/// Whether it is, a call of it by itself (`free'2`) included.
fn is_allocator(function: &str) -> bool {
    ALLOCATOR.contains(&function.split('\'').next().unwrap_or_default())
}

fn number(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("not a number: {text}"))
}
