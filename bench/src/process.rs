//! Child processes of a benchmark: started, asked for their first line, measured by `/proc`, ended with their parent.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// Clock ticks per second of `/proc/<pid>/stat`; Linux has had 100 on every architecture we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child that ends when it is dropped.
pub struct Process {
    child: Child,
    _input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `command` with a pipe as its input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {:?}", command.get_program()))?;
        Ok(Self {
            _input: child.stdin.take(),
            output: child.stdout.take().map(BufReader::new),
            child,
        })
    }

    /// As [`Process::start`], where nothing is read from its output.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_unread(command: &mut Command) -> Result<Self> {
        Self::start(command.stdout(Stdio::null()))
    }

    /// Starts this program again with these arguments.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_self(arguments: &[&str]) -> Result<Self> {
        let program = std::env::current_exe()?;
        Self::start(Command::new(program).args(arguments).stdout(Stdio::piped()))
    }

    /// The next line of its output.
    ///
    /// # Errors
    /// When it ended instead.
    pub fn read_line(&mut self) -> Result<String> {
        let output = self.output.as_mut().context("output was taken")?;
        let mut line = String::new();
        if output.read_line(&mut line)? == 0 {
            bail!("the child ended without a word: {:?}", self.child.wait()?);
        }
        Ok(line.trim_end().to_owned())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its CPU time so far, user and system.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The second field is the name, in parentheses, and may hold blanks.
        let (_, rest) = stat.rsplit_once(") ").context("unknown form of /proc/<pid>/stat")?;
        let mut fields = rest.split(' ').skip(11);
        let mut ticks = || -> Result<f64> { Ok(fields.next().context("too few fields")?.parse()?) };
        Ok(Duration::from_secs_f64((ticks()? + ticks()?) / TICKS_PER_SECOND))
    }

    /// Its resident memory that nobody else shares, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id()))?;
        let kilobytes = |name: &str| -> Result<u64> {
            let line = status
                .lines()
                .find(|line| line.starts_with(name))
                .context("no such field")?;
            Ok(line[name.len()..].trim().trim_end_matches(" kB").parse()?)
        };
        Ok(kilobytes("Rss:")? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program from a variable, or next to this one.
///
/// # Errors
/// When there is none.
pub fn find_program(variable: &str, name: &str) -> Result<std::path::PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let path = std::env::current_exe()?
        .parent()
        .map_or_else(|| Path::new(name).to_owned(), |folder| folder.join(name));
    if !path.exists() {
        bail!(
            "{} is missing: run `cargo build --release -p {name}`, or set {variable} to the program",
            path.display()
        );
    }
    Ok(path)
}
