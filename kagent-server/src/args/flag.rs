//! What a flag is: one row of a table from which the help, the environment and the documentation follow.

/// A setting: `--name VALUE`, or the environment variable of the same name in upper case with `_`.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Name without dashes in front.
    pub name: &'static str,
    /// Name of the value in the help; empty for flags that are true or false.
    pub value: &'static str,
    /// The default, as text in the flag's own syntax.
    pub default: &'static str,
    /// One or two sentences for the help.
    pub help: &'static str,
    /// Whether the value is a secret, which no message may quote.
    pub secret: bool,
    /// Whether it does what it says.
    pub support: Support,
}

/// Whether a setting does what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Support {
    /// It does.
    Yes,
    /// kagent knows it and we do not need it: accepted, and said once in the log when it is set.
    Ignored(&'static str),
}

/// Flags that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Heading in the help.
    pub title: &'static str,
    /// The flags.
    pub flags: &'static [Flag],
}

impl Flag {
    /// A setting with a value.
    pub(super) const fn new(
        name: &'static str,
        value: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            value,
            default,
            help,
            secret: false,
            support: Support::Yes,
        }
    }

    /// A setting that is true or false.
    pub(super) const fn switch(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::new(name, "", default, help)
    }

    pub(super) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    pub(super) const fn ignored(self, why: &'static str) -> Self {
        Self {
            support: Support::Ignored(why),
            ..self
        }
    }

    /// Name of the environment variable.
    pub fn variable(&self) -> String {
        self.name.to_uppercase().replace('-', "_")
    }
}
