//! What an agent writes to its standard output and error: a file of bounded size, and its last line for messages.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Size at which the file is set aside as `.1` and a new one begins; at most twice this is kept per agent.
const MAX_FILE_BYTES: u64 = 5 * 1024 * 1024;
/// How much of the end is kept in memory, to find the last line.
const TAIL_BYTES: usize = 4096;
/// Longest last line that is shown.
const LAST_LINE_CHARS: usize = 200;

/// The log of one agent. Cheap to clone; all clones write to the same file.
#[derive(Clone, Debug)]
pub struct AgentLog {
    path: Arc<Path>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    file: File,
    bytes: u64,
    limit: u64,
    tail: Vec<u8>,
}

impl AgentLog {
    /// Opens the file and appends to it; other users of the machine cannot read it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        Self::open_with_limit(path, MAX_FILE_BYTES)
    }

    fn open_with_limit(path: PathBuf, limit: u64) -> io::Result<Self> {
        let file = open_file(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            path: path.into(),
            state: Arc::new(Mutex::new(State {
                file,
                bytes,
                limit,
                tail: Vec::new(),
            })),
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets the last line; for the start of a process, so that a message never quotes an earlier one.
    pub(super) fn begin(&self) {
        self.state.lock().tail.clear();
    }

    /// Copies everything from `source` until its end.
    pub(super) async fn copy(&self, mut source: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 8192];
        loop {
            let count = match source.read(&mut buffer).await {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) => {
                    tracing::debug!(%error, file = %self.path.display(), "cannot read an agent's output");
                    return;
                }
            };
            if let Err(error) = self.append(&buffer[..count]) {
                // The agent must not block on a full pipe because of a full disk: keep reading.
                tracing::debug!(%error, file = %self.path.display(), "cannot write an agent's log");
            }
        }
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        state.tail.extend_from_slice(bytes);
        let surplus = state.tail.len().saturating_sub(TAIL_BYTES);
        state.tail.drain(..surplus);
        if state.bytes >= state.limit {
            let mut old = self.path.as_os_str().to_owned();
            old.push(".1");
            fs::rename(&self.path, old)?;
            state.file = open_file(&self.path)?;
            state.bytes = 0;
        }
        state.file.write_all(bytes)?;
        state.bytes += bytes.len() as u64;
        Ok(())
    }

    /// The last line that is not empty, shortened.
    pub fn last_line(&self) -> Option<String> {
        let state = self.state.lock();
        let text = String::from_utf8_lossy(&state.tail);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(line.chars().filter(|c| !c.is_control()).take(LAST_LINE_CHARS).collect())
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_line_is_found_and_the_file_stays_small() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("a.log");
        let log = AgentLog::open_with_limit(path.clone(), 1000).expect("log");
        for number in 0..100 {
            log.append(format!("line {number:>40}\n").as_bytes()).expect("write");
        }
        log.copy(&b"Error: no key\n\n"[..]).await;
        assert_eq!(log.last_line().as_deref(), Some("Error: no key"));
        for file in [path.clone(), dir.path().join("a.log.1")] {
            assert!(fs::metadata(&file).expect("file").len() < 1100, "{}", file.display());
        }
        log.begin();
        assert_eq!(log.last_line(), None);
    }
}
