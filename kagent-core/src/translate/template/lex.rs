//! Cuts a template into text and actions, and actions into tokens.

/// What is wrong, and where it begins.
#[derive(Clone, Debug)]
pub(super) struct ParseError {
    pub(super) position: usize,
    pub(super) message: String,
}

impl ParseError {
    pub(super) fn new(position: usize, message: impl Into<String>) -> Self {
        Self {
            position,
            message: message.into(),
        }
    }
}

type Result<T> = std::result::Result<T, ParseError>;

/// Text as it is, or the inside of an action.
#[derive(Debug)]
pub(super) enum Piece {
    Text(String),
    Action { position: usize, tokens: Vec<Token> },
}

/// A token, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) position: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A word: a keyword or a function.
    Word(String),
    /// `.a.b`, without the first dot; a dot alone is empty.
    Field(String),
    /// `$` or `$x`, the dollar included.
    Variable(String),
    /// A string literal as it is written, and its value.
    Text(String, String),
    /// A number or character constant as it is written.
    Number(String),
    Char(String, i64),
    /// `( ) | , = :=`
    Mark(&'static str),
    Space,
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The line that a position is in, from 1.
pub(super) fn line_of(template: &str, position: usize) -> usize {
    1 + template[..position.min(template.len())].matches('\n').count()
}

/// Text and actions, with the space trimmed that `{{-` and `-}}` ask for.
pub(super) fn split(template: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trims_next = false;
    loop {
        let rest = &template[at..];
        let start = rest.find("{{");
        let mut text = &rest[..start.unwrap_or(rest.len())];
        if trims_next {
            text = text.trim_start_matches(SPACE);
        }
        let Some(start) = start else {
            pieces.push(Piece::Text(text.to_owned()));
            return Ok(pieces);
        };
        let open = at + start;
        let mut inner = open + 2;
        let trimmed = template[inner..]
            .strip_prefix('-')
            .filter(|after| after.starts_with(SPACE));
        if trimmed.is_some() {
            text = text.trim_end_matches(SPACE);
            inner += 1;
        }
        pieces.push(Piece::Text(text.to_owned()));
        let content = &template[inner..];
        if content.trim_start_matches(SPACE).starts_with("/*") {
            let end = content
                .find("*/")
                .ok_or_else(|| ParseError::new(open, "unclosed comment"))?
                + 2;
            let after = &content[end..];
            let (skipped, trims) = match after.trim_start_matches(SPACE).strip_prefix("-}}") {
                Some(left) if after.starts_with(SPACE) => (after.len() - left.len(), true),
                _ if after.starts_with("}}") => (2, false),
                _ => return Err(ParseError::new(open, "comment ends before closing delimiter")),
            };
            at = inner + end + skipped;
            trims_next = trims;
            continue;
        }
        let (tokens, end, trims) = lex_action(template, inner, open)?;
        pieces.push(Piece::Action { position: open, tokens });
        at = end;
        trims_next = trims;
    }
}

/// The tokens from `at` to the closing delimiter, where the action ends, and whether the text after it is trimmed.
fn lex_action(template: &str, mut at: usize, open: usize) -> Result<(Vec<Token>, usize, bool)> {
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        let rest = &template[at..];
        let Some(first) = rest.chars().next() else {
            return Err(ParseError::new(open, "unclosed action"));
        };
        if rest.starts_with("}}") {
            return Ok((tokens, at + 2, false));
        }
        let position = at;
        let (kind, length) = match first {
            _ if SPACE.contains(&first) => {
                let length = rest.len() - rest.trim_start_matches(SPACE).len();
                if rest[length..].starts_with("-}}") {
                    return Ok((tokens, at + length + 3, true));
                }
                (Kind::Space, length)
            }
            '"' => lex_quoted(rest, position)?,
            '`' => {
                let end = rest[1..].find('`');
                let end = end.ok_or_else(|| ParseError::new(position, "unterminated raw quoted string"))?;
                (
                    Kind::Text(rest[..end + 2].to_owned(), rest[1..=end].to_owned()),
                    end + 2,
                )
            }
            '\'' => lex_char(rest, position)?,
            '(' => (Kind::Mark("("), 1),
            ')' => (Kind::Mark(")"), 1),
            '|' => (Kind::Mark("|"), 1),
            ',' => (Kind::Mark(","), 1),
            '=' => (Kind::Mark("="), 1),
            ':' if rest.starts_with(":=") => (Kind::Mark(":="), 2),
            '$' => {
                let length = 1 + word_length(&rest[1..]);
                (Kind::Variable(rest[..length].to_owned()), length)
            }
            '.' if !rest[1..].starts_with(|next: char| next.is_ascii_digit()) => {
                let length = 1 + word_length(&rest[1..]);
                (Kind::Field(rest[1..length].to_owned()), length)
            }
            '+' | '-' | '.' | '0'..='9' => {
                let word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_');
                let mut length = 1;
                for character in rest[1..].chars() {
                    let exponent = matches!(rest[..length].chars().last(), Some('e' | 'E' | 'p' | 'P'))
                        && !rest.starts_with("0x")
                        && matches!(character, '+' | '-');
                    if !word(character) && !exponent {
                        break;
                    }
                    length += character.len_utf8();
                }
                (Kind::Number(rest[..length].to_owned()), length)
            }
            _ if first.is_alphabetic() || first == '_' => {
                let length = word_length(rest);
                (Kind::Word(rest[..length].to_owned()), length)
            }
            _ => {
                let message = format!("unexpected {first:?} in command");
                return Err(ParseError::new(position, message));
            }
        };
        tokens.push(Token { position, kind });
        at += length;
    }
}

fn word_length(text: &str) -> usize {
    text.find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(text.len())
}

/// A string in double quotes.
fn lex_quoted(rest: &str, position: usize) -> Result<(Kind, usize)> {
    let bad = || ParseError::new(position, "unterminated quoted string");
    let mut value = Vec::new();
    let mut at = 1;
    loop {
        let character = rest[at..].chars().next().ok_or_else(bad)?;
        match character {
            '"' => break,
            '\n' => return Err(bad()),
            '\\' => at += unescape(&rest[at..], '"', &mut value).ok_or_else(|| invalid(position, rest))?,
            _ => {
                value.extend(character.to_string().bytes());
                at += character.len_utf8();
            }
        }
    }
    let text = String::from_utf8_lossy(&value).into_owned();
    Ok((Kind::Text(rest[..=at].to_owned(), text), at + 1))
}

fn invalid(position: usize, rest: &str) -> ParseError {
    let shown: String = rest.chars().take(20).collect();
    ParseError::new(position, format!("invalid syntax in {shown}"))
}

fn lex_char(rest: &str, position: usize) -> Result<(Kind, usize)> {
    let bad = || ParseError::new(position, "malformed character constant");
    let mut value = Vec::new();
    let first = rest[1..].chars().next().ok_or_else(bad)?;
    let length = match first {
        '\\' => unescape(&rest[1..], '\'', &mut value).ok_or_else(bad)?,
        '\'' | '\n' => return Err(bad()),
        _ => {
            value.extend(first.to_string().bytes());
            first.len_utf8()
        }
    };
    if !rest[1 + length..].starts_with('\'') {
        return Err(bad());
    }
    let text = String::from_utf8_lossy(&value);
    let number = text.chars().next().map_or(0, u32::from);
    let length = length + 2;
    Ok((Kind::Char(rest[..length].to_owned(), number.into()), length))
}

/// Reads an escape; its length, `None` when it is none.
fn unescape(rest: &str, quote: char, value: &mut Vec<u8>) -> Option<usize> {
    let mut characters = rest.chars();
    characters.next();
    let escape = characters.next()?;
    let simple = match escape {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        '\\' => Some(b'\\'),
        _ if escape == quote => Some(escape as u8),
        _ => None,
    };
    if let Some(byte) = simple {
        value.push(byte);
        return Some(2);
    }
    let (digits, radix) = match escape {
        'x' => (2, 16),
        'u' => (4, 16),
        'U' => (8, 16),
        '0'..='7' => (3, 8),
        _ => return None,
    };
    let start = if radix == 8 { 1 } else { 2 };
    let number = u32::from_str_radix(rest.get(start..start + digits)?, radix).ok()?;
    match escape {
        'u' | 'U' => value.extend(char::from_u32(number)?.to_string().bytes()),
        _ => value.push(u8::try_from(number).ok()?),
    }
    Some(start + digits)
}
