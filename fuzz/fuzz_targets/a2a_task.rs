//! A task from an agent: read, written and read again it says the same, on either wire.
#![no_main]

use kagent_core::{
    a2a::translate::{decode_legacy_task, decode_v1_task, encode_legacy_task, encode_v1_task},
    gocompat::parse_first,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(json) = parse_first(body) else {
        return;
    };
    if let Ok(task) = decode_legacy_task(&json) {
        let again = decode_legacy_task(&encode_legacy_task(&task)).expect("what we wrote can be read");
        assert_eq!(task, again);
    }
    if let Ok(task) = decode_v1_task(&json) {
        let again = decode_v1_task(&encode_v1_task(&task)).expect("what we wrote can be read");
        assert_eq!(task, again);
    }
});
