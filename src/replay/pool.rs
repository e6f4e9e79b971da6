//! Buffers for request heads, used over and over so that keeping a head allocates nothing.

use std::{cell::RefCell, hint::black_box};

/// Buffers of one thread. More calls than this in flight at once allocate.
const MAX_BUFFERS: usize = 32;
/// In bytes. A buffer that grew beyond this for a huge head is freed and not held for ever.
const MAX_CAPACITY: usize = 4 * 1024;

/// Empty buffers, held per thread: a lock that every call takes would undo the scaling over threads.
///
/// A call that ends on another thread than it began on moves its buffer there, which does no harm.
#[derive(Debug)]
pub(crate) struct BufferPool;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

impl BufferPool {
    /// An empty buffer, with capacity where one was given back on this thread.
    pub(crate) fn take() -> Vec<u8> {
        let pooled = BUFFERS.try_with(|buffers| buffers.borrow_mut().pop());
        pooled.ok().flatten().unwrap_or_default()
    }

    /// Wipes a buffer and keeps it for the next [`take`](Self::take), or frees it where the pool is full.
    pub(crate) fn give(mut buffer: Vec<u8>) {
        wipe(&mut buffer);
        if !(1..=MAX_CAPACITY).contains(&buffer.capacity()) {
            return;
        }
        // An error says that the thread is about to end: the buffer is freed then.
        let _ = BUFFERS.try_with(|buffers| {
            let mut buffers = buffers.borrow_mut();
            if buffers.len() < MAX_BUFFERS {
                buffers.push(buffer);
            }
        });
    }
}

/// Invariant 9: overwrites what was used of the buffer and empties it.
///
/// `zeroize` writes byte by byte over the whole capacity, which would cost more than the copy of the head itself. The
/// black box keeps the compiler from leaving out a write that nobody reads.
pub(super) fn wipe(buffer: &mut Vec<u8>) {
    if !buffer.is_empty() {
        overwrite(buffer);
        buffer.clear();
    }
}

fn overwrite(bytes: &mut [u8]) {
    bytes.fill(0);
    black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained() -> usize {
        std::iter::from_fn(|| Some(BufferPool::take()).filter(|buffer| buffer.capacity() > 0)).count()
    }

    #[test]
    fn buffer_is_used_again_and_empty() {
        let mut buffer = Vec::with_capacity(100);
        buffer.extend_from_slice(b"secret");
        let address = buffer.as_ptr();
        BufferPool::give(buffer);
        let buffer = BufferPool::take();
        assert_eq!((buffer.as_ptr(), buffer.len()), (address, 0));
        assert_eq!(BufferPool::take().capacity(), 0);
    }

    #[test]
    fn number_of_buffers_is_bounded() {
        for _ in 0..MAX_BUFFERS * 2 {
            BufferPool::give(Vec::with_capacity(1));
        }
        assert_eq!(drained(), MAX_BUFFERS);
    }

    #[test]
    fn huge_and_empty_buffers_are_not_held() {
        BufferPool::give(Vec::with_capacity(MAX_CAPACITY + 1));
        BufferPool::give(Vec::new());
        assert_eq!(drained(), 0);
    }

    #[test]
    fn wiped_buffer_is_zeroed_and_empty_and_keeps_its_room() {
        let mut buffer = b"secret".to_vec();
        overwrite(&mut buffer);
        assert_eq!(buffer, [0; 6]);
        wipe(&mut buffer);
        assert!(buffer.is_empty());
        assert_eq!(buffer.capacity(), 6);
    }
}
