#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| parallel_pytest::fuzz::zip(data));
