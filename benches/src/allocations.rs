//! Counts what a program allocates, and what it holds.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering},
};

/// The system's allocator, with a counter for every allocation and every growth, and one for the bytes that are held.
pub struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicU64 = AtomicU64::new(0);

/// How many allocations there were since the program began.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// How many bytes were asked for and not given back.
pub fn held() -> u64 {
    HELD.load(Ordering::Relaxed)
}

fn allocated(bytes: usize) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    HELD.fetch_add(bytes as u64, Ordering::Relaxed);
}

fn freed(bytes: usize) {
    HELD.fetch_sub(bytes as u64, Ordering::Relaxed);
}

// SAFETY: everything is left to the system's allocator; a counter does not touch memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        allocated(size);
        freed(layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        freed(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }
}
