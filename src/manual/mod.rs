//! Chapters that belong to no single type.

pub mod answers;
pub mod clients;
pub mod defaults;
pub mod events;
pub mod metrics;
pub mod threats;
