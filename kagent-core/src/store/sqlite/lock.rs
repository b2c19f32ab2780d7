//! The lock that keeps a second process off a database file: `<file>.lock` beside it, with the holder's process id.
//!
//! Not the database file itself: SQLite's own locks on it end when any other handle of the process is closed.

use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    path::Path,
};

use crate::error::{Error, Result};

/// Held until dropped; the system frees it when the process ends in whatever way.
pub(super) struct FileLock(#[expect(dead_code, reason = "holds the lock")] File);

impl FileLock {
    /// Takes the lock of the database at `path`, at once or not at all.
    pub(super) fn acquire(path: &Path) -> Result<Self> {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let fail = |error: std::io::Error| {
            let path = Path::new(&lock_path).display();
            Error::invalid(format!("the lock file {path} cannot be used: {error}")).with_source(error)
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(refuse(path, &mut file)),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        file.set_len(0).map_err(fail)?;
        write!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(Self(file))
    }
}

fn refuse(path: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    // Only decoration: the refusal stands without it.
    let _ = file.read_to_string(&mut holder);
    let holder = match holder.trim().parse::<u32>() {
        Ok(id) => format!("process {id}"),
        Err(_) => "another process".to_owned(),
    };
    Error::conflict(format!(
        "the database {} is in use by {holder}; stop that process, or give this one a database of its own",
        path.display()
    ))
}
