//! What differs between two runs of the same case, replaced by a word: ids, times, versions, ages, the namespace.

use std::sync::LazyLock;

use regex::Regex;

static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (r#"("?resourceVersion"?: ")\d+""#, "${1}<version>\""),
        (r#"(Resource Version: +)\d+"#, "${1}<version>"),
        (r#"("continue": ")[^"]+""#, "${1}<continue>\""),
        (r#"(resourceVersion\\+":\\+")\d+"#, "${1}<version>"),
        (
            r"(ersion in (?:precondition|object meta): |ResourceVersion in record \()\d+",
            "${1}<version>",
        ),
        (r"(resource version: )\d+( \(\d+\)|, current: \d+)?", "${1}<version>"),
        (r"kubectl-edit-\d+", "kubectl-edit-N"),
        // A column of a table; what follows it moves with its length.
        (r"(  )(?:\d+[smhd]){1,2}(?: +|$)", "${1}<age> "),
    ]
    .into_iter()
    .filter_map(|(pattern, word)| Some((Regex::new(pattern).ok()?, word)))
    .collect()
});

/// Masks one line.
pub(super) fn mask(line: &str, names: &[(&str, &str)]) -> String {
    let mut line = line.to_owned();
    for (value, word) in names {
        line = line.replace(value, word);
    }
    for (pattern, word) in MASKS.iter() {
        line = pattern.replace_all(&line, *word).into_owned();
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_runs_is_masked() {
        for (line, masked) in [
            ("a   Opaque   1      12s", "a   Opaque   1      <age>"),
            ("\"resourceVersion\": \"17\"", "\"resourceVersion\": \"<version>\""),
            ("at 2026-01-02T03:04:05Z", "at <time>"),
            ("in c1234567/x", "in $NS/x"),
            ("a   3s    blue", "a   <age> blue"),
            (
                "{\\\"resourceVersion\\\":\\\"17\\\"}",
                "{\\\"resourceVersion\\\":\\\"<version>\\\"}",
            ),
            ("5 items", "5 items"),
        ] {
            assert_eq!(mask(line, &[("c1234567", "$NS")]), masked);
        }
    }
}
