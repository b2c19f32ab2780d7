//! The agent's one tool: counts files and lines below a folder, by kind. Reads; never follows links, never writes.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// Files read at most, so that a huge folder still gets an answer.
const MAX_FILES: usize = 20_000;
/// Bytes read of a file to count its lines; larger files count by size only.
const MAX_READ: u64 = 4 * 1024 * 1024;
/// Folders that hold what tools made, not what people wrote.
const SKIPPED: [&str; 4] = [".git", "node_modules", "target", "__pycache__"];

/// Files of one kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count {
    pub(crate) files: usize,
    pub(crate) lines: usize,
    pub(crate) bytes: u64,
}

/// What is below a folder.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Survey {
    /// By file extension.
    pub(crate) kinds: BTreeMap<String, Count>,
    /// Path and bytes of the largest files, largest first.
    pub(crate) largest: Vec<(PathBuf, u64)>,
    /// Whether there was more than [`MAX_FILES`].
    pub(crate) cut_short: bool,
}

/// The folders and files directly in `folder`, sorted; what tools made is left out.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn list_entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
        if !skipped && !entry.file_type()?.is_symlink() {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

/// Counts everything at and below `path`. What cannot be read is left out.
pub(crate) fn survey(path: &Path) -> Survey {
    let mut survey = Survey::default();
    let mut waiting = vec![path.to_owned()];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(list_entries(&path).unwrap_or_default());
            continue;
        }
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if !metadata.is_file() {
            continue;
        }
        files += 1;
        if files > MAX_FILES {
            survey.cut_short = true;
            break;
        }
        survey.add(path, metadata.len());
    }
    survey.keep_largest();
    survey
}

impl Survey {
    /// Adds another survey to this one.
    pub(crate) fn merge(&mut self, other: Self) {
        for (kind, count) in other.kinds {
            let sum = self.kinds.entry(kind).or_default();
            sum.files += count.files;
            sum.lines += count.lines;
            sum.bytes += count.bytes;
        }
        self.largest.extend(other.largest);
        self.cut_short |= other.cut_short;
        self.keep_largest();
    }

    /// Everything together.
    pub(crate) fn total(&self) -> Count {
        let mut total = Count::default();
        for count in self.kinds.values() {
            total.files += count.files;
            total.lines += count.lines;
            total.bytes += count.bytes;
        }
        total
    }

    /// The numbers, for programs.
    pub(crate) fn to_json(&self, root: &Path) -> Value {
        let kinds: BTreeMap<_, _> = self
            .kinds
            .iter()
            .map(|(kind, count)| {
                (
                    kind,
                    json!({"files": count.files, "lines": count.lines, "bytes": count.bytes}),
                )
            })
            .collect();
        let largest: Vec<_> = self
            .largest
            .iter()
            .map(|(path, bytes)| json!({"path": path.strip_prefix(root).unwrap_or(path), "bytes": bytes}))
            .collect();
        json!({"kinds": kinds, "largest": largest, "cut_short": self.cut_short})
    }

    fn add(&mut self, path: PathBuf, bytes: u64) {
        let kind = path
            .extension()
            .map_or_else(|| "(none)".to_owned(), |kind| kind.to_string_lossy().into_owned());
        let count = self.kinds.entry(kind).or_default();
        count.files += 1;
        count.bytes += bytes;
        count.lines += count_lines(&path, bytes);
        self.largest.push((path, bytes));
        if self.largest.len() > 100 {
            self.keep_largest();
        }
    }

    fn keep_largest(&mut self) {
        self.largest
            .sort_by(|(left_path, left), (right_path, right)| right.cmp(left).then(left_path.cmp(right_path)));
        self.largest.truncate(3);
    }
}

/// Lines of a text file; 0 when it is binary, too large or unreadable.
fn count_lines(path: &Path, bytes: u64) -> usize {
    if bytes > MAX_READ {
        return 0;
    }
    let mut content = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_READ).read_to_end(&mut content));
    if read.is_err() || content.contains(&0) {
        return 0;
    }
    content.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_kind_and_leaves_out_what_tools_made() {
        let root = std::env::temp_dir().join(format!("scout-survey-{}", std::process::id()));
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir_all(root.join("target")).unwrap();
        fs::write(root.join("src/a.rs"), "one\ntwo\n").unwrap();
        fs::write(root.join("b.rs"), "three\n").unwrap();
        fs::write(root.join("LICENSE"), "x").unwrap();
        fs::write(root.join("target/c.rs"), "made\n").unwrap();

        let survey = survey(&root);
        let rust = Count {
            files: 2,
            lines: 3,
            bytes: 14,
        };
        assert_eq!(survey.kinds["rs"], rust);
        assert_eq!(survey.kinds["(none)"].files, 1);
        assert_eq!(survey.largest[0], (root.join("src/a.rs"), 8));
        assert_eq!(survey.total().files, 3);
        fs::remove_dir_all(root).unwrap();
    }
}
