//! `cargo fuzz run recording`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_reauth_fuzz::recording::check(input));
