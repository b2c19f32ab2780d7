//! Times and query strings as Go reads them: nothing panics, and a time that was read is written in a form that reads.
#![no_main]

use kagent_core::gocompat::{Query, TimeLayout, decode_component, parse_time};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for layout in [TimeLayout::Rfc3339, TimeLayout::Rfc3339Nano] {
        if let Ok(time) = parse_time(text, layout) {
            assert_eq!(parse_time(&time.to_string(), layout), Ok(time));
        }
    }
    let query = Query::parse(text);
    let _ = query.first("user_id");
    assert_eq!(
        decode_component(&kagent_fuzz::encode(text.as_bytes()), false).as_deref(),
        Some(text)
    );
});
