//! Takes typed fields out of a JSON object, with the error texts of Go's `json.Unmarshal`. A `null` is an absent field.

use super::Json;

/// The fields of one object that is decoded into a Go struct.
#[derive(Debug)]
pub struct Fields<'a> {
    type_name: &'static str,
    path: String,
    json: &'a Json,
}

impl<'a> Fields<'a> {
    /// The fields of a whole body; `null` has none. `go_type` is the qualified name, such as `httpapi.SessionRequest`.
    ///
    /// # Errors
    /// When the body is not an object.
    pub fn of_body(json: &'a Json, go_type: &'static str) -> Result<Self, String> {
        match json {
            Json::Object(_) | Json::Null => Ok(Self {
                type_name: unqualified(go_type),
                path: String::new(),
                json,
            }),
            other => Err(format!(
                "json: cannot unmarshal {} into Go value of type {go_type}",
                other.kind()
            )),
        }
    }

    /// A field, unless absent or null.
    pub fn get(&self, name: &str) -> Option<&'a Json> {
        self.json.get(name).filter(|value| **value != Json::Null)
    }

    /// The error for a field that has the wrong kind of value.
    pub fn mismatch(&self, name: &str, value: &Json, go_type: &str) -> String {
        format!(
            "json: cannot unmarshal {} into Go struct field {}.{}{name} of type {go_type}",
            value.kind(),
            self.type_name,
            self.path
        )
    }

    /// A string field.
    ///
    /// # Errors
    /// When it is something else; `go_type` is the Go type to name then.
    pub fn string(&self, name: &str, go_type: &str) -> Result<Option<String>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.mismatch(name, other, go_type)),
        }
    }

    /// A boolean field.
    ///
    /// # Errors
    /// When it is something else; `go_type` is the Go type to name then.
    pub fn bool(&self, name: &str, go_type: &str) -> Result<Option<bool>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(self.mismatch(name, other, go_type)),
        }
    }

    /// A field that is itself a struct.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn object(&self, name: &str, go_type: &'static str) -> Result<Option<Self>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(json @ Json::Object(_)) => Ok(Some(Self {
                type_name: unqualified(go_type),
                path: format!("{}{name}.", self.path),
                json,
            })),
            Some(other) => Err(self.mismatch(name, other, go_type)),
        }
    }

    /// A field that is a map of anything; keys sorted, `None` when it has none.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn map(&self, name: &str) -> Result<Option<Json>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Object(members)) if members.is_empty() => Ok(None),
            Some(json @ Json::Object(_)) => Ok(Some(json.clone().sorted())),
            Some(other) => Err(self.mismatch(name, other, "map[string]interface {}")),
        }
    }

    /// An array field; empty when absent.
    ///
    /// # Errors
    /// When it is not an array.
    pub fn array(&self, name: &str, go_type: &str) -> Result<&'a [Json], String> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Json::Array(items)) => Ok(items),
            Some(other) => Err(self.mismatch(name, other, go_type)),
        }
    }

    /// An array of strings; a `null` among them is an empty string.
    ///
    /// # Errors
    /// When it is not an array of strings.
    pub fn strings(&self, name: &str) -> Result<Vec<String>, String> {
        self.array(name, "[]string")?
            .iter()
            .map(|item| match item {
                Json::String(text) => Ok(text.clone()),
                Json::Null => Ok(String::new()),
                other => Err(self.mismatch(name, other, "string")),
            })
            .collect()
    }
}

fn unqualified(go_type: &'static str) -> &'static str {
    if go_type.starts_with("struct ") {
        return "";
    }
    go_type.rsplit_once('.').map_or(go_type, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_names_the_innermost_struct_and_the_whole_path() {
        let json = super::super::parse_first(br#"{"status":{"state":3}}"#).expect("json");
        let task = Fields::of_body(&json, "protocol.Task").expect("object");
        let status = task
            .object("status", "protocol.TaskStatus")
            .expect("object")
            .expect("there");
        assert_eq!(
            status.string("state", "protocol.TaskState"),
            Err(
                "json: cannot unmarshal number into Go struct field TaskStatus.status.state of type protocol.TaskState"
                    .to_owned()
            )
        );
    }
}
