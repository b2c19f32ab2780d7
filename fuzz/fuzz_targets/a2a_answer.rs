//! An agent's JSON-RPC answer: under the caller's id it is the same document but for the id.
#![no_main]

use kagent_core::a2a::jsonrpc::{Method, peek_answer, with_id};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|body: &[u8]| {
    for method in [Method::Send, Method::SendStream, Method::GetTask] {
        let Ok(answer) = peek_answer(body, method) else {
            continue;
        };
        let before: Value = serde_json::from_slice(&body[..answer.length]).expect("an accepted answer is JSON");
        let after = with_id(body, &answer, "\"of the caller\"");
        let mut after: Value = serde_json::from_slice(&after).expect("it is still JSON");
        let members = after.as_object_mut().expect("it is an object");
        assert_eq!(members.remove("id"), Some(json!("of the caller")));
        let mut before = before;
        before.as_object_mut().expect("it was an object").remove("id");
        assert_eq!(before, after);
    }
});
