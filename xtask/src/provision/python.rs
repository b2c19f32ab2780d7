//! A Python environment with the unmodified `kagent-adk`, which the end-to-end tests run as an agent.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    cache,
    process::{find_in_path, read, say, workspace_root},
};

const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// A Python that can make environments, and its version (`3.11`).
pub(crate) struct Python {
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

/// Looks for Python 3.10 or newer with the `venv` module.
pub(crate) fn find_python() -> Result<Python> {
    const HOW: &str = "install Python 3.10 or newer with venv (Debian: apt-get install python3-venv)";
    let program = find_in_path("python3").with_context(|| format!("no python3 in PATH: {HOW}"))?;
    let check = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])";
    let version = read(Command::new(&program).args(["-c", check]))
        .with_context(|| format!("{} cannot make environments: {HOW}", program.display()))?
        .trim()
        .to_owned();
    let minor: u32 = version
        .strip_prefix("3.")
        .and_then(|minor| minor.parse().ok())
        .unwrap_or_default();
    if minor < 10 {
        bail!("{} is Python {version}: {HOW}", program.display());
    }
    Ok(Python { program, version })
}

/// The `kagent-adk` program of an environment made from `tests/python/requirements.txt`.
pub(crate) fn provide_adk(python: &Python) -> Result<PathBuf> {
    let requirements = AdkRequirements::read()?;
    let dir = cache::ensure(&cache::root()?, "adk", &requirements.key(python), |dir| {
        say("fetching kagent-adk and what it needs (once, about 1 GB, a few minutes)");
        make_venv(python, dir)?;
        let path = |name: &str| AdkRequirements::folder().join(name).display().to_string();
        pip_install(dir, &["-r", &path("requirements.txt"), "-c", &path("constraints.txt")])
    })?;
    Ok(dir.join("bin/kagent-adk"))
}

/// The `kagent-adk` program that an earlier [`provide_adk`] made.
pub(crate) fn find_adk() -> Option<PathBuf> {
    let python = find_python().ok()?;
    let requirements = AdkRequirements::read().ok()?;
    let dir = cache::find(&cache::root().ok()?, "adk", &requirements.key(&python))?;
    Some(dir.join("bin/kagent-adk"))
}

/// What is asked for, and the versions that were seen working together.
struct AdkRequirements {
    requirements: String,
    constraints: String,
}

impl AdkRequirements {
    fn folder() -> PathBuf {
        workspace_root().join("tests/python")
    }

    fn read() -> Result<Self> {
        let read =
            |name: &str| fs::read_to_string(Self::folder().join(name)).with_context(|| format!("cannot read {name}"));
        Ok(Self {
            requirements: read("requirements.txt")?,
            constraints: read("constraints.txt")?,
        })
    }

    fn key<'a>(&'a self, python: &'a Python) -> [&'a str; 3] {
        [&python.version, &self.requirements, &self.constraints]
    }
}

/// Makes an empty environment in `dir`.
pub(crate) fn make_venv(python: &Python, dir: &Path) -> Result<()> {
    read(Command::new(&python.program).args(["-m", "venv"]).arg(dir))?;
    Ok(())
}

/// Installs packages into the environment in `dir`; all output goes to `pip.log` there, the pace to the terminal.
pub(crate) fn pip_install(dir: &Path, what: &[&str]) -> Result<()> {
    let log_path = dir.join("pip.log");
    let mut log = File::create(&log_path)?;
    let mut child = Command::new(dir.join("bin/python"))
        .args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--progress-bar",
            "off",
        ])
        .args(what)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?)
        .spawn()
        .context("cannot start pip")?;
    let output = child.stdout.take().context("pip has no output")?;
    let started = Instant::now();
    let mut said = started;
    let mut packages = 0;
    for line in BufReader::new(output).lines() {
        let line = line?;
        writeln!(log, "{line}")?;
        packages += usize::from(line.starts_with("Collecting "));
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            let doing = if line.starts_with("Installing ") {
                "installing"
            } else {
                "collecting"
            };
            say(&format!(
                "  {doing}: {packages} packages, {} s",
                started.elapsed().as_secs()
            ));
        }
    }
    let status = child.wait()?;
    if !status.success() {
        let text = fs::read_to_string(&log_path).unwrap_or_default();
        let mut last = VecDeque::new();
        for line in text.lines() {
            last.push_back(line);
            if last.len() > 15 {
                last.pop_front();
            }
        }
        for line in last {
            say(&format!("  {line}"));
        }
        bail!("pip could not install the packages; is the Python package index reachable?");
    }
    Ok(())
}
