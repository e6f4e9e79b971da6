//! `cargo fuzz run metadata`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_reauth_fuzz::metadata::check(input));
