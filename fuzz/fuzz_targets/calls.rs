#![no_main]
#![allow(dead_code, reason = "the readers of all targets are in one file")]

#[path = "../../checker/tests/hostile/readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    readers::calls(bytes);
});
