//! The manifests of a directory as objects of the Kubernetes API, followed while the server runs.
//!
//! One bad manifest is one line in the log; everything else is applied, and what was applied from that file before
//! stays. Objects whose manifest disappears are deleted; objects that came another way are never touched.

mod applied;
mod apply;
mod parse;
mod scan;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::PathBuf,
    time::Duration,
};

use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{
    applied::{Applied, ObjectKey},
    apply::Applier,
    parse::{Manifest, Problem, parse_file},
    scan::{Stamp, read_manifest, scan},
};
use crate::error::Result;

/// How often the directory is looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// Manifests that failed are tried again every this many looks, because what they need may have come.
const RETRY_AFTER: u32 = 10;

/// What is wrong with the text of a manifest file, one line for each problem, without applying anything.
pub fn lint_manifests(file: &str, text: &str) -> Vec<String> {
    let (_, problems) = parse_file(file, text);
    problems.iter().map(ToString::to_string).collect()
}

/// Follows one directory.
pub(super) struct Loader {
    dir: PathBuf,
    applier: Applier,
    applied: Applied,
    /// What each file was like when it was read last.
    stamps: BTreeMap<String, Stamp>,
    /// Files with something that failed.
    failed: BTreeSet<String>,
    /// Lines in the log already, so that each is written once until it is solved.
    told: HashSet<String>,
    looks: u32,
}

impl Loader {
    /// Looks at the directory for the first time.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn new(client: Client, dir: PathBuf, applied: PathBuf, default_namespace: String) -> Result<Self> {
        scan(&dir)?;
        Ok(Self {
            dir,
            applier: Applier::new(client, default_namespace),
            applied: Applied::load(applied),
            stamps: BTreeMap::new(),
            failed: BTreeSet::new(),
            told: HashSet::new(),
            looks: 0,
        })
    }

    /// Applies what changes until `stop`. `loaded` becomes true after the first time.
    pub(super) async fn run(mut self, loaded: watch::Sender<bool>, stop: CancellationToken) {
        loop {
            self.look().await;
            loaded.send_replace(true);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    async fn look(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        let stamps = match scan(&self.dir) {
            Ok(stamps) => stamps,
            Err(error) => {
                // Nothing is deleted because of a directory that is away for a moment.
                let line = error.chain();
                if self.told.insert(line.clone()) {
                    tracing::error!("{line}");
                }
                return;
            }
        };
        let retry = !self.failed.is_empty() && self.looks.is_multiple_of(RETRY_AFTER);
        if stamps == self.stamps && !retry {
            return;
        }
        let first = self.looks == 1;
        let changed: Vec<String> = stamps
            .iter()
            .filter(|(file, stamp)| self.stamps.get(*file) != Some(stamp) || retry && self.failed.contains(*file))
            .map(|(file, _)| file.clone())
            .collect();
        let problems = self.apply(&stamps, &changed).await;
        self.stamps = stamps;
        self.report(problems, first || !retry);
    }

    /// Applies the changed files, and deletes what no file has any more.
    async fn apply(&mut self, stamps: &BTreeMap<String, Stamp>, changed: &[String]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut manifests = Vec::new();
        for file in changed {
            match read_manifest(&self.dir, file) {
                Ok(text) => {
                    let (mut found, mut bad) = parse_file(file, &text);
                    manifests.append(&mut found);
                    problems.append(&mut bad);
                }
                Err(reason) => problems.push(Problem::of_file(file, reason)),
            }
        }
        // Namespaces and kinds first: other manifests need them, whatever their file is called.
        manifests.sort_by_key(|manifest| !manifest.is_prerequisite());

        let mut now: BTreeMap<String, BTreeSet<ObjectKey>> = BTreeMap::new();
        for file in stamps.keys() {
            let kept = if changed.contains(file) {
                None
            } else {
                self.applied.of_file(file)
            };
            now.insert(file.clone(), kept.unwrap_or_default());
        }
        // It is not known what these manifests stand for, so nothing of their files is taken away.
        let mut unclear: BTreeSet<String> = problems.iter().map(|problem| problem.file.clone()).collect();
        for manifest in manifests {
            let key = match self.find_key(&manifest, &now).await {
                Ok(key) => key,
                Err(reason) => {
                    unclear.insert(manifest.file.clone());
                    problems.push(manifest.problem(reason));
                    continue;
                }
            };
            if let Err(reason) = self.applier.apply(&manifest, &key).await {
                problems.push(manifest.problem(reason));
            }
            // Also when it was refused: the version before it stays.
            now.entry(manifest.file).or_default().insert(key);
        }
        self.failed = problems.iter().map(|problem| problem.file.clone()).collect();
        for file in &unclear {
            let before = self.applied.of_file(file).unwrap_or_default();
            now.entry(file.clone()).or_default().extend(before);
        }
        for key in self.applied.replace(now) {
            match self.applier.delete(&key).await {
                Ok(()) => tracing::info!(object = %key, "deleted: its manifest is gone"),
                Err(error) => tracing::warn!("cannot delete {key}: {}", error.chain()),
            }
        }
        problems
    }

    /// Which object a manifest is, when no other manifest is the same one.
    async fn find_key(
        &mut self,
        manifest: &Manifest,
        now: &BTreeMap<String, BTreeSet<ObjectKey>>,
    ) -> std::result::Result<ObjectKey, String> {
        let key = self.applier.key(manifest).await?;
        let owner = now.iter().find(|(_, keys)| keys.contains(&key)).map(|(file, _)| file);
        if let Some(owner) = owner {
            return Err(format!("{key} is in {owner} already"));
        }
        Ok(key)
    }

    fn report(&mut self, problems: Vec<Problem>, changed: bool) {
        let lines: HashSet<String> = problems.iter().map(Problem::to_string).collect();
        for problem in &problems {
            if !self.told.contains(&problem.to_string()) {
                tracing::error!("{problem}");
            }
        }
        if problems.is_empty() && changed {
            let objects = self.applied.count();
            tracing::info!(files = self.stamps.len(), objects, dir = %self.dir.display(), "manifests applied");
        }
        self.told = lines;
    }
}
