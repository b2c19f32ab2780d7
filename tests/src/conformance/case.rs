//! A named case: the steps of a script, or a function for what a script cannot say.

use std::{path::Path, pin::Pin};

use anyhow::{Context, Result};

use super::{
    script::{self, ScriptCase},
    session::Session,
    target::Target,
};

/// A check that is written as a function.
pub type Check = for<'a> fn(&'a mut Session<'_>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A named case.
pub struct Case {
    name: String,
    /// Whether it disturbs others.
    alone: bool,
    body: Body,
}

enum Body {
    Script(ScriptCase),
    Check(Check),
}

impl Case {
    /// A case that is a function.
    pub fn check(name: &str, check: Check) -> Self {
        Self {
            name: name.to_owned(),
            alone: false,
            body: Body::Check(check),
        }
    }

    /// A case that is a function, and disturbs others: it is run after them.
    pub fn check_alone(name: &str, check: Check) -> Self {
        Self {
            alone: true,
            ..Self::check(name, check)
        }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }

    /// What the case says.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs it in a new namespace of the target.
    ///
    /// # Errors
    /// What is different from what is expected, or could not be done.
    pub async fn run(&self, target: &Target) -> Result<()> {
        let mut session = Session::begin(target).await?;
        let result = match &self.body {
            Body::Check(check) => check(&mut session).await,
            Body::Script(case) => session.play(&case.steps).await,
        };
        session.end().await;
        result
    }
}

/// The cases of all scripts in `dir`.
///
/// # Errors
/// A script cannot be read, with its line.
pub fn load_scripts(dir: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in script::list_files(dir)? {
        let area = path.file_stem().context("a script without a name")?.to_string_lossy();
        for case in script::Script::read(&path)?.cases {
            cases.push(Case {
                name: format!("{area}: {}", case.name),
                alone: false,
                body: Body::Script(case),
            });
        }
    }
    Ok(cases)
}
