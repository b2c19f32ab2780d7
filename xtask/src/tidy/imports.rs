//! The import table of kagent-core, and the order of import groups everywhere.

use super::{
    Finding,
    rules::{FOUNDATION, MODULES, ModuleRule},
    source::Source,
};

const CORE: &str = "kagent-core/src/";

/// Checks the imports of one file.
pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = check_groups(source);
    let module = source.path.strip_prefix(CORE).and_then(|file| file.strip_suffix(".rs"));
    if let Some(module) = module.filter(|module| *module != "lib") {
        findings.extend(check_table(source, &module.replace('/', "::")));
    }
    findings
}

fn check_table(source: &Source<'_>, module: &str) -> Vec<Finding> {
    let Some(rule) = find_rule(module) else {
        let text = format!("module `{module}` is not in the import table: add a row to xtask/src/tidy/rules.rs");
        return vec![Finding::error(source.path, 0, text)];
    };
    let own = module.split("::").next().unwrap_or(module);
    let mut findings = Vec::new();
    for (line, path) in source.paths() {
        let path = path.replace("kagent_core::", "crate::");
        for (kept_out, reason) in rule.keep_out {
            if is_below(&path, kept_out) {
                findings.push(Finding::error(
                    source.path,
                    line,
                    format!("`{module}` must not use `{kept_out}`: {reason}"),
                ));
            }
        }
        let Some(imported) = path.strip_prefix("crate::") else {
            continue;
        };
        let top = imported.split("::").next().unwrap_or(imported);
        let re_exported = top.starts_with(char::is_uppercase);
        let allowed = re_exported
            || top == own
            || FOUNDATION.contains(&top)
            || rule.may_import.iter().any(|allowed| is_below(imported, allowed));
        if !allowed {
            let text = format!(
                "`{module}` must not import `{top}`: move the code to where both may go, or pass the value in \
                 (table: xtask/src/tidy/rules.rs)"
            );
            findings.push(Finding::error(source.path, line, text));
        }
    }
    findings.dedup();
    findings
}

fn find_rule(module: &str) -> Option<&'static ModuleRule> {
    MODULES
        .iter()
        .filter(|rule| is_below(module, rule.module))
        .max_by_key(|rule| rule.module.len())
}

/// Whether `path` is `top` or inside it.
fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The `use` lines at the top: std, then external crates, then ours, each group once and apart by an empty line.
fn check_groups(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut own_modules = Vec::new();
    let mut last: Option<(u8, bool)> = None;
    let mut inside = false;
    for (line, code) in source.lines_without_tests() {
        if inside {
            inside = !code.contains(';');
            continue;
        }
        if code.trim().is_empty() {
            let comment = !source.text.lines().nth(line - 1).unwrap_or_default().trim().is_empty();
            if let Some((_, apart)) = last.as_mut().filter(|_| !comment) {
                *apart = true;
            }
            continue;
        }
        let Some(path) = code.strip_prefix("use ") else {
            if let Some((_, module)) = code.trim_end_matches(';').rsplit_once("mod ") {
                own_modules.push(module);
            }
            if !code.starts_with('#') {
                // `pub use`, `mod` and items end the block.
                last = None;
            }
            continue;
        };
        inside = !code.contains(';');
        let group = group_of(path, &own_modules);
        if let Some((previous, apart)) = last {
            if group < previous {
                let text = "imports out of order: std, then external crates, then ours";
                findings.push(Finding::error(source.path, line, text));
            } else if group > previous && !apart {
                let text = "put an empty line between import groups (std, external, ours)";
                findings.push(Finding::error(source.path, line, text));
            }
        }
        last = Some((group, false));
    }
    findings
}

fn group_of(path: &str, own_modules: &[&str]) -> u8 {
    let first = path
        .trim_start_matches("::")
        .split([':', ';', ' '])
        .next()
        .unwrap_or(path);
    match first {
        "std" | "core" | "alloc" => 0,
        "crate" | "super" | "self" => 2,
        first if own_modules.contains(&first) => 2,
        _ => 1,
    }
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
    fn a_store_does_not_see_handlers() {
        let found = texts(
            "kagent-core/src/store/sessions.rs",
            "use crate::{error::Result, http::AppState};\n",
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("kagent-core/src/store/sessions.rs:1: error: `store::sessions` must not import"));
    }

    #[test]
    fn a_path_in_the_middle_of_code_counts() {
        let found = texts(
            "kagent-core/src/store.rs",
            "fn f() {\n    crate::controller::run();\n}\n",
        );
        assert!(found[0].contains("store.rs:2:"), "{found:?}");
    }

    #[test]
    fn a_service_uses_traits_and_no_engine() {
        let good = "use crate::{error::Result, store::Store};\n";
        assert_eq!(texts("kagent-core/src/service/sessions.rs", good), Vec::<String>::new());
        let found = texts(
            "kagent-core/src/service/sessions.rs",
            "use crate::store::sqlite::SqliteStore;\n",
        );
        assert!(found[0].contains("only a shell chooses an engine"), "{found:?}");
    }

    #[test]
    fn the_translator_is_pure() {
        let found = texts("kagent-core/src/translate/hash.rs", "use kube::{Client, Resource};\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("pure"));
    }

    #[test]
    fn a_part_of_a_module_may_have_its_own_row() {
        assert_eq!(
            texts("kagent-core/src/registry/informer.rs", "use crate::cluster::Cluster;\n").len(),
            0
        );
        assert_eq!(
            texts("kagent-core/src/registry/table.rs", "use crate::cluster::Cluster;\n").len(),
            1
        );
    }

    #[test]
    fn a_module_without_a_row_is_found() {
        assert!(texts("kagent-core/src/novel.rs", "")[0].contains("not in the import table"));
    }

    #[test]
    fn tests_may_import_anything() {
        let content = "#[cfg(test)]\nmod tests {\n    use crate::http::router;\n}\n";
        assert_eq!(texts("kagent-core/src/store.rs", content), Vec::<String>::new());
    }

    #[test]
    fn groups_are_in_order_and_apart() {
        let good = "use std::fmt;\n\nuse serde::Serialize;\n\nuse crate::error::Error;\n";
        assert_eq!(texts("xtask/src/a.rs", good), Vec::<String>::new());
        let own = "mod part;\n\nuse crate::error::Error;\nuse part::Part;\n";
        assert_eq!(texts("xtask/src/a.rs", own), Vec::<String>::new());
        let together = "use std::fmt;\nuse serde::Serialize;\n";
        assert!(texts("xtask/src/a.rs", together)[0].contains("empty line"));
        let mixed = "use serde::Serialize;\n\nuse std::fmt;\n";
        assert!(texts("xtask/src/a.rs", mixed)[0].contains("out of order"));
    }
}
