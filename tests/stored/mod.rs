//! Cases 94 to 104 and 107, as far as one process can tell: several sessions on one store stand for as many processes.
#![allow(clippy::unwrap_used, reason = "clippy knows only test functions, not what they share")]
#![allow(unreachable_pub, reason = "one binary of several files")]

mod asks;
mod ceilings;
mod ends;
mod faults;
mod forgetful;
mod logout;
mod many;
mod news;
mod others;
mod renewal;
mod start;
mod wanted;
mod words;
mod world;
