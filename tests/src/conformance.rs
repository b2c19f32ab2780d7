//! The conformance suite of `embedded-kube`: named cases that run against a real kube-apiserver and against the embedded
//! one. What a case expects was answered by the real one; `--update` rewrites expectations from there and nowhere else.

mod case;
mod mask;
mod render;
mod script;
mod session;
mod target;

use std::path::Path;

use anyhow::{Context, Result, bail};
use futures::StreamExt;

pub use self::{
    case::{Case, Check, load_scripts},
    session::Session,
    target::{Target, TargetName},
};

/// Cases that run at the same time against one target.
const AT_ONCE: usize = 4;

/// What came of the cases on one target.
#[derive(Debug)]
pub struct Outcome {
    /// Whose answers they were.
    pub target: TargetName,
    /// Cases that hold.
    pub passed: usize,
    /// Name of each case that does not hold, and what was different.
    pub failed: Vec<(String, String)>,
}

impl Outcome {
    /// `kube-apiserver 143 passed`, with the failures if there are any.
    pub fn summarize(&self) -> String {
        let failed = match self.failed.len() {
            0 => String::new(),
            count => format!(", {count} FAILED"),
        };
        format!("{} {} passed{failed}", self.target, self.passed)
    }
}

/// Runs the cases against one target; each has a namespace of its own.
pub async fn run(target: &Target, cases: &[Case]) -> Outcome {
    let (alone, together): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.is_alone());
    let run = |case| async move { (case, Case::run(case, target).await) };
    let together = futures::stream::iter(together).map(run).buffered(AT_ONCE);
    let results = together.chain(futures::stream::iter(alone).then(run));
    let mut outcome = Outcome {
        target: target.name(),
        passed: 0,
        failed: Vec::new(),
    };
    futures::pin_mut!(results);
    while let Some((case, result)) = results.next().await {
        match result {
            Ok(()) => outcome.passed += 1,
            Err(error) => outcome.failed.push((case.name().to_owned(), format!("{error:#}"))),
        }
    }
    outcome
}

/// Writes what the real API server answers into the scripts in `dir`, for the cases whose name contains `filter`.
///
/// # Errors
/// The target is not the real one, a step cannot be done at all, or a file cannot be written.
pub async fn update(target: &Target, dir: &Path, filter: &str) -> Result<()> {
    if target.name() != TargetName::KubeApiserver {
        bail!("expectations are written from a real kube-apiserver only");
    }
    for path in script::list_files(dir)? {
        let area = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut script = script::Script::read(&path)?;
        let wanted = script
            .cases
            .iter_mut()
            .filter(|case| format!("{area}: {}", case.name).contains(filter));
        let written = futures::stream::iter(wanted)
            .map(|case| async move {
                let mut session = Session::begin(target).await?;
                for step in &mut case.steps {
                    step.expected = session.observe(step).await.with_context(|| case.name.clone())?;
                }
                session.end().await;
                anyhow::Ok(())
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        if !written.is_empty() {
            std::fs::write(&path, script.to_text())?;
        }
        written.into_iter().collect::<Result<()>>()?;
    }
    Ok(())
}
