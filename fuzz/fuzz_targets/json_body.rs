//! A request body read as Go does: where serde_json takes a document, both agree, and what is written reads the same.
#![no_main]

use kagent_core::gocompat::{Fields, parse_first};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let json = match parse_first(body) {
        Ok(json) => json,
        Err(reason) => {
            assert!(!reason.is_empty());
            // Numbers beyond every float are Go's to take or leave; all else that is JSON is taken.
            let refused: Result<Value, _> = serde_json::from_slice(body);
            assert!(
                refused.is_err() || reason.contains("nested") || reason.contains("depth"),
                "{reason}"
            );
            return;
        }
    };
    let text = serde_json::to_string(&json).expect("what was read can be written");
    assert_eq!(parse_first(text.as_bytes()).as_ref(), Ok(&json));
    if let Ok(fields) = Fields::of_body(&json, "httpapi.Body") {
        let _ = fields.string("id", "string");
        let _ = fields.bool("flag", "bool");
        let _ = fields.array("list", "[]string");
        let _ = fields.strings("list");
        let _ = fields.map("metadata");
    }
});
