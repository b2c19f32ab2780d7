//! Rules about any text file: nothing reads outside the repository, nothing names a package registry's host.

use super::Finding;

/// Checks one text file.
pub(super) fn check(path: &str, content: &str) -> Vec<Finding> {
    // The lock files name their registry by themselves; recordings are other programs' words.
    let skipped = path.ends_with("Cargo.lock") || path.ends_with("package-lock.json") || path.contains("/recordings/");
    if skipped {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in content.lines().enumerate() {
        for (words, fix) in forbidden() {
            if line.contains(&words) {
                findings.push(Finding::error(
                    path,
                    index + 1,
                    format!("`{words}` must not be here: {fix}"),
                ));
            }
        }
    }
    findings
}

/// Put together from parts, so that this file does not contain what it forbids.
fn forbidden() -> Vec<(String, &'static str)> {
    let outside = "a user has only this repository; copy what is needed into it";
    let host = "use the package manager's own settings";
    vec![
        (["..", "shared"].join("/"), outside),
        (["", "work", "shared"].join("/"), outside),
        (["", "work", "dep"].join("/"), outside),
        (["index.crates", "io"].join("."), host),
        (["static.crates", "io"].join("."), host),
        (["//crates", "io"].join("."), host),
        (["pypi", "org"].join("."), host),
        (["files.pythonhosted", "org"].join("."), host),
        (["registry.npmjs", "org"].join("."), host),
        (["proxy.golang", "org"].join("."), host),
        (["deb.debian", "org"].join("."), host),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_outside_and_registry_hosts_are_found() {
        let outside = ["see ..", "shared", "x"].join("/");
        let host = ["pip install -i https://pypi", "org"].join(".");
        let found = check("docs/a.md", &format!("fine\n{outside}\n{host}\n"));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(check("Cargo.lock", &host), []);
    }
}
