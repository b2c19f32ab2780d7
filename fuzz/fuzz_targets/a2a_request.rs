//! A caller's JSON-RPC request: what is accepted is JSON as Go reads it, and the frame says what the document says.
#![no_main]

use kagent_core::{
    a2a::{
        Version,
        jsonrpc::{Method, peek_request},
    },
    gocompat::{Json, parse_first},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    for version in [Version::V03, Version::V10] {
        match peek_request(body, version) {
            Ok(frame) => {
                let document = parse_first(&body[..frame.length]).expect("an accepted request is JSON");
                let Json::Object(members) = &document else {
                    panic!("not an object: {document:?}");
                };
                // Names count by their case, and of several the last one.
                let method = members.iter().rev().find(|(name, _)| name == "method");
                let method = method.and_then(|(_, it)| it.as_str()).expect("it names a method");
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
