//! A real Kubernetes control plane and the Go programs of the tests, built once from the modules that
//! `tests/control-plane` pins.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    cache,
    process::{find_in_path, read, say, workspace_root},
};

/// Version of Kubernetes in `go.mod`. Without it in the programs some clients cannot parse what they answer.
const KUBERNETES: (&str, &str, &str) = ("1", "35", "v1.35.4");
/// What is built, in the order in which most is shared.
const PROGRAMS: [(&str, &str); 4] = [
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    (
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("etcd", "go.etcd.io/etcd/server/v3"),
];
const HOW: &str = "install Go 1.25 or newer (https://go.dev/dl; Debian: apt-get install golang)";
/// What our own Go needs of the language and the modules.
const GO_MINOR: u32 = 25;
const PROGRESS_EVERY: Duration = Duration::from_secs(15);

/// The folder with the programs of the control plane: from `KUBEBUILDER_ASSETS`, else built.
pub(crate) fn provide_control_plane() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) {
        return match PROGRAMS.iter().find(|(name, _)| !dir.join(name).is_file()) {
            None => Ok(dir),
            Some((name, _)) => bail!(
                "KUBEBUILDER_ASSETS is {}, where there is no {name}: unset it, and the control plane is built with Go",
                dir.display()
            ),
        };
    }
    let modules = Modules::read()?;
    let packages = PROGRAMS.map(|(_, package)| package).join(" ");
    let requirements = [
        &modules.module,
        &modules.sums,
        KUBERNETES.2,
        &packages,
        std::env::consts::ARCH,
    ];
    cache::ensure(&cache::root()?, "control-plane", &requirements, |dir| {
        let go = find_go()?;
        say("building a Kubernetes control plane (once, about 1 GB of Go modules, 10 minutes on 2 cores)");
        PROGRAMS
            .iter()
            .try_for_each(|(name, package)| build(&go, name, package, dir))
    })
}

/// A Go program of ours for the tests.
pub(crate) struct OwnProgram {
    /// The variable by which tests find it: `KAGENT_TEST_LEASE_CONTENDER` for `cmd/lease-contender`.
    pub(crate) variable: String,
    pub(crate) path: PathBuf,
}

/// The programs below `tests/control-plane/cmd`, one per folder, built with the modules of the control plane.
pub(crate) fn provide_own() -> Result<Vec<OwnProgram>> {
    let cmd = Modules::folder().join("cmd");
    if !cmd.is_dir() {
        return Ok(Vec::new());
    }
    let mut folders = fs::read_dir(&cmd)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    folders.sort();
    folders.iter().map(|folder| build_own(folder)).collect()
}

fn build_own(folder: &Path) -> Result<OwnProgram> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .context("a folder has no name")?;
    let modules = Modules::read()?;
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "go") {
            sources.push((path.clone(), fs::read_to_string(path)?));
        }
    }
    sources.sort();
    let mut requirements = vec![modules.module.as_str(), &modules.sums, std::env::consts::ARCH];
    requirements.extend(sources.iter().map(|(_, text)| text.as_str()));
    let dir = cache::ensure(&cache::root()?, name, &requirements, |dir| {
        say(&format!("building {name}, a Go program of the tests"));
        build(&find_go()?, name, &format!("./cmd/{name}"), dir)
    })?;
    Ok(OwnProgram {
        variable: format!("KAGENT_TEST_{}", name.to_uppercase().replace('-', "_")),
        path: dir.join(name),
    })
}

/// What decides about the programs.
struct Modules {
    module: String,
    sums: String,
}

impl Modules {
    fn folder() -> PathBuf {
        workspace_root().join("tests/control-plane")
    }

    fn read() -> Result<Self> {
        let read =
            |name: &str| fs::read_to_string(Self::folder().join(name)).with_context(|| format!("cannot read {name}"));
        Ok(Self {
            module: read("go.mod")?,
            sums: read("go.sum")?,
        })
    }
}

/// Looks for a Go that is new enough.
fn find_go() -> Result<PathBuf> {
    let Some(go) = find_in_path("go") else {
        bail!("no go in PATH, which the control plane of the tests is built with: {HOW}");
    };
    // `go1.26.8`; builds of distributions add words.
    let version = read(Command::new(&go).args(["env", "GOVERSION"]).current_dir("/"))?;
    if !is_new_enough(version.trim()) {
        bail!("{} is {}: {HOW}", go.display(), version.trim());
    }
    Ok(go)
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches("go")
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or_default());
    let version = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    version >= (1, GO_MINOR)
}

/// Builds one program into `dir`; what Go prints goes to `<name>.log` there, the pace to the terminal.
fn build(go: &Path, name: &str, package: &str, dir: &Path) -> Result<()> {
    let (major, minor, version) = KUBERNETES;
    let base = "k8s.io/component-base/version";
    let flags = format!(
        "-s -w -X {base}.gitVersion={version} -X {base}.gitMajor={major} -X {base}.gitMinor={minor} -X \
         {base}.gitTreeState=clean"
    );
    let log_path = dir.join(format!("{name}.log"));
    let log = fs::File::create(&log_path)?;
    let started = Instant::now();
    let mut child = Command::new(go)
        .args([
            "build",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            &flags,
            "-o",
        ])
        .arg(dir.join(name))
        .arg(package)
        .current_dir(Modules::folder())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", go.display()))?;
    let mut said = started;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            say(&format!("  {name}: {} s", started.elapsed().as_secs()));
        }
        thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        let text = fs::read_to_string(&log_path).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(15)..] {
            say(&format!("  {line}"));
        }
        bail!("go could not build {name}; is the Go module proxy reachable?");
    }
    say(&format!("  {name}: built in {} s", started.elapsed().as_secs()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_is_compared_by_its_numbers() {
        for (version, expected) in [
            ("go1.25", true),
            ("go1.26.8", true),
            ("go1.25.3 X:nocoverageredesign", true),
            ("go2.0", true),
            ("go1.24.9", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }

    #[test]
    fn the_version_of_kubernetes_is_that_of_the_modules() {
        let modules = Modules::read().unwrap();
        let line = format!("k8s.io/kubernetes {}\n", KUBERNETES.2);
        assert!(modules.module.contains(&line), "{line}");
    }
}
