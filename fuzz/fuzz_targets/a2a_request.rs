//! A caller's JSON-RPC request: what is accepted is JSON, and the frame says what the document says.
#![no_main]

use kagent_core::a2a::{
    Version,
    jsonrpc::{Method, peek_request},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    for version in [Version::V03, Version::V10] {
        match peek_request(body, version) {
            Ok(frame) => {
                let document: Value =
                    serde_json::from_slice(&body[..frame.length]).expect("an accepted request is JSON");
                let method = document["method"].as_str().expect("it names a method");
                assert_eq!(Method::find(method, version), Some(frame.method));
                let id: Value = serde_json::from_str(&frame.id).expect("the id is JSON");
                assert!(id.is_string() || id.is_number() || id.is_null(), "{id}");
            }
            Err(bad) => {
                serde_json::from_str::<Value>(&bad.id).expect("the id of an error is JSON");
            }
        }
    }
});
