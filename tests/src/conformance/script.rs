//! Scripts of cases: a text file of commands and requests, each followed by what the real API server answered.
//!
//! `== name` begins a case. `$ command` is run by `sh`; `@ METHOD path [content type]` is a request, `~ …` one that is
//! repeated until the answer is as expected. `> line` continues either (the body of a request, in YAML), `: a.b, c`
//! says what of an answer is compared, `= NAME path` keeps a value of the last answer as `$NAME`, `| line` is expected.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A file of cases.
pub(super) struct Script {
    /// Lines before the first case.
    head: Vec<String>,
    pub(super) cases: Vec<ScriptCase>,
}

/// One case of a script.
pub(super) struct ScriptCase {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// Something that is done, and what it is expected to answer.
pub(super) struct Step {
    /// The lines of the step but the expected ones, as they stand in the file.
    source: Vec<String>,
    pub(super) action: Action,
    pub(super) expected: Vec<String>,
}

/// What a step does.
pub(super) enum Action {
    /// Nothing: a comment or an empty line.
    Nothing,
    /// A command for `sh`.
    Shell(String),
    Request(Request),
    /// Keeps a value of the last answer under a name.
    Keep {
        name: String,
        path: String,
    },
}

/// A request to the API.
#[derive(Clone, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// What of the answer is compared; everything if empty.
    pub(super) show: Vec<String>,
    /// Whether it is repeated until the answer is as expected.
    pub(super) repeats: bool,
}

impl Step {
    /// One line that says which step it is.
    pub(super) fn describe(&self) -> &str {
        self.source.first().map_or("", String::as_str)
    }
}

/// The scripts of a directory, by name.
pub(super) fn list_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    Ok(paths)
}

impl Script {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut script = Self {
            head: Vec::new(),
            cases: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            if let Some(name) = line.strip_prefix("== ") {
                script.cases.push(ScriptCase {
                    name: name.trim().to_owned(),
                    steps: Vec::new(),
                });
            } else if let Some(case) = script.cases.last_mut() {
                case.add(line).with_context(|| format!("line {}: {line}", index + 1))?;
            } else {
                script.head.push(line.to_owned());
            }
        }
        Ok(script)
    }

    pub(super) fn to_text(&self) -> String {
        let mut lines: Vec<String> = self.head.clone();
        for case in &self.cases {
            lines.push(format!("== {}", case.name));
            for step in &case.steps {
                lines.extend(step.source.iter().cloned());
                lines.extend(
                    step.expected
                        .iter()
                        .map(|line| format!("| {line}").trim_end().to_owned()),
                );
            }
        }
        lines.join("\n") + "\n"
    }
}

impl ScriptCase {
    fn add(&mut self, line: &str) -> Result<()> {
        let (sign, rest) = line.split_at_checked(1).unwrap_or((line, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let action = match sign {
            "" | "#" => Action::Nothing,
            "$" => Action::Shell(rest.to_owned()),
            "@" | "~" => Action::Request(parse_request(rest, sign == "~")?),
            "=" => {
                let (name, path) = rest.split_once(' ').context("a name and a path are wanted")?;
                Action::Keep {
                    name: name.to_owned(),
                    path: path.to_owned(),
                }
            }
            ">" | ":" | "|" => return self.continue_step(sign, rest, line),
            _ => bail!("lines begin with one of == $ @ ~ > : = | #"),
        };
        self.steps.push(Step {
            source: vec![line.to_owned()],
            action,
            expected: Vec::new(),
        });
        Ok(())
    }

    fn continue_step(&mut self, sign: &str, rest: &str, line: &str) -> Result<()> {
        let step = self.steps.last_mut().context("there is no step yet")?;
        match (sign, &mut step.action) {
            ("|", Action::Shell(_) | Action::Request(_)) => step.expected.push(rest.to_owned()),
            (">", Action::Shell(command)) => {
                command.push('\n');
                command.push_str(rest);
                step.source.push(line.to_owned());
            }
            (">", Action::Request(request)) => {
                request.body.push_str(rest);
                request.body.push('\n');
                step.source.push(line.to_owned());
            }
            (":", Action::Request(request)) => {
                match rest.split_once("header ") {
                    Some(("", header)) => {
                        let (name, value) = header.split_once(": ").context("a header is `name: value`")?;
                        request.headers.push((name.to_owned(), value.to_owned()));
                    }
                    _ => request.show.extend(rest.split(',').map(|path| path.trim().to_owned())),
                }
                step.source.push(line.to_owned());
            }
            _ => bail!("this belongs to no step"),
        }
        Ok(())
    }
}

fn parse_request(text: &str, repeats: bool) -> Result<Request> {
    let mut words = text.splitn(3, ' ');
    let method = words
        .next()
        .filter(|word| !word.is_empty())
        .context("a method is wanted")?;
    let path = words.next().context("a path is wanted")?;
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        repeats,
        ..Request::default()
    };
    if let Some(content_type) = words.next() {
        let content_type = match content_type {
            "json" => "application/json",
            "json-patch" => "application/json-patch+json",
            "merge" => "application/merge-patch+json",
            "strategic" => "application/strategic-merge-patch+json",
            "apply" => "application/apply-patch+yaml",
            other => other,
        };
        request
            .headers
            .push(("content-type".to_owned(), content_type.to_owned()));
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "about\n\n== one\n# why\n$ cat <<E\n> x\n> E\n| x\n@ POST /api json\n: header accept: a\n: a.b, c\n> k: 1\n| 201\n= RV metadata.resourceVersion\n== two\n$ true\n";

    #[test]
    fn a_script_is_written_as_it_was_read() {
        let script = Script::parse(TEXT).expect("a script");
        assert_eq!(script.to_text(), TEXT);
        assert_eq!(script.cases.len(), 2);
        let Action::Request(request) = &script.cases[0].steps[2].action else {
            panic!("not a request");
        };
        assert_eq!(request.show, ["a.b", "c"]);
        assert_eq!(request.body, "k: 1\n");
        assert_eq!(request.headers.len(), 2);
    }

    #[test]
    fn a_line_without_a_sign_is_refused() {
        assert!(Script::parse("== one\nkubectl get pods\n").is_err());
    }
}
