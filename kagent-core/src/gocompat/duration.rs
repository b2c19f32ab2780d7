//! Parses durations as Go's `time.ParseDuration` does. Negative ones are refused: nothing here waits backwards.

use std::time::Duration;

/// `300ms`, `1.5h`, `2h45m`; every number has a unit, `0` alone needs none. Never negative.
///
/// # Errors
/// A text that completes "the value …".
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || "must be a duration such as 300ms, 1.5h or 2h45m".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(bad());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let number: f64 = number.parse().map_err(|_| bad())?;
        seconds += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(bad()),
            };
        rest = after;
    }
    // Go's durations end at about 292 years.
    if seconds > 9.2e9 {
        return Err("is too long".to_owned());
    }
    Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("300ms", 300),
            ("1.5h", 5_400_000),
            ("2h45m", 9_900_000),
            ("+5s", 5_000),
            (".5s", 500),
            ("1m30s", 90_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(parse_duration("1us1ns"), Ok(Duration::from_nanos(1001)));
        for bad in ["", "5", "-5s", "5 s", "s", "1.2.3s", "5d", "999999999h", "."] {
            assert!(parse_duration(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
