//! Kubernetes quantities (`2000m`, `0.5Gi`) in canonical form: no fraction, the largest suffix that allows it.

/// The canonical form; the text itself where it is no quantity.
pub(super) fn canonical(text: &str) -> String {
    rewrite(text).unwrap_or_else(|| text.to_owned())
}

fn rewrite(text: &str) -> Option<String> {
    let split = text.find(|character: char| !character.is_ascii_digit() && !matches!(character, '.' | '-' | '+'));
    let (number, suffix) = text.split_at(split.unwrap_or(text.len()));
    let (number, exponent) = match suffix.strip_prefix(['e', 'E']) {
        Some(exponent) if !exponent.is_empty() => (number, exponent.parse::<i32>().ok()?),
        _ => (number, decimal_exponent(suffix).unwrap_or_default()),
    };
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    let body = if let Some(power) = binary_power(suffix) {
        write_binary(mantissa, places, power)?
    } else if suffix.starts_with(['e', 'E']) && suffix.len() > 1 {
        // Scientific notation is kept by the API server; its canonical forms are rarely seen.
        return None;
    } else {
        decimal_exponent(suffix)?;
        write_decimal(mantissa, exponent - places)?
    };
    Some(if negative && body != "0" {
        format!("-{body}")
    } else {
        body
    })
}

fn decimal_exponent(suffix: &str) -> Option<i32> {
    Some(match suffix {
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "" => 0,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        _ => return None,
    })
}

fn binary_power(suffix: &str) -> Option<u32> {
    ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
        .iter()
        .position(|known| *known == suffix)
        .and_then(|position| u32::try_from(position + 1).ok())
}

/// `mantissa` × 10^`exponent` with a decimal suffix. Finer than a nano is rounded up, as the API server does.
fn write_decimal(mut mantissa: i128, mut exponent: i32) -> Option<String> {
    if mantissa == 0 {
        return Some("0".to_owned());
    }
    while exponent < -9 {
        mantissa = mantissa / 10 + i128::from(mantissa % 10 != 0);
        exponent += 1;
    }
    while mantissa % 10 == 0 {
        mantissa /= 10;
        exponent += 1;
    }
    while exponent.rem_euclid(3) != 0 || exponent > 18 {
        mantissa = mantissa.checked_mul(10)?;
        exponent -= 1;
    }
    let suffix = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let suffix = suffix.get(usize::try_from(exponent / 3 + 3).ok()?)?;
    Some(format!("{mantissa}{suffix}"))
}

/// `mantissa` / 10^`places` × 1024^`power` with a binary suffix, or as a decimal where that is not a whole number.
fn write_binary(mantissa: i128, places: i32, power: u32) -> Option<String> {
    let divisor = 10_i128.checked_pow(u32::try_from(places).ok()?)?;
    let scaled = mantissa.checked_mul(1024_i128.checked_pow(power)?)?;
    if scaled % divisor != 0 {
        return write_decimal(mantissa.checked_mul(1024_i128.checked_pow(power)?)?, -places);
    }
    let mut value = scaled / divisor;
    let mut unit = 0;
    while value != 0 && value % 1024 == 0 && unit < 6 {
        value /= 1024;
        unit += 1;
    }
    let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][unit];
    Some(format!("{value}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_form_is_the_api_servers() {
        for (text, expected) in [
            ("2000m", "2"),
            ("100m", "100m"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("384Mi", "384Mi"),
            ("1000", "1k"),
            ("0", "0"),
            ("250M", "250M"),
            ("1500M", "1500M"),
            ("no quantity", "no quantity"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }
}
