//! `cargo xtask tidy`: the rules of this repository that no compiler checks.
//!
//! Each finding says where, what is wrong and how to fix it. The rules' data is in `tidy/rules.rs`.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::process::{say, workspace_root};

mod dependencies;
mod files;
mod imports;
mod names;
mod rules;
mod source;
mod text;

use source::Source;

/// One broken rule.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    path: String,
    /// 1-based; 0 when the whole file is meant.
    line: usize,
    text: String,
    /// A warning is shown and does not fail the run.
    warning: bool,
}

impl Finding {
    fn error(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            text: text.into(),
            warning: false,
        }
    }

    fn warning(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::error(path, line, text)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.warning { "warning" } else { "error" };
        match self.line {
            0 => write!(f, "{}: {level}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {level}: {}", self.path, self.text),
        }
    }
}

/// Checks the whole workspace.
pub(crate) fn run() -> Result<()> {
    let root = workspace_root();
    let files = list_files(&root)?;
    let mut findings = Vec::new();
    for path in &files {
        let bytes = fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        let Ok(content) = String::from_utf8(bytes) else {
            continue;
        };
        findings.extend(text::check(path, &content));
        if path.ends_with(".rs") {
            let source = Source::parse(path, &content);
            findings.extend(files::check(&source));
            findings.extend(imports::check(&source));
        }
        if path.ends_with("Cargo.toml") {
            findings.extend(files::check_manifest(path, &content));
        }
    }
    findings.extend(names::check(&files));
    findings.extend(dependencies::check()?);

    let errors = findings.iter().filter(|finding| !finding.warning).count();
    for finding in &findings {
        say(&finding.to_string());
    }
    if errors > 0 {
        bail!("tidy found {errors} broken rules");
    }
    say(&format!("tidy: {} files in order", files.len()));
    Ok(())
}

/// All files that are ours, relative to the root with `/`, sorted.
fn list_files(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !["target", ".git", "node_modules", "__pycache__", "artifacts", "corpus"]
                    .iter()
                    .any(|skip| name == *skip)
                {
                    folders.push(folder.join(name));
                }
            } else if kind.is_file() && name != ".git" {
                found.push(folder.join(name).to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    Ok(found)
}
