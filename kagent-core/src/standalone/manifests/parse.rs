//! A manifest file as objects: several YAML documents or JSON, and `List`s unfolded. Pure.

use std::fmt;

use kube::api::DynamicObject;
use serde_json::Value;

/// Documents in one file; a file of `---` lines alone must not keep the server busy.
const MAX_DOCUMENTS: usize = 1000;

/// One object of a file.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub(super) file: String,
    /// From 1, as people count.
    pub(super) document: usize,
    pub(super) object: DynamicObject,
}

/// One line about what is wrong with a manifest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Problem {
    pub(super) file: String,
    document: Option<usize>,
    reason: String,
}

impl Problem {
    /// A problem with a whole file.
    pub(super) fn of_file(file: &str, reason: String) -> Self {
        Self {
            file: file.to_owned(),
            document: None,
            reason,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(document) = self.document {
            write!(f, ": document {document}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl Manifest {
    /// The problem `reason` with this manifest.
    pub(super) fn problem(&self, reason: String) -> Problem {
        let name = self.object.metadata.name.as_deref().unwrap_or_default();
        let kind = self.object.types.as_ref().map_or("", |types| types.kind.as_str());
        Problem {
            file: self.file.clone(),
            document: Some(self.document),
            reason: if reason.contains(name) {
                reason
            } else {
                format!("{kind} {name}: {reason}")
            },
        }
    }

    /// Whether other manifests may need this one.
    pub(super) fn is_prerequisite(&self) -> bool {
        self.object
            .types
            .as_ref()
            .is_some_and(|types| matches!(types.kind.as_str(), "Namespace" | "CustomResourceDefinition"))
    }
}

/// The manifests of a file, and what is wrong with the others.
pub(super) fn parse_file(file: &str, text: &str) -> (Vec<Manifest>, Vec<Problem>) {
    let mut manifests = Vec::new();
    let mut problems = Vec::new();
    let documents = split_documents(text);
    if documents.len() > MAX_DOCUMENTS {
        let reason = format!("it has more than {MAX_DOCUMENTS} documents");
        return (manifests, vec![Problem::of_file(file, reason)]);
    }
    let mut number = 0;
    for document in documents {
        let parsed = match serde_saphyr::from_str::<Option<Value>>(&document) {
            // Empty documents, such as the one before a leading `---`, do not count, as with kubectl.
            Ok(None) => continue,
            parsed => parsed.map(Option::unwrap_or_default),
        };
        number += 1;
        let problem = |reason: String| Problem {
            file: file.to_owned(),
            document: Some(number),
            reason,
        };
        let objects = match parsed {
            Ok(value) => unfold(value),
            Err(error) => {
                problems.push(problem(first_line(&error.to_string())));
                continue;
            }
        };
        for value in objects {
            match read_object(value) {
                Ok(object) => manifests.push(Manifest {
                    file: file.to_owned(),
                    document: number,
                    object,
                }),
                Err(reason) => problems.push(problem(reason)),
            }
        }
    }
    (manifests, problems)
}

/// The documents of a text, each after as many empty lines as stand before it, so that errors name lines of the file.
fn split_documents(text: &str) -> Vec<String> {
    let mut documents = Vec::new();
    let mut current = String::new();
    let mut line_number = 0;
    for line in text.trim_start_matches('\u{feff}').split_inclusive('\n') {
        line_number += 1;
        let marker = line.trim_end();
        // `---` at the first column begins a document even within a block of text; `--- x` has content.
        if marker == "---" || marker == "..." || line.starts_with("--- ") {
            documents.push(std::mem::replace(&mut current, "\n".repeat(line_number)));
            if let Some(content) = line.strip_prefix("--- ") {
                current.truncate(line_number - 1);
                current.push_str(content);
            }
        } else {
            current.push_str(line);
        }
    }
    documents.push(current);
    documents.retain(|document| !document.trim().is_empty());
    documents
}

/// The items of a `List`, or the object itself.
fn unfold(mut value: Value) -> Vec<Value> {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind == "List");
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        Some(items) => {
            value["items"] = items;
            vec![value]
        }
        None => vec![value],
    }
}

fn read_object(value: Value) -> Result<DynamicObject, String> {
    if !value.is_object() {
        return Err("it is no object: apiVersion, kind and metadata are missing".to_owned());
    }
    for (field, text) in [
        ("apiVersion", &value["apiVersion"]),
        ("kind", &value["kind"]),
        ("metadata.name", &value["metadata"]["name"]),
    ] {
        if text.as_str().is_none_or(str::is_empty) {
            return Err(format!("{field} is missing"));
        }
    }
    serde_json::from_value(value).map_err(|error| format!("metadata is not valid: {error}"))
}

/// Parsers add a picture of the text, which a line in a log has no room for and which may hold a secret.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<String>, Vec<String>) {
        let (manifests, problems) = parse_file("a.yaml", text);
        let names = manifests
            .iter()
            .map(|manifest| {
                let name = manifest.object.metadata.name.as_deref().expect("name");
                format!("{} {name}", manifest.document)
            })
            .collect();
        (names, problems.iter().map(Problem::to_string).collect())
    }

    fn mk(name: &str) -> String {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
    }

    #[test]
    fn documents_are_counted_as_people_do() {
        let text = format!(
            "# a comment\n---\n{}---\n---\n{}...\n--- \n{}",
            mk("a"),
            mk("b"),
            mk("c")
        );
        assert_eq!(parse(&text), (vec!["1 a".into(), "2 b".into(), "3 c".into()], vec![]));
    }

    #[test]
    fn a_typo_spoils_its_own_document_only() {
        let text = format!("{}---\nkind: [oops\n---\n{}", mk("a"), mk("b"));
        let (names, problems) = parse(&text);
        assert_eq!(names, ["1 a", "3 b"]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("a.yaml: document 2: "), "{problems:?}");
        assert!(!problems[0].contains('\n'));
    }

    #[test]
    fn an_error_names_the_line_of_the_file() {
        let text = format!("{}---\nx: 1\nx: 2\n", mk("a"));
        let (_, problems) = parse(&text);
        assert!(problems[0].contains("line 7"), "{problems:?}");
    }

    #[test]
    fn what_is_no_object_says_what_is_missing() {
        for (text, problem) in [
            (
                "just text",
                "it is no object: apiVersion, kind and metadata are missing",
            ),
            ("kind: Agent", "apiVersion is missing"),
            ("apiVersion: v1\nkind: Secret\nmetadata: {}", "metadata.name is missing"),
        ] {
            assert_eq!(parse(text), (vec![], vec![format!("a.yaml: document 1: {problem}")]));
        }
    }

    #[test]
    fn lists_are_unfolded_and_json_is_read() {
        let text = r#"{"apiVersion":"v1","kind":"List","items":[
            {"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}},
            {"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"}}]}"#;
        assert_eq!(parse(text), (vec!["1 a".into(), "1 b".into()], vec![]));
    }

    #[test]
    fn nested_aliases_are_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 10].join(",");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let (names, problems) = parse(&text);
        assert!(names.is_empty());
        assert_eq!(problems.len(), 1, "{problems:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(---|\\.\\.\\.|[a-z:\\- \\[\\]{}&*!|>'\"#%\n]){0,80}") {
            let _ = parse_file("a.yaml", &text);
        }
    }
}
