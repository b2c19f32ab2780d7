//! Values in the syntax of Go's flags, which kagent's operators have in their files: durations, booleans, maps.

use std::collections::BTreeMap;

pub(super) use kagent_core::gocompat::parse_duration;

/// `1,t,T,TRUE,true,True` and the same of false, as Go's `ParseBool` has it.
pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// `k=v,k2=v2`: trimmed, empty items skipped, values may hold `=`.
pub(super) fn parse_map(text: &str) -> Result<BTreeMap<String, String>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| match item.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
            _ => Err(format!("item {item:?} must be of the form key=value")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_those_of_go() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(parse_bool(text), Ok(true));
        }
        for text in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(parse_bool(text), Ok(false));
        }
        for bad in ["", "yes", "on", "tRUE"] {
            assert!(parse_bool(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn maps_are_those_of_go() {
        assert_eq!(
            parse_map(" a=1, b = x=y ,,"),
            Ok(BTreeMap::from([
                ("a".to_owned(), "1".to_owned()),
                ("b".to_owned(), "x=y".to_owned())
            ]))
        );
        assert_eq!(parse_map(""), Ok(BTreeMap::new()));
        for bad in ["a", "=1", "a=1,b"] {
            assert!(parse_map(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
