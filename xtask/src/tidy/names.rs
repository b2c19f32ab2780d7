//! Rules about file names: the same noun everywhere, migrations in pairs, no drawers.

use std::collections::BTreeSet;

use super::{
    Finding,
    rules::{DRAWER_NAMES, HTTP_WITHOUT_SERVICE},
};

/// Checks the names of all files.
pub(super) fn check(files: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in files.iter().filter(|path| path.ends_with(".rs")) {
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
        if DRAWER_NAMES.contains(&name) {
            let text = format!("a file named `{name}` becomes a drawer: name what is in it");
            findings.push(Finding::error(path, 0, text));
        }
        if name == "mod" {
            let text = "use `foo.rs` beside `foo/`, not `foo/mod.rs`: then the tab in the editor says what it is";
            findings.push(Finding::error(path, 0, text));
        }
    }

    let http = names_in(files, "kagent-core/src/http/");
    let service = names_in(files, "kagent-core/src/service/");
    for name in http.difference(&service) {
        if !HTTP_WITHOUT_SERVICE.contains(name) {
            let text = format!(
                "no `service/{name}.rs` beside it: put what the resource means there, or list the name in \
                 HTTP_WITHOUT_SERVICE (xtask/src/tidy/rules.rs)"
            );
            findings.push(Finding::error(&format!("kagent-core/src/http/{name}.rs"), 0, text));
        }
    }

    let traits = names_in(files, "kagent-core/src/store/");
    for (left, right, suffix) in [
        (
            "kagent-core/src/store/sqlite/",
            "kagent-core/src/store/postgres/",
            ".rs",
        ),
        (
            "kagent-core/migrations/sqlite/",
            "kagent-core/migrations/postgres/",
            ".sql",
        ),
    ] {
        let names = |folder: &str| -> BTreeSet<&str> {
            let inside = files
                .iter()
                .filter_map(|path| path.strip_prefix(folder)?.strip_suffix(suffix));
            // What an engine needs for itself (a lock, options) has no twin; what implements a trait has.
            inside
                .filter(|name| suffix == ".sql" || traits.contains(name))
                .collect()
        };
        let (in_left, in_right) = (names(left), names(right));
        for name in in_left.symmetric_difference(&in_right) {
            let (has, lacks) = if in_left.contains(name) {
                (left, right)
            } else {
                (right, left)
            };
            let text = format!("no `{lacks}{name}{suffix}`: both engines have the same files");
            findings.push(Finding::error(&format!("{has}{name}{suffix}"), 0, text));
        }
    }
    findings
}

/// Names without `.rs` of the files directly in `folder`.
fn names_in<'a>(files: &'a [String], folder: &str) -> BTreeSet<&'a str> {
    files
        .iter()
        .filter_map(|path| path.strip_prefix(folder)?.strip_suffix(".rs"))
        .filter(|name| !name.contains('/'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths_found(files: &[&str]) -> Vec<String> {
        let files: Vec<String> = files.iter().map(|path| (*path).to_owned()).collect();
        check(&files).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn drawers_are_found() {
        assert_eq!(
            paths_found(&["a/utils.rs", "a/mod.rs", "a/clock.rs"]),
            ["a/utils.rs", "a/mod.rs"]
        );
    }

    #[test]
    fn a_handler_has_a_service_of_its_name() {
        let files = [
            "kagent-core/src/http/sessions.rs",
            "kagent-core/src/http/agents.rs",
            "kagent-core/src/http/a2a.rs",
            "kagent-core/src/service/agents.rs",
        ];
        assert_eq!(paths_found(&files), ["kagent-core/src/http/sessions.rs"]);
    }

    #[test]
    fn an_engine_implements_the_same_kinds_as_the_other() {
        let files = [
            "kagent-core/src/store/sessions.rs",
            "kagent-core/src/store/sqlite/lock.rs",
            "kagent-core/src/store/sqlite/sessions.rs",
        ];
        assert_eq!(paths_found(&files), ["kagent-core/src/store/sqlite/sessions.rs"]);
    }

    #[test]
    fn migrations_come_in_pairs() {
        let files = [
            "kagent-core/migrations/sqlite/0001_agents.sql",
            "kagent-core/migrations/postgres/0001_agents.sql",
            "kagent-core/migrations/postgres/0002_events.sql",
        ];
        assert_eq!(paths_found(&files), ["kagent-core/migrations/postgres/0002_events.sql"]);
    }
}
