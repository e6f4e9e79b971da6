//! `cargo fuzz run dpop`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tower_reauth_fuzz::dpop::check(input));
