//! `cargo fuzz run challenge`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_reauth_fuzz::challenge::check(input));
