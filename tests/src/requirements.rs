//! Where the tests find what `cargo xtask test` gave them. A missing part fails a test with one line; nothing is skipped.

use std::path::PathBuf;

use anyhow::{Result, anyhow};

/// The value of `variable`, which `cargo xtask test` sets.
///
/// # Errors
/// When it is not set; the text says how to get `what`.
pub fn find_required(variable: &str, what: &str) -> Result<String> {
    std::env::var(variable).map_err(|_| anyhow!("{variable} is not set: run `cargo xtask test`, or set it to {what}"))
}

/// The built `kagent-server`.
///
/// # Errors
/// As [`find_required`].
pub fn find_server() -> Result<PathBuf> {
    find_required("KAGENT_TEST_SERVER", "the path of the built kagent-server").map(PathBuf::from)
}

/// The `kagent-adk` program of a Python environment.
///
/// # Errors
/// As [`find_required`].
pub fn find_adk() -> Result<PathBuf> {
    find_required("KAGENT_TEST_ADK", "the path of kagent-adk 0.9.12").map(PathBuf::from)
}

/// The built example agent; the tour is beside it.
///
/// # Errors
/// As [`find_required`].
pub fn find_quickstart_agent() -> Result<PathBuf> {
    let what = "the path of the built quickstart-agent";
    find_required("KAGENT_TEST_QUICKSTART_AGENT", what).map(PathBuf::from)
}

/// The directory with kube-apiserver, kube-controller-manager, etcd and kubectl.
///
/// # Errors
/// When neither `KAGENT_TEST_KUBE_BINARIES` nor `KUBEBUILDER_ASSETS` is set, or a program is not there.
pub fn find_kube_binaries() -> Result<PathBuf> {
    let dir = match std::env::var_os("KUBEBUILDER_ASSETS") {
        Some(dir) if std::env::var_os("KAGENT_TEST_KUBE_BINARIES").is_none() => dir.into(),
        _ => PathBuf::from(find_required(
            "KAGENT_TEST_KUBE_BINARIES",
            "a directory with kube-apiserver, kube-controller-manager, etcd and kubectl",
        )?),
    };
    match ["kube-apiserver", "kube-controller-manager", "etcd"]
        .iter()
        .find(|program| !dir.join(program).is_file())
    {
        Some(program) => Err(anyhow!("{} has no {program}: run `cargo xtask test`", dir.display())),
        None => Ok(dir),
    }
}
