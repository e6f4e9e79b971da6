//! `cargo fuzz run answer`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_reauth_fuzz::answer::check(input));
