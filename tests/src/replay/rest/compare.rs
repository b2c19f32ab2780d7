//! Compares an answer with the recorded one by the rules of the recordings' README.

use std::collections::BTreeSet;

use kagent_core::gocompat::{Json, parse_first};
use serde_json::{Value, json};

use super::{client::Answer, recording::Step, template::Bindings};

/// What differs, one line each; none if the answer is as recorded.
pub fn compare_answer(step: &Step, seen: &Answer, bindings: &mut Bindings) -> Vec<String> {
    let recorded = &step.response;
    let mut differences = Vec::new();
    if recorded.status != seen.status {
        differences.push(format!("status: recorded {}, seen {}", recorded.status, seen.status));
    }
    for name in ["Content-Type", "Location"] {
        let header = recorded.headers.get(name).and_then(Value::as_str);
        if header != seen.header(name) && (name == "Content-Type" || header.is_some()) {
            differences.push(format!("{name}: recorded {header:?}, seen {:?}", seen.header(name)));
        }
    }
    let body = recorded.body().unwrap_or_default();
    let is_json = recorded.headers.get("Content-Type").and_then(Value::as_str) == Some("application/json");
    match (parse_first(&body), parse_first(&seen.body)) {
        (Ok(recorded), Ok(found)) if is_json => {
            let is_fault = step.response.status >= 500;
            let mut comparison = Comparison {
                step,
                bindings,
                differences: &mut differences,
            };
            comparison.compare("", mask(recorded, is_fault), mask(found, is_fault));
            if body.ends_with(b"\n") != seen.body.ends_with(b"\n") {
                differences.push("body: only one of them ends with a newline".to_owned());
            }
            if seen.body.iter().any(|byte| b"<>&".contains(byte)) {
                differences.push("body: HTML is not escaped".to_owned());
            }
        }
        _ if body == seen.body => {}
        _ => differences.push(format!(
            "body: recorded {:?}, seen {:?}",
            String::from_utf8_lossy(&body),
            String::from_utf8_lossy(&seen.body)
        )),
    }
    differences
}

/// Our answer as `meant.toml` states it: what varies from run to run becomes placeholders.
pub fn describe(answer: &Answer, bindings: &Bindings) -> Value {
    let body = match parse_first(&answer.body) {
        Ok(body) if answer.header("content-type") == Some("application/json") => {
            generalize("", mask(body, answer.status >= 500), bindings).to_value()
        }
        _ => String::from_utf8_lossy(&answer.body).into_owned().into(),
    };
    json!({ "status": answer.status, "type": answer.header("content-type"), "body": body })
}

fn generalize(key: &str, json: Json, bindings: &Bindings) -> Json {
    match json {
        Json::String(text) => Json::String(bindings.generalize(key, &text)),
        Json::Array(items) => Json::Array(items.into_iter().map(|item| generalize(key, item, bindings)).collect()),
        Json::Object(members) => Json::Object(
            members
                .into_iter()
                .map(|(key, value)| {
                    let value = generalize(&key, value, bindings);
                    (key, value)
                })
                .collect(),
        ),
        other => other,
    }
}

/// Drops `managedFields`, and of a fault's text what follows the first `: `.
fn mask(json: Json, is_fault: bool) -> Json {
    match json {
        Json::Object(members) => Json::Object(
            members
                .into_iter()
                .filter(|(key, _)| key != "managedFields")
                .map(|(key, value)| match value {
                    Json::String(text) if is_fault && key == "error" => {
                        let prefix = text.split(": ").next().unwrap_or_default().to_owned();
                        (key, Json::String(prefix))
                    }
                    other => (key, mask(other, is_fault)),
                })
                .collect(),
        ),
        Json::Array(items) => Json::Array(items.into_iter().map(|item| mask(item, is_fault)).collect()),
        other => other,
    }
}

fn is_ready_condition(condition: &Json) -> bool {
    condition.get("type").and_then(Json::as_str) == Some("Ready")
}

struct Comparison<'a> {
    step: &'a Step,
    bindings: &'a mut Bindings,
    differences: &'a mut Vec<String>,
}

impl Comparison<'_> {
    fn compare(&mut self, path: &str, recorded: Json, seen: Json) {
        if self.step.compare.ignore.iter().any(|ignored| ignored == path) {
            return;
        }
        match (recorded, seen) {
            (Json::Object(recorded), Json::Object(seen)) => self.compare_objects(path, recorded, seen),
            (Json::Array(recorded), Json::Array(seen)) => self.compare_arrays(path, recorded, seen),
            (Json::String(recorded), Json::String(seen)) => {
                if !self.bindings.matches(&recorded, &seen) {
                    self.differs(path, &Json::String(recorded), &Json::String(seen));
                }
            }
            (recorded, seen) if recorded == seen => {}
            (recorded, seen) => self.differs(path, &recorded, &seen),
        }
    }

    fn compare_objects(&mut self, path: &str, recorded: Vec<(String, Json)>, mut seen: Vec<(String, Json)>) {
        let below = |key: &str| {
            if path.is_empty() {
                key.to_owned()
            } else {
                format!("{path}.{key}")
            }
        };
        let is_ignored = |key: &str| self.step.compare.ignore.contains(&below(key));
        let order = |members: &[(String, Json)], others: &BTreeSet<String>| -> Vec<String> {
            let keys = members.iter().map(|(key, _)| key.clone());
            keys.filter(|key| others.contains(key) && !is_ignored(key)).collect()
        };
        let recorded_keys: BTreeSet<_> = recorded.iter().map(|(key, _)| key.clone()).collect();
        let seen_keys: BTreeSet<_> = seen.iter().map(|(key, _)| key.clone()).collect();
        if order(&recorded, &seen_keys) != order(&seen, &recorded_keys) {
            self.differences.push(format!("{path}: the keys are in another order"));
        }
        for (key, value) in recorded {
            let below = below(&key);
            match seen.iter().position(|(name, _)| *name == key) {
                Some(position) => {
                    let (_, found) = seen.remove(position);
                    self.compare(&below, value, found);
                }
                None if self.step.compare.ignore.contains(&below) => {}
                None => self.differs(&below, &value, &Json::string("<absent>")),
            }
        }
        for (key, value) in seen {
            let below = if path.is_empty() { key } else { format!("{path}.{key}") };
            if !self.step.compare.ignore.contains(&below) {
                self.differs(&below, &Json::string("<absent>"), &value);
            }
        }
    }

    fn compare_arrays(&mut self, path: &str, recorded: Vec<Json>, mut seen: Vec<Json>) {
        if path.ends_with("status.conditions") && !recorded.iter().any(is_ready_condition) {
            // The recorded controller tells it one reconciliation later; when that is depends on its cache.
            seen.retain(|condition| !is_ready_condition(condition));
        }
        if recorded.len() != seen.len() {
            self.differs(path, &Json::Array(recorded), &Json::Array(seen));
            return;
        }
        let is_unordered = self.step.compare.unordered.iter().any(|unordered| unordered == path);
        for item in recorded {
            let position = if is_unordered {
                self.find_match(path, &item, &seen).unwrap_or(0)
            } else {
                0
            };
            let found = seen.remove(position);
            self.compare(path, item, found);
        }
    }

    fn find_match(&self, path: &str, recorded: &Json, seen: &[Json]) -> Option<usize> {
        seen.iter().position(|candidate| {
            let mut trial = Comparison {
                step: self.step,
                bindings: &mut self.bindings.clone(),
                differences: &mut Vec::new(),
            };
            trial.compare(path, recorded.clone(), candidate.clone());
            trial.differences.is_empty()
        })
    }

    fn differs(&mut self, path: &str, recorded: &Json, seen: &Json) {
        let text = |json: &Json| serde_json::to_string(json).unwrap_or_default();
        self.differences
            .push(format!("{path}: recorded {}, seen {}", text(recorded), text(seen)));
    }
}
