//! An agent's JSON-RPC answer: under the caller's id it is the same document but for the id.
#![no_main]

use kagent_core::{
    a2a::jsonrpc::{Method, peek_answer, with_id},
    gocompat::{Json, parse_first},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for method in [Method::Send, Method::SendStream, Method::GetTask] {
        let Ok(answer) = peek_answer(body, method) else {
            continue;
        };
        let before = members(&body[..answer.length]);
        let after = members(&with_id(body, &answer, "\"of the caller\""));
        let is_id = |(name, _): &&(String, Json)| name == "id";
        // Of several the last one counts.
        let (_, id) = after.iter().rev().find(is_id).expect("it has an id");
        assert_eq!(id.as_str(), Some("of the caller"));
        let rest = |all: &[(String, Json)]| all.iter().filter(|it| !is_id(it)).cloned().collect::<Vec<_>>();
        assert_eq!(rest(&before), rest(&after));
    }
});

fn members(document: &[u8]) -> Vec<(String, Json)> {
    match parse_first(document).expect("it is JSON") {
        Json::Object(members) => members,
        other => panic!("not an object: {other:?}"),
    }
}
