//! The files of a manifest directory.

use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt, path::Path, time::SystemTime};

use crate::error::{Error, Result};

/// Larger files are refused: an object may have 1.5 MB in Kubernetes.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// What changes when a file is edited or replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// The manifest files in `dir`, by name. Hidden files, other endings and directories within are not looked at.
pub(super) fn scan(dir: &Path) -> Result<BTreeMap<String, Stamp>> {
    let cannot = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "it does not exist",
            io::ErrorKind::PermissionDenied => "permission denied",
            io::ErrorKind::NotADirectory => "it is not a directory",
            _ => "it is not readable",
        };
        Error::invalid(format!("cannot read the manifest directory {}: {why}", dir.display())).with_source(error)
    };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = entry.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if name.starts_with('.') || extension.is_none_or(|extension| !EXTENSIONS.contains(&extension)) {
            continue;
        }
        // Through links, because mounted ConfigMaps are made of them. A file that goes away meanwhile is gone.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            continue;
        }
        let stamp = Stamp {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            inode: metadata.ino(),
        };
        files.insert(name, stamp);
    }
    Ok(files)
}

/// The text of a manifest file.
///
/// # Errors
/// The reason, for one line in the log.
pub(super) fn read_manifest(dir: &Path, file: &str) -> std::result::Result<String, String> {
    let path = dir.join(file);
    let metadata = fs::metadata(&path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(format!("it is larger than {} MiB", MAX_FILE_BYTES / 1024 / 1024));
    }
    let content = fs::read(&path).map_err(|error| error.to_string())?;
    String::from_utf8(content).map_err(|_| "it is not UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_manifests_are_found() {
        let dir = tempfile::tempdir().expect("directory");
        for name in ["a.yaml", "b.yml", "c.json", "d.txt", ".e.yaml", "f.yaml~"] {
            fs::write(dir.path().join(name), "x").expect("file");
        }
        fs::create_dir(dir.path().join("g.yaml")).expect("directory");
        let found = scan(dir.path()).expect("files");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a.yaml", "b.yml", "c.json"]);
    }

    #[test]
    fn an_unreadable_directory_is_one_clear_line() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let error = scan(file.path()).expect_err("no directory");
        assert_eq!(
            error.to_string(),
            format!(
                "cannot read the manifest directory {}: it is not a directory",
                file.path().display()
            )
        );
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let dir = tempfile::tempdir().expect("directory");
        let file = fs::File::create(dir.path().join("a.yaml")).expect("file");
        file.set_len(MAX_FILE_BYTES + 1).expect("length");
        assert_eq!(
            read_manifest(dir.path(), "a.yaml"),
            Err("it is larger than 4 MiB".to_owned())
        );
    }
}
