//! Rules about what we depend on: licences, crates kept out, one version of what crosses interfaces, a light API crate.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{
    Finding,
    rules::{DENIED_CRATES, LICENCES, NOT_IN_API, SINGLE_VERSION},
};
use crate::process;

/// Checks the dependency graph that cargo resolved.
pub(super) fn check() -> Result<Vec<Finding>> {
    let all = [
        "--workspace",
        "--all-features",
        "--target",
        "all",
        "-e",
        "normal,build,dev",
    ];
    let graph = process::read(
        process::cargo()
            .arg("tree")
            .args(all)
            .args(["--prefix", "none", "-f", "{p}\t{l}"]),
    )?;
    let mut findings = check_graph(&graph);
    let only_api = ["-p", "kagent-api", "--all-features", "-e", "normal"];
    let api = process::read(process::cargo().arg("tree").args(only_api).args(["--prefix", "none"]))?;
    findings.extend(check_api(&api));
    Ok(findings)
}

fn check_graph(graph: &str) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for line in graph.lines() {
        let (package, licence) = line.split_once('\t').unwrap_or((line, ""));
        let mut words = package.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            continue;
        };
        if !seen.insert((name, version)) {
            continue;
        }
        versions.entry(name).or_default().insert(version);
        let licence = licence.trim().trim_end_matches(" (*)");
        if !is_allowed(licence) {
            let text = format!(
                "`{name}` {version} has the licence `{licence}`, which is not in LICENCES (xtask/src/tidy/rules.rs)"
            );
            findings.push(Finding::error("Cargo.lock", 0, text));
        }
    }
    for (name, reason) in DENIED_CRATES {
        if versions.contains_key(name) {
            let text = format!(
                "`{name}` is in the build: {reason}; `cargo tree -i {name} --target all --all-features` shows who brings it"
            );
            findings.push(Finding::error("Cargo.lock", 0, text));
        }
    }
    for name in SINGLE_VERSION {
        let versions = versions.get(name).cloned().unwrap_or_default();
        if versions.len() > 1 {
            let text = format!(
                "`{name}` is there in several versions ({versions:?}), and its types cross our interfaces: align them"
            );
            findings.push(Finding::error("Cargo.lock", 0, text));
        }
    }
    findings
}

fn check_api(tree: &str) -> Vec<Finding> {
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    NOT_IN_API
        .iter()
        .filter(|name| names.contains(*name))
        .map(|name| {
            let text = format!(
                "brings `{name}`, but kagent-api is types only; `cargo tree -p kagent-api -i {name}` shows how"
            );
            Finding::error("kagent-core/api/Cargo.toml", 0, text)
        })
        .collect()
}

/// Whether an SPDX expression can be met with [`LICENCES`]. `/` is the old way to write `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let allowed = read_or(&words, &mut at);
    allowed && at == words.len()
}

fn read_or(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = read_and(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= read_and(words, at);
    }
    allowed
}

fn read_and(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = read_one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= read_one(words, at);
    }
    allowed
}

fn read_one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if *word == "(" {
        let allowed = read_or(words, at);
        *at += 1;
        return allowed;
    }
    if words.get(*at) == Some(&"WITH") {
        let full = format!("{word} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
        return LICENCES.contains(&full.as_str());
    }
    LICENCES.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_as_expressions() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR ISC) AND MPL-2.0",
            "Apache-2.0 WITH other",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn denied_crates_and_second_versions_are_found() {
        let graph =
            "tokio v1.0.0\tMIT\ntokio v0.2.0\tMIT\nring v0.17.0\tISC\nserde v1.0.0\tMIT\nserde v1.0.0\tMIT (*)\n";
        let found: Vec<String> = check_graph(graph).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`ring`") && found[1].contains("`tokio`"));
    }

    #[test]
    fn the_api_crate_stays_light() {
        assert_eq!(check_api("kagent-api v0.1.0 (x)\nserde v1.0.0\n"), []);
        assert_eq!(check_api("kagent-api v0.1.0 (x)\ntokio v1.0.0\n").len(), 1);
    }
}
