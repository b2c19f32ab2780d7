//! The state file: a journal of JSON lines, each with a checksum, rewritten from time to time as a snapshot.
//!
//! A write reaches the operating system before it is answered, so it survives kill -9 of the process; it survives the
//! loss of the machine once the file was synced ([`Durability`]). A lock file keeps a second server out.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};

use crate::{
    resource::ResourceId,
    status::{ApiError, ApiResult},
    storage::{ObjectKey, revision_of},
};

/// When a write is on the disk, not only with the operating system.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// At compaction and at shutdown: survives kill -9 of the process.
    #[default]
    Process,
    /// At every write: survives the loss of the machine, and costs a disk flush per write.
    Machine,
}

/// Why the state could not be opened. The text is one line for the person who started the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another server uses the directory.
    #[error("the state in {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The directory or a file in it cannot be used.
    #[error("cannot open the state in {}: {reason}", dir.display())]
    Io {
        /// The state directory.
        dir: PathBuf,
        /// What the operating system said.
        reason: String,
        /// The error itself.
        source: io::Error,
    },
    /// A line that is not the last one is damaged.
    #[error("{}:{line}: the state file is damaged: {why}", path.display())]
    Damaged {
        /// The state file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A stored object cannot be used by this version.
    #[error("the stored object {0} cannot be used: {1}")]
    Object(String, String),
}

const FILE: &str = "objects.journal";
/// Form of the file; another one is refused.
const FORMAT: u32 = 1;
const LOCK: &str = "objects.lock";
/// A journal smaller than this is never compacted.
const COMPACT_AT: u64 = 8 << 20;

/// One line of the journal. Which fields are there depends on `op`.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Line<'a> {
    op: Op,
    revision: u64,
    /// Form of the file; of the first line only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<u32>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    plural: String,
    /// Namespace and name of an object that is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<(String, String)>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    object: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    /// The first line: the revision at which the snapshot after it was taken.
    #[default]
    Begin,
    Put,
    Remove,
}

/// The open state file.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    file: File,
    length: u64,
    /// Length after the last compaction.
    base: u64,
    durability: Durability,
    /// A write failed and could not be undone; nothing more may be written.
    broken: bool,
    /// Held for as long as the journal lives.
    _lock: File,
}

/// What a state file held.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) journal: Journal,
    pub(crate) revision: u64,
    pub(crate) objects: Vec<(ResourceId, Value)>,
}

impl Journal {
    /// Opens or makes the state in `dir`, reads it, and compacts it.
    pub(crate) fn open(dir: &Path, durability: Durability) -> Result<Loaded, OpenError> {
        let failed = |source: io::Error| OpenError::Io {
            dir: dir.to_owned(),
            reason: source.to_string(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let lock = open_private(&dir.join(LOCK)).map_err(failed)?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::InUse(dir.to_owned())),
            Err(error) => return Err(failed(error.into())),
        }
        let path = dir.join(FILE);
        let mut file = open_private(&path).map_err(failed)?;
        let (revision, objects) = read(&path, &mut file, failed)?;
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut journal = Self {
            dir: dir.to_owned(),
            file,
            length,
            base: 0,
            durability,
            broken: false,
            _lock: lock,
        };
        let lines: Vec<_> = objects
            .iter()
            .map(|(id, value)| (id, revision_of(value), value.to_string()))
            .collect();
        let compacted = journal.compact(
            revision,
            lines
                .iter()
                .map(|(id, revision, json)| (*id, *revision, json.as_bytes())),
        );
        match compacted {
            Ok(()) => {}
            // The file as it is serves as well; a full disk must not keep the server from starting.
            Err(error) if journal.length > 0 => {
                tracing::warn!(error = %error, "the state file could not be compacted; it keeps growing");
            }
            Err(error) => return Err(failed(io::Error::other(error.message))),
        }
        Ok(Loaded {
            journal,
            revision,
            objects,
        })
    }

    pub(crate) fn put(&mut self, id: &ResourceId, revision: u64, json: &[u8]) -> ApiResult<()> {
        let line = put_line(id, revision, json)?;
        self.append(&line)
    }

    pub(crate) fn remove(&mut self, id: &ResourceId, revision: u64, key: &ObjectKey) -> ApiResult<()> {
        let line = Line {
            op: Op::Remove,
            revision,
            group: id.group.clone(),
            plural: id.plural.clone(),
            key: Some((key.namespace.clone(), key.name.clone())),
            ..Line::default()
        };
        self.append(&encode(&line)?)
    }

    fn append(&mut self, line: &[u8]) -> ApiResult<()> {
        if self.broken {
            return Err(unwritable(&self.dir, "an earlier write failed half way"));
        }
        let written = self.file.write_all(line).and_then(|()| match self.durability {
            Durability::Process => Ok(()),
            Durability::Machine => self.file.sync_data(),
        });
        match written {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What was written of the line must not stay in front of the next one.
                let undone = self
                    .file
                    .set_len(self.length)
                    .and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
                self.broken = undone.is_err();
                Err(unwritable(&self.dir, &error.to_string()))
            }
        }
    }

    pub(crate) fn sync(&mut self) -> ApiResult<()> {
        self.file
            .sync_data()
            .map_err(|error| unwritable(&self.dir, &error.to_string()))
    }

    /// Whether most of the file is history.
    pub(crate) fn wants_compaction(&self) -> bool {
        self.length > COMPACT_AT && self.length > self.base.saturating_mul(4)
    }

    /// Replaces the file by one that holds just `objects`.
    pub(crate) fn compact<'a, J: AsRef<[u8]> + ?Sized + 'a>(
        &mut self,
        revision: u64,
        objects: impl Iterator<Item = (&'a ResourceId, u64, &'a J)>,
    ) -> ApiResult<()> {
        // Tried again only when the file has grown as much once more, also after a failure.
        self.base = self.length;
        let mut lines = encode(&Line {
            revision,
            format: Some(FORMAT),
            ..Line::default()
        })?;
        for (id, revision, json) in objects {
            lines.extend_from_slice(&put_line(id, revision, json.as_ref())?);
        }
        let path = self.dir.join(FILE);
        let next = self.dir.join(format!("{FILE}.new"));
        let replaced = (|| {
            let mut file = open_private(&next)?;
            file.set_len(0)?;
            file.write_all(&lines)?;
            file.sync_data()?;
            std::fs::rename(&next, &path)?;
            File::open(&self.dir)?.sync_all()?;
            Ok(file)
        })();
        match replaced {
            Ok(file) => {
                self.file = file;
                self.length = lines.len() as u64;
                self.base = self.length;
                self.broken = false;
                Ok(())
            }
            Err(error) => {
                let error: io::Error = error;
                Err(unwritable(&self.dir, &error.to_string()))
            }
        }
    }
}

/// Opens a file for reading and writing that only its owner may read: it holds Secrets.
fn open_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn unwritable(dir: &Path, why: &str) -> ApiError {
    ApiError::internal(format!("the state in {} cannot be written: {why}", dir.display()))
}

fn put_line(id: &ResourceId, revision: u64, json: &[u8]) -> ApiResult<Vec<u8>> {
    let text = std::str::from_utf8(json).map_err(ApiError::internal)?;
    let object: &RawValue = serde_json::from_str(text).map_err(ApiError::internal)?;
    encode(&Line {
        op: Op::Put,
        revision,
        group: id.group.clone(),
        plural: id.plural.clone(),
        object: Some(object),
        ..Line::default()
    })
}

/// `checksum json\n`.
fn encode(line: &Line<'_>) -> ApiResult<Vec<u8>> {
    let json = serde_json::to_string(line).map_err(ApiError::internal)?;
    Ok(format!("{} {json}\n", checksum(json.as_bytes())).into_bytes())
}

/// The first 16 hex digits of SHA-256, enough to notice a torn or damaged line.
fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

type Contents = (u64, Vec<(ResourceId, Value)>);

/// Reads all lines. A damaged last line is cut off and said in the log: kill -9 or a full disk tears a write.
fn read(path: &Path, file: &mut File, failed: impl Fn(io::Error) -> OpenError) -> Result<Contents, OpenError> {
    let mut revision = 0;
    let mut objects: BTreeMap<(ResourceId, ObjectKey), Value> = BTreeMap::new();
    let mut reader = BufReader::new(&mut *file);
    let mut good = 0_u64;
    let mut number = 0;
    let mut torn = None;
    loop {
        let mut line = Vec::new();
        let length = reader.read_until(b'\n', &mut line).map_err(&failed)?;
        if length == 0 {
            break;
        }
        number += 1;
        if let Some(why) = torn {
            return Err(OpenError::Damaged {
                path: path.to_owned(),
                line: number - 1,
                why,
            });
        }
        match apply(&line, number, &mut revision, &mut objects) {
            Ok(()) => good += length as u64,
            Err(why) => torn = Some(why),
        }
    }
    if let Some(why) = torn {
        tracing::warn!(file = %path.display(), line = number, why, "the last line of the state file is torn and was left out");
        file.set_len(good).map_err(&failed)?;
    }
    let objects = objects.into_iter().map(|((id, _), value)| (id, value)).collect();
    Ok((revision, objects))
}

fn apply(
    line: &[u8],
    number: usize,
    latest: &mut u64,
    objects: &mut BTreeMap<(ResourceId, ObjectKey), Value>,
) -> Result<(), String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let text = text.strip_suffix('\n').ok_or("it has no end")?;
    let (sum, json) = text.split_once(' ').ok_or("it has no checksum")?;
    if sum != checksum(json.as_bytes()) {
        return Err("its checksum does not match".to_owned());
    }
    let line: Line<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if (number == 1) != (line.op == Op::Begin) {
        return Err("it is not in its place".to_owned());
    }
    let id = ResourceId {
        group: line.group,
        plural: line.plural,
    };
    match line.op {
        Op::Begin if line.format != Some(FORMAT) => {
            return Err("the form of the file is not known to this version".to_owned());
        }
        Op::Begin => {}
        Op::Put => {
            let object = line.object.ok_or("it has no object")?;
            let value: Value = serde_json::from_str(object.get()).map_err(|error| error.to_string())?;
            objects.insert((id, ObjectKey::of(&value)), value);
        }
        Op::Remove => {
            let (namespace, name) = line.key.ok_or("it has no key")?;
            objects.remove(&(id, ObjectKey { namespace, name }));
        }
    }
    *latest = line.revision.max(*latest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ResourceId {
        ResourceId {
            group: String::new(),
            plural: "secrets".to_owned(),
        }
    }

    #[test]
    fn a_write_that_fails_is_refused_and_stops_all_later_ones_if_it_cannot_be_undone() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut journal = Journal::open(dir.path(), Durability::Process).expect("opened").journal;
        journal.file = File::open(dir.path().join(FILE)).expect("opened for reading only");
        let object = br#"{"metadata":{"name":"a"}}"#;
        let first = journal.put(&id(), 2, object).expect_err("not writable");
        assert_eq!(first.code, 500);
        assert!(first.message.contains("cannot be written"), "{first}");
        let second = journal.put(&id(), 2, object).expect_err("broken");
        assert!(second.message.ends_with("an earlier write failed half way"), "{second}");
    }

    #[test]
    fn a_file_of_another_form_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut lines = encode(&Line {
            revision: 5,
            format: Some(FORMAT + 1),
            ..Line::default()
        })
        .expect("a line");
        lines.extend(put_line(&id(), 6, br#"{"metadata":{"name":"a"}}"#).expect("a line"));
        std::fs::write(dir.path().join(FILE), lines).expect("written");
        let error = Journal::open(dir.path(), Durability::Process)
            .expect_err("another form")
            .to_string();
        assert!(
            error.ends_with("the form of the file is not known to this version"),
            "{error}"
        );
    }
}
