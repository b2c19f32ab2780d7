//! A request's credentials behind a trusted proxy: nobody without a name gets in.
#![no_main]

use std::sync::LazyLock;

use http::Request;
use kagent_core::auth::{Authenticator, trusted_proxy::TrustedProxy};
use libfuzzer_sys::fuzz_target;

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
});

fuzz_target!(|input: (&[u8], &[u8], &str)| {
    let (token, agent, query) = input;
    let mut request = Request::builder()
        .uri(format!(
            "/api/sessions?user_id={}",
            kagent_fuzz::encode(query.as_bytes())
        ))
        .header("authorization", [b"Bearer ", token].concat());
    if !agent.is_empty() {
        request = request.header("x-agent-name", agent);
    }
    let Ok(request) = request.body(()) else {
        return;
    };
    let (parts, ()) = request.into_parts();
    if let Ok(principal) = RUNTIME.block_on(TrustedProxy::new("email").authenticate(&parts)) {
        assert!(!principal.user_id.is_empty(), "a user without a name");
    }
});
