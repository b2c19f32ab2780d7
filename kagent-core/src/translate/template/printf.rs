//! Go's `fmt.Sprintf` for the values of templates.

use super::value::Value;

/// Wider fields are refused: nobody prints them, and they would fill the memory.
const WIDEST: usize = 10_000;

#[derive(Clone, Copy, Default)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The text that `format` and its operands give.
pub(super) fn sprintf(format: &str, operands: &[Value<'_>]) -> Result<String, String> {
    let mut text = String::new();
    let mut characters = format.chars().peekable();
    let mut next = 0;
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = characters.peek() {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                '0' => spec.zero = true,
                _ => break,
            }
            characters.next();
        }
        let mut number = |characters: &mut std::iter::Peekable<std::str::Chars<'_>>, spec: &mut Spec| {
            if characters.peek() == Some(&'*') {
                characters.next();
                let value = operands.get(next);
                next += 1;
                return match value {
                    Some(Value::Int(width)) => {
                        spec.minus |= *width < 0;
                        usize::try_from(width.unsigned_abs())
                            .map_err(|_| "too wide".to_owned())
                            .map(Some)
                    }
                    _ => Ok(None),
                };
            }
            let mut digits = String::new();
            while let Some(digit) = characters.peek().filter(|it| it.is_ascii_digit()) {
                digits.push(*digit);
                characters.next();
            }
            match digits.as_str() {
                "" => Ok(None),
                digits => digits.parse().map(Some).map_err(|_| "too wide".to_owned()),
            }
        };
        spec.width = number(&mut characters, &mut spec)?;
        if characters.peek() == Some(&'.') {
            characters.next();
            let precision = number(&mut characters, &mut spec)?;
            spec.precision = Some(precision.unwrap_or_default());
        }
        if spec.width.max(spec.precision).is_some_and(|wide| wide > WIDEST) {
            return Err("error calling printf: a field is too wide".to_owned());
        }
        match characters.next() {
            None => text.push_str("%!(NOVERB)"),
            Some('%') => text.push('%'),
            Some(verb) => {
                match operands.get(next) {
                    Some(value) => text.push_str(&show(verb, value, spec)),
                    None => text.push_str(&format!("%!{verb}(MISSING)")),
                }
                next += 1;
            }
        }
    }
    if next < operands.len() {
        let extra: Vec<String> = operands[next..]
            .iter()
            .map(|value| match value {
                Value::Nil => "<nil>".to_owned(),
                value => format!("{}={}", value.type_name(), value.show()),
            })
            .collect();
        text.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(text)
}

fn show(verb: char, value: &Value<'_>, spec: Spec) -> String {
    if verb == 'T' {
        return pad(value.type_name().to_owned(), spec);
    }
    let shown = match value {
        Value::Text(text) => show_text(verb, text, spec),
        Value::Int(number) => show_int(verb, *number, spec),
        Value::Float(number) => show_float(verb, *number, spec),
        Value::Bool(holds) => matches!(verb, 't' | 'v').then(|| pad(holds.to_string(), spec)),
        Value::List(list) => {
            let elements: Vec<String> = list
                .iter()
                .map(|text| show(verb, &Value::text(text.as_str()), spec))
                .collect();
            Some(format!("[{}]", elements.join(" ")))
        }
        Value::Nil => (verb == 'v').then(|| pad("<nil>".to_owned(), spec)),
        Value::Data(_) => matches!(verb, 'v' | 's').then(|| value.show()),
    };
    shown.unwrap_or_else(|| match value {
        Value::Nil => format!("%!{verb}(<nil>)"),
        value => format!("%!{verb}({}={})", value.type_name(), value.show()),
    })
}

fn pad(text: String, spec: Spec) -> String {
    let missing = spec.width.unwrap_or_default().saturating_sub(text.chars().count());
    match spec.minus {
        true => text + &" ".repeat(missing),
        false if spec.zero => "0".repeat(missing) + &text,
        false => " ".repeat(missing) + &text,
    }
}

fn show_text(verb: char, text: &str, spec: Spec) -> Option<String> {
    let cut: String = match spec.precision {
        Some(count) => text.chars().take(count).collect(),
        None => text.to_owned(),
    };
    let hex = |upper: bool| {
        let count = spec.precision.unwrap_or(text.len()).min(text.len());
        let digits = text.as_bytes()[..count].iter();
        digits
            .map(|byte| match upper {
                true => format!("{byte:02X}"),
                false => format!("{byte:02x}"),
            })
            .collect()
    };
    Some(pad(
        match verb {
            's' => cut,
            'v' if !spec.sharp => cut,
            'v' | 'q' => quote(&cut),
            'x' => hex(false),
            'X' => hex(true),
            _ => return None,
        },
        spec,
    ))
}

/// As Go quotes a string.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\u{b}' => quoted.push_str("\\v"),
            _ if u32::from(character) < 0x80 && character.is_control() => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(character)));
            }
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{a0}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn show_int(verb: char, number: i64, spec: Spec) -> Option<String> {
    let size = number.unsigned_abs();
    let digits = match verb {
        'd' | 'v' => size.to_string(),
        'b' => format!("{size:b}"),
        'o' => format!("{size:o}"),
        'O' => format!("0o{size:o}"),
        'x' if spec.sharp => format!("0x{size:x}"),
        'X' if spec.sharp => format!("0X{size:X}"),
        'x' => format!("{size:x}"),
        'X' => format!("{size:X}"),
        'c' | 'q' => {
            let character = u32::try_from(number)
                .ok()
                .and_then(char::from_u32)
                .unwrap_or('\u{fffd}');
            let text = character.to_string();
            let shown = match (verb, character) {
                ('c', _) => text,
                (_, '\'') => "'\\''".to_owned(),
                (_, '"') => "'\"'".to_owned(),
                _ => format!("'{}'", quote(&text).trim_matches('"')),
            };
            return Some(pad(shown, spec));
        }
        'U' => return Some(pad(format!("U+{size:04X}"), spec)),
        _ => return None,
    };
    Some(pad_number(number < 0, digits, spec))
}

/// Zeros stand between sign and digits.
fn pad_number(negative: bool, digits: String, spec: Spec) -> String {
    let sign = match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let wide = spec.width.unwrap_or_default().saturating_sub(sign.len());
    let zeros = match spec.precision {
        Some(least) => least,
        None if spec.zero && !spec.minus => wide,
        None => 0,
    };
    let digits = "0".repeat(zeros.saturating_sub(digits.len())) + &digits;
    pad(format!("{sign}{digits}"), Spec { zero: false, ..spec })
}

fn show_float(verb: char, number: f64, spec: Spec) -> Option<String> {
    let size = number.abs();
    let text = match verb {
        'f' | 'F' => format!("{size:.*}", spec.precision.unwrap_or(6)),
        'e' | 'E' => format_exponent(size, Some(spec.precision.unwrap_or(6)), verb == 'E'),
        'g' | 'v' => format_general(size, spec.precision, false),
        'G' => format_general(size, spec.precision, true),
        _ => return None,
    };
    Some(pad_number(
        number.is_sign_negative(),
        text,
        Spec {
            precision: None,
            ..spec
        },
    ))
}

/// At least two digits of exponent; the fewest digits that name the number without precision.
fn format_exponent(size: f64, precision: Option<usize>, upper: bool) -> String {
    let text = match precision {
        Some(precision) => format!("{size:.precision$e}"),
        None => format!("{size:e}"),
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    let mark = if upper { 'E' } else { 'e' };
    format!("{digits}{mark}{sign}{exponent:0>2}")
}

/// `%g`, of which `%v` is the one without precision: an exponent below -4 and from 21 on (from the precision on, where
/// there is one).
pub(super) fn format_general(number: f64, precision: Option<usize>, upper: bool) -> String {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let size = number.abs();
    let significant = precision.map(|precision| precision.max(1));
    let rounded = match significant {
        Some(count) => format!("{size:.*e}", count - 1).parse().unwrap_or(size),
        None => size,
    };
    let exponent = if rounded == 0.0 {
        0
    } else {
        let text = format!("{rounded:e}");
        text.split_once('e')
            .and_then(|(_, exponent)| exponent.parse().ok())
            .unwrap_or(0)
    };
    let limit = significant.map_or(21, |count| count as i32);
    if exponent < -4 || exponent >= limit {
        return format!("{sign}{}", format_exponent(rounded, None, upper));
    }
    format!("{sign}{rounded}")
}
