//! Versions of the A2A protocol, and which one a caller speaks.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// The header (and query parameter) that names the version; absent means 0.3.
pub const A2A_VERSION: HeaderName = HeaderName::from_static("a2a-version");

/// A version of the A2A protocol.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Version {
    /// 0.3: `message/send`, lower-case states, `kind` discriminators.
    V03,
    /// 1.0: `SendMessage`, ProtoJSON shapes.
    V10,
}

impl Version {
    /// As it is written in the header and in agent cards.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V03 => "0.3",
            Self::V10 => "1.0",
        }
    }

    /// As a header value.
    pub fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }

    /// The version with this name, if it is one of ours.
    pub fn find(name: &str) -> Option<Self> {
        match name {
            "0.3" => Some(Self::V03),
            "1.0" => Some(Self::V10),
            _ => None,
        }
    }

    /// The version a request asks for: the first `A2A-Version` header, else the query parameter, else 0.3.
    ///
    /// # Errors
    /// The text for the caller when the header names a version that is not spoken here. A query parameter that does so is
    /// ignored, as the Go controller ignores them all.
    pub fn of_request(headers: &HeaderMap, uri: &Uri) -> Result<Self, String> {
        if let Some(value) = headers.get(A2A_VERSION) {
            let name = value.as_bytes().trim_ascii();
            if name.is_empty() {
                return Ok(Self::V03);
            }
            return std::str::from_utf8(name)
                .ok()
                .and_then(Self::find)
                .ok_or_else(|| format!("unsupported A2A version \"{}\"", name.escape_ascii()));
        }
        let asked = uri
            .query()
            .into_iter()
            .flat_map(|query| query.split('&'))
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("a2a-version"))
            .and_then(|(_, name)| Self::find(name));
        Ok(asked.unwrap_or(Self::V03))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(header: Option<&[u8]>, uri: &'static str) -> Result<Version, String> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(A2A_VERSION, HeaderValue::from_bytes(value).expect("header"));
        }
        Version::of_request(&headers, &Uri::from_static(uri))
    }

    #[test]
    fn absent_and_empty_mean_0_3() {
        assert_eq!(asked(None, "/"), Ok(Version::V03));
        assert_eq!(asked(Some(b""), "/"), Ok(Version::V03));
        assert_eq!(asked(Some(b" 1.0 "), "/"), Ok(Version::V10));
    }

    #[test]
    fn unknown_versions_are_refused_by_header_and_ignored_in_the_query() {
        for bad in ["0.2", "1.1", "1.0,0.3", "latest"] {
            assert_eq!(
                asked(Some(bad.as_bytes()), "/"),
                Err(format!("unsupported A2A version \"{bad}\""))
            );
        }
        assert_eq!(
            asked(Some(b"\xdcn\xef"), "/"),
            Err("unsupported A2A version \"\\xdcn\\xef\"".to_owned())
        );
        assert_eq!(asked(None, "/?A2A-Version=9"), Ok(Version::V03));
        assert_eq!(asked(None, "/?x=y&A2A-Version=1.0"), Ok(Version::V10));
    }
}
