//! Path rules of the Go controller's router, applied before ours: the percent-decoded path counts, an encoded slash
//! splits a segment, and a path that is not clean is answered with 301.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{
    StatusCode, Uri, header,
    uri::{Parts, PathAndQuery},
};

use crate::gocompat::decode_component;

/// Rewrites the request's path to its normal form.
///
/// # Errors
/// What to answer in the router's stead: 301 to the clean path, or 400 for a path that cannot be decoded.
pub fn normalize(mut request: Request) -> Result<Request, Box<Response>> {
    let path = request.uri().path();
    let is_normal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~/".contains(&byte);
    if path.bytes().all(is_normal) && !path.contains("//") {
        return Ok(request);
    }
    let Some(decoded) = decode_component(path, false) else {
        return Err(Box::new((StatusCode::BAD_REQUEST, "400 Bad Request").into_response()));
    };
    let cleaned = clean(&decoded);
    let is_clean = cleaned == decoded;
    let mut encoded = encode(&cleaned);
    if let Some(query) = request.uri().query() {
        encoded.push('?');
        encoded.push_str(query);
    }
    if !is_clean {
        let moved = (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, encoded)]);
        return Err(Box::new(moved.into_response()));
    }
    let mut parts = Parts::default();
    parts.path_and_query = PathAndQuery::try_from(encoded).ok();
    match Uri::from_parts(parts) {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return Err(Box::new((StatusCode::BAD_REQUEST, "400 Bad Request").into_response())),
    }
    Ok(request)
}

/// Go's `path.Clean` for absolute paths, with a final slash kept.
fn clean(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut cleaned = format!("/{}", segments.join("/"));
    if path.ends_with('/') && cleaned != "/" {
        cleaned.push('/');
    }
    cleaned
}

/// Percent-encodes a path as Go's `URL.String` does.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/$&+:=@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn normalized(path: &str) -> String {
        let request = Request::builder().uri(path).body(Body::empty()).expect("request");
        match normalize(request) {
            Ok(request) => request.uri().to_string(),
            Err(response) => format!(
                "{} {}",
                response.status().as_u16(),
                response
                    .headers()
                    .get(header::LOCATION)
                    .map_or("", |location| location.to_str().unwrap_or_default())
            ),
        }
    }

    #[test]
    fn unclean_paths_are_redirected_and_keep_their_query() {
        assert_eq!(
            normalized("/api//sessions?user_id=a%2Bb"),
            "301 /api/sessions?user_id=a%2Bb"
        );
        assert_eq!(normalized("/../api/me"), "301 /api/me");
        assert_eq!(normalized("/api/sessions/./events"), "301 /api/sessions/events");
    }

    #[test]
    fn the_decoded_path_counts() {
        assert_eq!(normalized("/api%2Fme?x=//y"), "/api/me?x=//y");
        assert_eq!(normalized("/api/%6de"), "/api/me");
        assert_eq!(normalized("/api/sessions/per%25cent"), "/api/sessions/per%25cent");
        assert_eq!(normalized("/api/%zz"), "400 ");
    }
}
