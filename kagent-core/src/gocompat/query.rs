//! Reads query strings as Go does: of repeated parameters the first counts, a pair with `;` or a broken escape is dropped,
//! `+` is a blank.

use std::borrow::Cow;

/// The parameters of a request, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string (without the question mark).
    pub fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';'));
        Self(
            pairs
                .filter_map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    Some((decode_component(name, true)?, decode_component(value, true)?))
                })
                .collect(),
        )
    }

    /// The query of a URI.
    pub fn of(uri: &http::Uri) -> Self {
        Self::parse(uri.query().unwrap_or_default())
    }

    /// The first value of a parameter; absent and empty are the same.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Undoes percent-encoding; bytes that are not UTF-8 become U+FFFD. `None` when an escape is broken.
pub fn decode_component(text: &str, plus_is_blank: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            b'+' if plus_is_blank => b' ',
            other => other,
        });
    }
    Some(match String::from_utf8_lossy(&bytes) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_rules_hold() {
        let query = Query::parse("a=1&a=2&b=x;y&c=%zz&d=p+q&e=%2B&f=&%67=h");
        assert_eq!(query.first("a"), Some("1"));
        assert_eq!(query.first("b"), None);
        assert_eq!(query.first("c"), None);
        assert_eq!(query.first("d"), Some("p q"));
        assert_eq!(query.first("e"), Some("+"));
        assert_eq!(query.first("f"), None);
        assert_eq!(query.first("g"), Some("h"));
    }
}
