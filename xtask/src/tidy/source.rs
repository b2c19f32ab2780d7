//! A Rust file as the rules see it: code with comments and literals blanked out, and the paths it names.
//!
//! Not a parser: it knows comments, literals, identifiers and `use` groups, which is all the rules need.

/// One file.
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// As `text`, same line breaks, with comments and the insides of literals as spaces.
    pub(super) code: String,
    /// The first line (1-based) of the tests at the end of the file, or one past the last line.
    pub(super) tests_from: usize,
}

impl<'a> Source<'a> {
    pub(super) fn parse(path: &'a str, text: &'a str) -> Self {
        let code = blank_comments_and_literals(text);
        let lines: Vec<&str> = code.lines().collect();
        let tests_from = lines
            .iter()
            .enumerate()
            .position(|(index, line)| {
                is_test_only(line) && lines.get(index + 1).is_some_and(|next| next.starts_with("mod "))
            })
            .map_or(lines.len() + 1, |index| index + 1);
        Self {
            path,
            text,
            code,
            tests_from,
        }
    }

    /// Lines of code before the tests, numbered from 1.
    pub(super) fn lines_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests_from = self.tests_from;
        self.lines().take_while(move |(line, _)| *line < tests_from)
    }

    /// All lines of code, numbered from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Whether the whole file is test code.
    pub(super) fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Every path of the code outside tests, groups expanded: `use a::{b, c::d}` names `a::b` and `a::c::d`.
    pub(super) fn paths(&self) -> Vec<(usize, String)> {
        let code: Vec<char> = self.code.chars().collect();
        let mut found = Vec::new();
        let mut at = 0;
        let mut line = 1;
        while at < code.len() && line < self.tests_from {
            let previous = at
                .checked_sub(1)
                .and_then(|index| code.get(index))
                .copied()
                .unwrap_or(' ');
            if is_start(code[at]) && !is_continue(previous) && previous != ':' && previous != '.' {
                let mut names = Vec::new();
                let (end, end_line) = read_path(&code, at, line, String::new(), &mut names);
                found.extend(names.into_iter().filter(|(_, name)| name.contains("::")));
                (at, line) = (end, end_line);
            } else {
                line += usize::from(code[at] == '\n');
                at += 1;
            }
        }
        found
    }
}

/// Whether the line is a `#[cfg(…)]` that asks for `test`; feature names are blanked literals.
fn is_test_only(line: &str) -> bool {
    line.starts_with("#[cfg(") && line.split(|char| !is_continue(char)).any(|word| word == "test")
}

/// Reads one path, with its group if it has one, into `names`. Returns where it ends.
fn read_path(
    code: &[char],
    mut at: usize,
    mut line: usize,
    mut name: String,
    names: &mut Vec<(usize, String)>,
) -> (usize, usize) {
    loop {
        let started = line;
        let from = at;
        while code.get(at).copied().is_some_and(is_continue) {
            at += 1;
        }
        name.extend(&code[from..at]);
        if code.get(at) == Some(&':') && code.get(at + 1) == Some(&':') {
            at += 2;
            name.push_str("::");
            match code.get(at) {
                Some('{') => {
                    at += 1;
                    return read_group(code, at, line, &name, names);
                }
                Some('*') => {
                    name.push('*');
                    at += 1;
                }
                Some(next) if is_start(*next) => continue,
                // `Vec::<u8>` and the like.
                _ => {
                    name.truncate(name.len() - 2);
                }
            }
        }
        names.push((started, name));
        line += code[from..at].iter().filter(|char| **char == '\n').count();
        return (at, line);
    }
}

fn read_group(
    code: &[char],
    mut at: usize,
    mut line: usize,
    prefix: &str,
    names: &mut Vec<(usize, String)>,
) -> (usize, usize) {
    while let Some(char) = code.get(at).copied() {
        if char == '}' {
            return (at + 1, line);
        } else if char == '*' {
            names.push((line, format!("{prefix}*")));
            at += 1;
        } else if is_start(char) {
            (at, line) = read_path(code, at, line, prefix.to_owned(), names);
        } else {
            line += usize::from(char == '\n');
            at += 1;
        }
    }
    (at, line)
}

fn is_start(char: char) -> bool {
    char.is_alphabetic() || char == '_'
}

fn is_continue(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn blank_comments_and_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |code: &mut String, char: char| code.push(if char == '\n' { '\n' } else { ' ' });
    while at < chars.len() {
        let rest = &chars[at..];
        let end = match rest {
            ['/', '/', ..] => at + rest.iter().position(|char| *char == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => end_of_block_comment(&chars, at),
            ['"', ..] => end_of_string(&chars, at),
            ['r', ..] | ['b', 'r', ..] | ['c', 'r', ..] if at == 0 || !is_continue(chars[at - 1]) => {
                end_of_raw_string(&chars, at).unwrap_or(at)
            }
            ['\'', '\\', ..] => at + 3 + rest.iter().skip(3).position(|char| *char == '\'').unwrap_or(0),
            ['\'', _, '\'', ..] => at + 2,
            _ => at,
        };
        if end == at {
            code.push(chars[at]);
            at += 1;
            continue;
        }
        let literal = rest[0] != '/';
        let end = end.min(chars.len() - usize::from(literal && end >= chars.len()));
        for char in &chars[at..end] {
            blank(&mut code, *char);
        }
        at = end;
        if literal && at < chars.len() {
            blank(&mut code, chars[at]);
            at += 1;
        }
    }
    code
}

/// The closing quote of a string that opens at `at`.
fn end_of_string(chars: &[char], at: usize) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != '"' {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    end
}

/// The last character of a raw string that opens at `at`, if one does.
fn end_of_raw_string(chars: &[char], at: usize) -> Option<usize> {
    let mut open = at + if chars[at] == 'r' { 1 } else { 2 };
    let mut hashes = 0;
    while chars.get(open) == Some(&'#') {
        hashes += 1;
        open += 1;
    }
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let mut end = open + 1;
    while end < chars.len() {
        if chars[end] == '"' && chars[end + 1..].iter().take_while(|char| **char == '#').count() >= hashes {
            return Some(end + hashes);
        }
        end += 1;
    }
    Some(end)
}

fn end_of_block_comment(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut end = at;
    while end < chars.len() {
        match (chars[end], chars.get(end + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                end += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                end += 2;
                if depth == 0 {
                    return end;
                }
            }
            _ => end += 1,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let code = blank_comments_and_literals("a // b\n/* c /* d */ e */ f \"g\\\"h\" r#\"i\"j\"# 'k' '\\n' 'l: m");
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "f", "'l:", "m"]);
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn groups_are_expanded_with_their_lines() {
        let source = Source::parse(
            "x.rs",
            "use crate::{\n    a::B,\n    c::{self, d::*},\n};\nfn f() { crate::e::g(); h::<u8>(); }\n",
        );
        let paths: Vec<_> = source.paths();
        let expected = [
            (2, "crate::a::B"),
            (3, "crate::c::self"),
            (3, "crate::c::d::*"),
            (5, "crate::e::g"),
        ];
        assert_eq!(paths, expected.map(|(line, path)| (line, path.to_owned())));
    }

    #[test]
    fn paths_in_tests_do_not_count() {
        let source = Source::parse(
            "x.rs",
            "use a::b;\n\n#[cfg(all(test, feature = \"x\"))]\nmod tests {\n    use c::d;\n}\n",
        );
        assert_eq!(source.paths(), [(1, "a::b".to_owned())]);
        assert_eq!(source.tests_from, 3);
    }
}
