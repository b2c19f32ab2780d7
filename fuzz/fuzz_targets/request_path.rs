//! A request's path by the rules of the Go router: normalizing twice is normalizing once, and a redirect leads to a
//! path that is clean.
#![no_main]

use axum::{body::Body, extract::Request};
use http::{Uri, header};
use kagent_core::web::path::normalize;
use libfuzzer_sys::fuzz_target;

fn request(uri: &str) -> Option<Request> {
    let uri: Uri = uri.parse().ok()?;
    uri.path_and_query()?;
    Request::builder().uri(uri).body(Body::empty()).ok()
}

fuzz_target!(|text: &str| {
    let Some(first) = request(text).filter(|it| it.uri().path().starts_with('/')) else {
        return;
    };
    match normalize(first) {
        Ok(once) => {
            let uri = once.uri().to_string();
            let twice = normalize(once).expect("a normal path is accepted");
            assert_eq!(twice.uri().to_string(), uri);
        }
        Err(answer) if answer.status() == http::StatusCode::MOVED_PERMANENTLY => {
            // A query passes as it came; it may hold bytes that no `str` can.
            let Ok(to) = answer.headers()[header::LOCATION].to_str() else {
                return;
            };
            let next = request(to).expect("a location is a path");
            normalize(next).expect("a redirect leads to a clean path");
        }
        Err(_) => {}
    }
});
