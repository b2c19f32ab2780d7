//! The values of all settings: environment over command line over default. Collects every problem instead of the first.

use std::{collections::BTreeMap, ffi::OsString};

use clap::{Arg, ArgMatches, Command, error::ErrorKind, parser::ValueSource};

use super::{
    flag::{Flag, Support},
    table::SECTIONS,
};

/// Why there are no values.
#[derive(Debug)]
pub enum Refusal {
    /// Help or the version was asked for; the text.
    Text(String),
    /// What is wrong, one line each.
    Problems(Vec<String>),
}

/// Raw values and what is wrong with them.
pub(super) struct Values {
    matches: ArgMatches,
    environment: BTreeMap<String, String>,
    problems: Vec<String>,
}

/// All settings, in the order of the table.
pub fn flags() -> impl Iterator<Item = &'static Flag> {
    SECTIONS.iter().flat_map(|section| section.flags)
}

fn find(name: &str) -> &'static Flag {
    flags()
        .find(|flag| flag.name == name)
        .unwrap_or_else(|| unreachable!("{name} is no flag of the table"))
}

/// The command line as clap knows it; for the help, and for words that are no flags.
pub fn command() -> Command {
    let mut command = Command::new("kagent-server")
        .version(env!("CARGO_PKG_VERSION"))
        // The same text on every terminal and in a pipe.
        .term_width(100)
        .about("The kagent control plane: REST, A2A, controllers; in a cluster or, with --standalone, without one")
        .after_help(
            "Every flag is an environment variable too: its name in upper case, with _ for -. A variable that is not \
             empty wins over the flag, as in kagent.\n\nExit codes: 0 stopped as asked, 1 failed, 2 bad flags or \
             environment.",
        );
    for section in SECTIONS {
        for flag in section.flags {
            command = command.arg(build_arg(flag).help_heading(section.title));
        }
    }
    command
}

fn build_arg(flag: &'static Flag) -> Arg {
    let arg = Arg::new(flag.name)
        .long(flag.name)
        .help(flag.help)
        .overrides_with(flag.name)
        .hide(matches!(flag.support, Support::Ignored(_)));
    let arg = if flag.value.is_empty() {
        // As in Go: `--flag`, or `--flag=false`; a word after it is not its value.
        arg.num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("BOOL")
    } else {
        arg.value_name(flag.value).allow_hyphen_values(true)
    };
    if flag.default.is_empty() {
        arg
    } else {
        arg.default_value(flag.default)
    }
}

/// Go takes `-flag` for `--flag`.
fn with_two_dashes(word: OsString) -> OsString {
    let Some(text) = word.to_str() else { return word };
    let name = text.strip_prefix('-').and_then(|rest| rest.split('=').next());
    match name {
        Some(name) if flags().any(|flag| flag.name == name) => format!("-{text}").into(),
        _ => word,
    }
}

impl Values {
    /// Reads the command line (without the program's name) and takes the environment.
    pub(super) fn read(words: Vec<OsString>, environment: BTreeMap<String, String>) -> Result<Self, Refusal> {
        let mut words: Vec<OsString> = words.into_iter().map(with_two_dashes).collect();
        let mut problems = Vec::new();
        loop {
            let line = std::iter::once("kagent-server".into()).chain(words.iter().cloned());
            let error = match command().try_get_matches_from(line) {
                Ok(matches) => {
                    return Ok(Self {
                        matches,
                        environment,
                        problems,
                    });
                }
                Err(error) => error,
            };
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
                return Err(Refusal::Text(error.render().to_string()));
            }
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            problems.push(line.strip_prefix("error: ").unwrap_or(line).to_owned());
            // Without the word that clap stumbled over, the rest can be looked at too.
            let stumbled = match error.get(clap::error::ContextKind::InvalidArg) {
                Some(clap::error::ContextValue::String(word)) => word.clone(),
                _ => return Err(Refusal::Problems(problems)),
            };
            let before = words.len();
            words.retain(|word| {
                let word = word.to_string_lossy();
                word != stumbled && word.split('=').next() != stumbled.split([' ', '=']).next()
            });
            if words.len() == before {
                return Err(Refusal::Problems(problems));
            }
        }
    }

    /// The value as text and where it is from: the variable, the flag, or nothing for the default.
    fn raw(&self, flag: &Flag) -> (String, Option<String>) {
        let variable = flag.variable();
        if let Some(value) = self.environment.get(&variable).filter(|value| !value.is_empty()) {
            return (value.clone(), Some(variable));
        }
        let value = self.matches.get_one::<String>(flag.name).cloned().unwrap_or_default();
        let given = self.matches.value_source(flag.name) == Some(ValueSource::CommandLine);
        (value, given.then(|| format!("--{}", flag.name)))
    }

    /// Whether somebody set it.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.raw(find(name)).1.is_some()
    }

    /// The value as text.
    pub(super) fn text(&self, name: &str) -> String {
        self.raw(find(name)).0
    }

    /// The value as text, when it is not empty.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// The value in the type of `parse`. A value that is refused is noted as a problem, and the default goes on.
    pub(super) fn parse<T: Default>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let flag = find(name);
        let (value, source) = self.raw(flag);
        match parse(&value) {
            Ok(parsed) => parsed,
            Err(reason) => {
                let source = source.unwrap_or_else(|| format!("--{name}"));
                if flag.secret || value.is_empty() {
                    self.problem(format!("{source} {reason}"));
                } else {
                    self.problem(format!("{source}={value:?} {reason}"));
                }
                parse(flag.default).unwrap_or_default()
            }
        }
    }

    /// Notes a problem.
    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Settings that were made and have no effect.
    pub(super) fn check_support(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for flag in flags() {
            let (_, Some(source)) = self.raw(flag) else {
                continue;
            };
            match flag.support {
                Support::Yes => {}
                Support::Ignored(why) => notes.push(format!("{source} has no effect: {why}")),
            }
        }
        notes
    }

    /// All problems, if there are any.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Problems(self.problems))
        }
    }
}
