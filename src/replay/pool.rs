//! Buffers for request heads, used over and over so that keeping a head allocates nothing.

use std::{
    cell::{Cell, RefCell},
    hint::black_box,
    mem,
};

/// Buffers of one thread. More calls than this in flight at once allocate.
const MAX_BUFFERS: usize = 32;
/// In bytes. A buffer that grew beyond this for a huge head is freed and not held for ever.
const MAX_ROOM: usize = 4 * 1024;

thread_local! {
    /// Per thread: a lock that every call takes would undo the scaling over threads. A call that ends on another thread
    /// than it began on moves its buffer there, which does no harm.
    static POOL: Pool = const { Pool { next: Cell::new(None), more: RefCell::new(Vec::new()) } };
}

/// The room for the next call stands apart: where one call follows the other, no other is used.
struct Pool {
    next: Cell<Option<Box<[u8]>>>,
    more: RefCell<Vec<Box<[u8]>>>,
}

impl Pool {
    #[inline]
    fn take(&self) -> Option<Box<[u8]>> {
        self.next.take().or_else(|| self.more.borrow_mut().pop())
    }

    #[inline]
    fn put(&self, room: Box<[u8]>) {
        if let Some(other) = self.next.replace(Some(room)) {
            self.put_aside(other);
        }
    }

    #[cold]
    fn put_aside(&self, room: Box<[u8]>) {
        let mut more = self.more.borrow_mut();
        if more.len() < MAX_BUFFERS - 1 {
            more.push(room);
        }
    }
}

/// Bytes that are wiped on drop (invariant 9); their memory then goes to the thread's pool.
///
/// What is not used is zero: clearing the whole room before each use would cost more than the use itself.
#[derive(Default)]
pub(super) struct Buffer {
    room: Box<[u8]>,
    used: usize,
}

impl Buffer {
    /// A buffer from the pool, or one without any room.
    pub(super) fn take() -> Self {
        let room = POOL.try_with(Pool::take);
        Self { room: room.ok().flatten().unwrap_or_default(), used: 0 }
    }

    /// Empties the buffer, and puts room for at least so many bytes in the place of what it had.
    pub(super) fn make_room(&mut self, bytes: usize) {
        self.wipe();
        // The older room is freed: from the pool it would only prove too small once more.
        self.room = vec![0; bytes.next_multiple_of(64)].into();
    }

    /// Lets `write` fill the buffer; it says how many bytes it used, or `None` where it ran out of room.
    pub(super) fn fill(&mut self, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<()> {
        // Until it is known how much was written, all of it counts.
        self.used = self.room.len();
        self.used = write(&mut self.room)?;
        Some(())
    }

    pub(super) fn used(&self) -> &[u8] {
        self.room.get(..self.used).unwrap_or_default()
    }

    /// In bytes, the room.
    pub(super) fn size(&self) -> usize {
        self.room.len()
    }

    /// Gives up the room that is not used.
    pub(super) fn shrink(&mut self) {
        if self.used < self.room.len() {
            *self = Self { room: self.used().into(), used: self.used };
        }
    }

    /// Invariant 9. `zeroize` writes byte by byte, which would cost more than the copy of the head itself; the black box
    /// keeps the compiler from leaving out a write that nobody reads.
    fn wipe(&mut self) {
        let used = self.room.get_mut(..mem::take(&mut self.used)).unwrap_or_default();
        used.fill(0);
        black_box(used);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.wipe();
        let room = mem::take(&mut self.room);
        if !(1..=MAX_ROOM).contains(&room.len()) {
            return;
        }
        // An error says that the thread is about to end: the buffer is freed then.
        let _ = POOL.try_with(|pool| pool.put(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(room: usize, text: &[u8]) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.make_room(room);
        buffer.fill(|room| {
            room.get_mut(..text.len())?.copy_from_slice(text);
            Some(text.len())
        });
        buffer
    }

    fn pooled() -> Vec<Box<[u8]>> {
        POOL.with(|pool| pool.next.take().into_iter().chain(pool.more.take()).collect())
    }

    #[test]
    fn room_is_used_again_and_zero() {
        let buffer = filled(100, b"secret");
        assert_eq!(buffer.used(), b"secret");
        let address = buffer.room.as_ptr();
        drop(buffer);
        let mut buffer = Buffer::take();
        assert_eq!((buffer.room.as_ptr(), buffer.used()), (address, &[][..]));
        buffer.fill(|room| {
            assert_eq!(room, [0; 128]);
            Some(0)
        });
        assert_eq!(Buffer::take().size(), 0);
    }

    #[test]
    fn what_was_written_before_the_room_ran_out_is_wiped() {
        let mut buffer = filled(64, b"");
        let ran_out = buffer.fill(|room| {
            room.fill(b'x');
            None
        });
        assert!(ran_out.is_none());
        drop(buffer);
        assert_eq!(pooled(), [vec![0; 64].into()]);
    }

    #[test]
    fn room_that_was_too_small_is_not_held() {
        let mut buffer = filled(1, b"secret");
        buffer.make_room(65);
        assert_eq!((buffer.size(), buffer.used()), (128, &[][..]));
        drop(buffer);
        assert_eq!(pooled().len(), 1);
    }

    #[test]
    fn shrinking_leaves_what_is_used_and_wipes_the_rest_of_it() {
        let mut buffer = filled(100, b"secret");
        buffer.shrink();
        assert_eq!((&*buffer.room, buffer.used()), (&b"secret"[..], &b"secret"[..]));
        assert_eq!(pooled(), [vec![0; 128].into()]);
    }

    #[test]
    fn number_of_rooms_is_bounded() {
        drop(Vec::from_iter((0..MAX_BUFFERS * 2).map(|_| filled(1, b""))));
        assert_eq!(pooled().len(), MAX_BUFFERS);
    }

    #[test]
    fn huge_and_empty_rooms_are_not_held() {
        drop(filled(MAX_ROOM + 1, b""));
        drop(Buffer::default());
        assert!(pooled().is_empty());
    }
}
