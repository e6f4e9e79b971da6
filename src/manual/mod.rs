//! Chapters that belong to no single type.

pub mod defaults;
pub mod events;
pub mod threats;
