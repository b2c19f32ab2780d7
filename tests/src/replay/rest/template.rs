//! Placeholders of recordings: `{{uuid:1}}`, `{{time:2}}`, `{{stime}}`, `{{rv}}`, `{{int:3}}`.

use std::collections::BTreeMap;

/// What placeholders stand for so far.
#[derive(Clone, Debug, Default)]
pub struct Bindings(BTreeMap<String, String>);

impl Bindings {
    /// `text` with bound placeholders replaced by what they stand for.
    pub fn substitute(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (placeholder, value) in &self.0 {
            text = text.replace(placeholder, value);
        }
        text
    }

    /// Whether `seen` is what `recorded` stands for; binds what appears for the first time.
    pub fn matches(&mut self, recorded: &str, seen: &str) -> bool {
        let mut trial = self.clone();
        let is_match = trial.match_from(recorded, seen);
        if is_match {
            *self = trial;
        }
        is_match
    }

    fn match_from(&mut self, recorded: &str, seen: &str) -> bool {
        let Some((literal, rest)) = recorded.split_once("{{") else {
            return recorded == seen;
        };
        let (Some(seen), Some((name, rest))) = (seen.strip_prefix(literal), rest.split_once("}}")) else {
            return recorded == seen;
        };
        let placeholder = format!("{{{{{name}}}}}");
        if let Some(value) = self.0.get(&placeholder).cloned() {
            return seen
                .strip_prefix(&value)
                .is_some_and(|seen| self.match_from(rest, seen));
        }
        let kind = name.split(':').next().unwrap_or_default();
        let length = token_length(kind, seen);
        if length == 0 {
            return false;
        }
        if name.contains(':') {
            self.0.insert(placeholder, seen[..length].to_owned());
        }
        self.match_from(rest, &seen[length..])
    }

    /// A string of ours as `meant.toml` writes it: values that vary become placeholders.
    pub fn generalize(&self, key: &str, text: &str) -> String {
        if let Some((placeholder, _)) = self.0.iter().find(|(_, value)| *value == text) {
            return placeholder.clone();
        }
        let whole = |kind| token_length(kind, text) == text.len() && !text.is_empty();
        match key {
            "resourceVersion" => "{{rv}}".to_owned(),
            _ if whole("uuid") => "{{uuid}}".to_owned(),
            "created_at" | "updated_at" | "creationTimestamp" | "lastTransitionTime" if whole("time") => {
                if text.starts_with("0001") {
                    text.to_owned()
                } else {
                    "{{time}}".to_owned()
                }
            }
            _ => text.to_owned(),
        }
    }
}

/// How many bytes at the beginning of `text` can be what a placeholder of this kind stands for.
fn token_length(kind: &str, text: &str) -> usize {
    let run = |accepts: fn(u8) -> bool| text.bytes().take_while(|&byte| accepts(byte)).count();
    match kind {
        "uuid" => {
            let is_uuid = text.get(..36).is_some_and(|text| {
                text.bytes().enumerate().all(|(index, byte)| match index {
                    8 | 13 | 18 | 23 => byte == b'-',
                    _ => byte.is_ascii_hexdigit(),
                })
            });
            if is_uuid { 36 } else { 0 }
        }
        "time" | "stime" => {
            let length = run(|byte| byte.is_ascii_digit() || b"-+:.TZ".contains(&byte));
            if length >= 20 { length } else { 0 }
        }
        "rv" | "int" => run(|byte| byte.is_ascii_digit()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_stands_for_one_value_everywhere() {
        let mut bindings = Bindings::default();
        let id = "0195f3a2-7c11-7e0a-9c55-1f2f6f0f8a21";
        assert!(bindings.matches("{{uuid:1}}", id));
        assert!(bindings.matches("/api/tasks/{{uuid:1}}/x", &format!("/api/tasks/{id}/x")));
        assert!(!bindings.matches("{{uuid:1}}", "0195f3a2-7c11-7e0a-9c55-1f2f6f0f8a22"));
        assert_eq!(
            bindings.substitute("a {{uuid:1}} {{uuid:2}}"),
            format!("a {id} {{{{uuid:2}}}}")
        );
        assert_eq!(bindings.generalize("id", id), "{{uuid:1}}");
    }

    #[test]
    fn only_values_of_its_kind_are_taken() {
        let mut bindings = Bindings::default();
        assert!(!bindings.matches("{{uuid:1}}", "x"));
        assert!(!bindings.matches("{{time:1}}", "2026"));
        assert!(bindings.matches("{{time:1}}", "2026-03-07T10:00:00.123456Z"));
        assert!(bindings.matches("{{rv}}", "17"));
    }
}
