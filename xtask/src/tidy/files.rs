//! Rules about one Rust file or manifest: header, length, markers, error texts, inherited lints.

use super::{
    Finding,
    rules::{HARD_LINES, SOFT_LINES},
    source::Source,
};

/// Checks one Rust file.
pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut error = |line, text: String| findings.push(Finding::error(source.path, line, text));

    if !source.text.starts_with("//!") {
        let text = "no header: begin the file with `//!`: what it does, and what it must not do (1 to 5 lines)";
        error(1, text.to_owned());
    }
    let lines = source.text.lines().count();
    if lines > HARD_LINES {
        let text = format!("{lines} lines, at most {HARD_LINES}: move one subject to a file of its own");
        error(HARD_LINES, text);
    }
    for (line, code) in source.lines() {
        for (marker, fix) in [
            ("todo!", "finish it, or leave it out"),
            ("unimplemented!", "finish it, or leave it out"),
            ("#[ignore", "make the test run, or remove it"),
            ("#[allow(", "use `#[expect(…, reason = \"…\")]`"),
            ("#![allow(", "use `#![expect(…, reason = \"…\")]`"),
        ] {
            if code.contains(marker) {
                error(line, format!("`{marker}` is not for committed code: {fix}"));
            }
        }
        if let Some(path) = glob_import(code)
            && !(path == "super::*" && (line > source.tests_from || source.is_test()))
        {
            error(line, format!("`use {path}` hides where names come from: name them"));
        }
    }
    for (index, line) in source.text.lines().enumerate() {
        if let Some((_, message)) = line.split_once("#[error(\"")
            && ["{source", "{0}\")", ": {0"].iter().any(|part| message.contains(part))
        {
            let text =
                "the text of an error must not include its source: `chain` prints causes; say what we were doing";
            error(index + 1, text.to_owned());
        }
    }
    let without_tests = source.tests_from - 1;
    if lines <= HARD_LINES && without_tests > SOFT_LINES {
        let text = format!("{without_tests} lines without tests, better at most {SOFT_LINES}: consider splitting it");
        findings.push(Finding::warning(source.path, 0, text));
    }
    findings
}

/// Checks a Cargo.toml: lints are inherited, versions come from the workspace.
pub(super) fn check_manifest(path: &str, content: &str) -> Vec<Finding> {
    let manifest: toml::Table = match content.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::error(path, 0, format!("not TOML: {}", error.message()))],
    };
    let mut findings = Vec::new();
    // A package that is a workspace of its own (the fuzz targets) has nothing to inherit from.
    if !manifest.contains_key("package") || manifest.contains_key("workspace") {
        return findings;
    }
    let inherits = |table: Option<&toml::Value>| {
        table
            .and_then(|lints| lints.get("workspace"))
            .and_then(toml::Value::as_bool)
            .unwrap_or(false)
    };
    if !inherits(manifest.get("lints")) {
        findings.push(Finding::error(
            path,
            0,
            "lints are not inherited: add `[lints]` with `workspace = true`",
        ));
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let dependencies = manifest.get(section).and_then(toml::Value::as_table);
        for (name, dependency) in dependencies.into_iter().flatten() {
            if !inherits(Some(dependency)) {
                let text =
                    format!("`{name}` has a version of its own: put it in [workspace.dependencies] and inherit it");
                findings.push(Finding::error(path, 0, text));
            }
        }
    }
    findings
}

fn glob_import(code: &str) -> Option<&str> {
    let code = code.trim();
    let path = code.strip_prefix("pub use ").or_else(|| code.strip_prefix("use "))?;
    let path = path.trim_end_matches(';');
    (path.ends_with("::*") || path.contains("::*,") || path.contains("::*}")).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, content: &str) -> Vec<String> {
        check(&Source::parse(path, content))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_file_in_order_has_no_findings() {
        let content = "//! Does one thing.\n\nuse a::b;\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
        assert_eq!(texts("a.rs", content), Vec::<String>::new());
    }

    #[test]
    fn a_missing_header_is_found() {
        assert!(texts("a.rs", "fn f() {}\n")[0].starts_with("a.rs:1: error: no header"));
    }

    #[test]
    fn markers_are_found_in_code_only() {
        let found = texts("a.rs", "//! A `todo!` in words.\nfn f() { todo!() }\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.rs:2: error: `todo!`"));
    }

    #[test]
    fn globs_are_for_tests() {
        let content = "//! X.\nuse a::*;\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use b::*;\n}\n";
        let found = texts("a.rs", content);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("use a::*") && found[1].contains("use b::*"));
    }

    #[test]
    fn an_error_text_with_its_source_is_found() {
        let found = texts(
            "a.rs",
            "//! X.\n#[error(\"cannot read: {source}\")]\n#[error(\"no agent {name}\")]\n",
        );
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.rs:2:"));
    }

    #[test]
    fn long_files_are_found() {
        let long = format!("//! X.\n{}", "fn f() {}\n".repeat(HARD_LINES));
        assert!(texts("a.rs", &long)[0].contains("801 lines"));
        let longish = format!("//! X.\n{}", "fn f() {}\n".repeat(SOFT_LINES));
        assert!(texts("a.rs", &longish)[0].starts_with("a.rs: warning: 401 lines"));
    }

    #[test]
    fn manifests_inherit() {
        let good = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n[dependencies]\nb.workspace = true\n";
        assert_eq!(check_manifest("Cargo.toml", good), []);
        let bad = "[package]\nname = \"a\"\n[dependencies]\nb = \"1\"\n";
        assert_eq!(check_manifest("Cargo.toml", bad).len(), 2);
        let alone = format!("[workspace]\n{bad}");
        assert_eq!(check_manifest("Cargo.toml", &alone), []);
    }
}
