//! Ages as `kubectl` shows them: `5s`, `3m10s`, `2d4h`.

use jiff::Timestamp;

/// The time from `then` until `now`; `<unknown>` without one, `<invalid>` if it cannot be read.
pub(super) fn since(then: &str, now: Timestamp) -> String {
    if then.is_empty() {
        return "<unknown>".to_owned();
    }
    match then.parse::<Timestamp>() {
        Ok(then) => show(now.as_second() - then.as_second()),
        Err(_) => "<invalid>".to_owned(),
    }
}

fn show(seconds: i64) -> String {
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{big_unit}"),
        _ => format!("{big}{big_unit}{small}{small_unit}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        // A second of skew between clocks is none.
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_or_two_units() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (119, "119s"),
            (120, "2m"),
            (190, "3m10s"),
            (3600, "60m"),
            (4 * 3600 + 60, "4h1m"),
            (40 * 3600, "40h"),
            (49 * 3600, "2d1h"),
            (400 * 86_400, "400d"),
            (3 * 365 * 86_400 + 86_400, "3y1d"),
        ] {
            assert_eq!(show(seconds), text);
        }
        assert_eq!(since("", Timestamp::UNIX_EPOCH), "<unknown>");
    }
}
