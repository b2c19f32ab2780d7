//! One program of the control plane as a process that cannot outlive this one, with its output in a file.
//!
//! A shell stands between: it waits for the end of its standard input, a pipe from us, so that the program is gone also
//! after a panic, Ctrl-C or `kill -9` of the tests.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result};

/// Lines of a log that a message shows.
const TAIL_LINES: usize = 15;

/// Arguments: the program and its arguments. Its end is the script's end, and the end of standard input is its own.
const GUARD: &str = r#"
trap '' INT TERM HUP
exec 3<&0
"$@" </dev/null 3<&- &
pid=$!
{ cat <&3 >/dev/null; kill -KILL "$pid" 2>/dev/null; } &
watcher=$!
wait "$pid"
status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"
"#;

/// Argument: a directory, which goes when standard input ends. What still writes there is being killed meanwhile.
const SWEEPER: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
tries=0
until sleep 0.2; rm -rf "$1" 2>/dev/null && [ ! -e "$1" ]; do
  tries=$((tries + 1)); [ "$tries" -lt 100 ] || exit 1
done
"#;

/// A running program; it is killed when this is dropped.
pub(super) struct Component {
    name: &'static str,
    log: PathBuf,
    guard: Child,
    lifeline: Option<ChildStdin>,
}

impl Component {
    /// Starts `program`; its output is added to `<dir>/<name>.log`.
    pub(super) fn spawn(name: &'static str, dir: &Path, program: &Path, arguments: &[String]) -> Result<Self> {
        Self::spawn_with(name, dir, program, arguments, &[])
    }

    /// As [`Component::spawn`], with more variables.
    pub(super) fn spawn_with(
        name: &'static str,
        dir: &Path,
        program: &Path,
        arguments: &[String],
        variables: &[(&str, &Path)],
    ) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "plane-guard"])
            .arg(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Keys typed at the terminal of the tests are for the tests.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let lifeline = guard.stdin.take();
        Ok(Self {
            name,
            log,
            guard,
            lifeline,
        })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.guard.try_wait().context("cannot look after a process")
    }

    /// Whether it has said that its port belongs to somebody else.
    pub(super) fn lost_its_port(&self) -> bool {
        self.read_log().contains("address already in use")
    }

    /// All it has printed.
    pub(super) fn read_log(&self) -> String {
        // No file is as good as an empty one.
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its name and the end of its log, for messages.
    pub(super) fn describe(&self) -> String {
        let log = self.read_log();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n  ");
        format!("{} ({}):\n  {tail}", self.name, self.log.display())
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // SIGKILL is on its way; there is nobody to tell if the shell cannot be waited for.
        let _ = self.guard.wait();
    }
}

/// A temporary directory that goes with this value, and also when this process is killed.
pub(super) struct SweptDir {
    path: PathBuf,
    sweeper: Child,
    lifeline: Option<ChildStdin>,
}

impl SweptDir {
    pub(super) fn new(prefix: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix(prefix).tempdir()?;
        let mut sweeper = Command::new("sh")
            .args(["-c", SWEEPER, "plane-sweeper"])
            .arg(dir.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let lifeline = sweeper.stdin.take();
        Ok(Self {
            path: dir.keep(),
            sweeper,
            lifeline,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SweptDir {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // Nobody is left to tell if the directory cannot be removed.
        let _ = self.sweeper.wait();
    }
}
