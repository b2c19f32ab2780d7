//! Names of Kubernetes objects as clients write them, refused with the texts of the Go controller.

use crate::error::{Error, Result};

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                     start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
                     validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Whether a namespace may be asked for.
///
/// # Errors
/// `Invalid` when it can be no namespace.
pub(super) fn check_namespace(namespace: &str) -> Result<()> {
    let reason = if namespace.trim() != namespace {
        "must not contain leading or trailing whitespace"
    } else if namespace.contains('.') {
        "must not contain dots"
    } else if namespace.len() > 63 {
        "must be no more than 63 characters"
    } else if !is_label(namespace) {
        LABEL
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("invalid namespace {namespace:?}: {reason}")))
}

/// Whether an object may have this name. A name with a slash is left to the API server.
///
/// # Errors
/// `Invalid` when it is none.
pub(super) fn check_object_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("empty reference string"));
    }
    if name.contains(char::is_whitespace) {
        return Err(Error::invalid(format!(
            "name cannot contain whitespace characters: {name:?}"
        )));
    }
    let reason = if name.len() > 253 {
        "must be no more than 253 characters"
    } else if !name.split(['.', '/']).all(is_label_of_any_length) {
        SUBDOMAIN
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("invalid name {name}: {reason}")))
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_label_of_any_length(text)
}

fn is_label_of_any_length(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(alphanumeric)
        && bytes.last().copied().is_some_and(alphanumeric)
        && bytes.iter().all(|&byte| alphanumeric(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_labels() {
        for good in ["a", "rec-ag3", "0x"] {
            assert!(check_namespace(good).is_ok(), "{good}");
        }
        for bad in [
            "UPPER",
            "a_b",
            " a",
            "a ",
            "a.b",
            "*",
            "-a",
            "ü",
            "a/b",
            &"x".repeat(64),
        ] {
            assert!(check_namespace(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_subdomains() {
        for good in ["a.b", "a-1", &"n".repeat(63)] {
            assert!(check_object_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "-a", "a-", "Bad_Name", "ü", &"n".repeat(254)] {
            assert!(check_object_name(bad).is_err(), "{bad}");
        }
    }
}
