//! `cargo fuzz run fault`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_reauth_fuzz::fault::check(input));
