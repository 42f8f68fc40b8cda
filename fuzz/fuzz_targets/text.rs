#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| walcat_fuzz::text(input));
