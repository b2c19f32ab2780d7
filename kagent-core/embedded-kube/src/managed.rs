//! `metadata.managedFields`: who owns which fields, for updates and for server-side apply with its conflicts.

use serde_json::{Value, json};

use crate::{
    fields::{
        FieldSet,
        merge::{merge, remove_unowned},
        walk::{compare, declared_fields, every_path},
    },
    schema::Schema,
    status::{ApiError, ApiResult},
};

/// Who writes, and where.
#[derive(Clone, Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) manager: &'a str,
    /// The `apiVersion` of the request.
    pub(crate) api_version: &'a str,
    /// `status` or empty.
    pub(crate) subresource: &'a str,
    pub(crate) now: &'a str,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    manager: String,
    apply: bool,
    api_version: String,
    subresource: String,
    time: Value,
    fields: FieldSet,
}

impl Entry {
    fn from_json(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Self {
            manager: text("manager"),
            apply: json["operation"] == "Apply",
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: json["time"].clone(),
            fields: FieldSet::from_json(&json["fieldsV1"]),
        }
    }

    fn to_json(&self) -> Value {
        let mut json = json!({
            "manager": self.manager,
            "operation": if self.apply { "Apply" } else { "Update" },
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_json(),
        });
        if self.time.is_null()
            && let Some(json) = json.as_object_mut()
        {
            json.shift_remove("time");
        }
        if !self.subresource.is_empty() {
            json["subresource"] = json!(self.subresource);
        }
        json
    }

    fn is_by(&self, writer: &Writer<'_>, apply: bool) -> bool {
        self.manager == writer.manager
            && self.apply == apply
            && self.subresource == writer.subresource
            && (apply || self.api_version == writer.api_version)
    }

    /// The form of conflict messages.
    fn describe(&self) -> String {
        let mut text = format!("conflict with {:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if !self.apply {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

/// The fields of an object that belong to somebody, without its identity and what the server keeps.
fn owned_part(object: &Value) -> Value {
    let mut part = object.clone();
    if let Some(fields) = part.as_object_mut() {
        fields.shift_remove("apiVersion");
        fields.shift_remove("kind");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            for name in [
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "generation",
                "managedFields",
                "resourceVersion",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
            ] {
                metadata.shift_remove(name);
            }
            if metadata.is_empty() {
                fields.shift_remove("metadata");
            }
        }
    }
    part
}

fn entries(object: &Value) -> Vec<Entry> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .map(Entry::from_json)
        .filter(|entry| !entry.fields.is_empty())
        .collect()
}

/// Appliers first, then by time (`null` before all), then by name.
fn sort(list: &mut [Entry]) {
    let key = |entry: &Entry| {
        (
            !entry.apply,
            entry.time.as_str().map(str::to_owned),
            entry.manager.clone(),
        )
    };
    list.sort_by_key(key);
}

fn store(object: &mut Value, entries: &[Entry]) {
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return;
    };
    let entries: Vec<Value> = entries.iter().map(Entry::to_json).collect();
    if entries.is_empty() {
        metadata.shift_remove("managedFields");
    } else {
        metadata.insert("managedFields".to_owned(), Value::Array(entries));
    }
}

/// Brings `managedFields` of `new` up to date after a create or update; `live` is what was there before.
pub(crate) fn track_update(schema: &Schema, live: Option<&Value>, new: &mut Value, writer: &Writer<'_>) {
    let sent = new["metadata"]["managedFields"].as_array();
    let reset = sent.is_some_and(|sent| sent.len() == 1 && sent[0].as_object().is_some_and(serde_json::Map::is_empty));
    if reset {
        store(new, &[]);
        return;
    }
    let untracked = |object: &Value| object["metadata"]["managedFields"].is_null();
    if live.is_some_and(untracked) && untracked(new) {
        // Somebody has switched it off; the next apply begins anew.
        return;
    }
    // A writer may rewrite the entries; one who leaves them out means those that are there.
    let mut list = entries(new);
    if list.is_empty()
        && let Some(live) = live
    {
        list = entries(live);
    }
    let nothing = json!({});
    let comparison = compare(
        Some(schema),
        &live.map_or_else(|| nothing.clone(), owned_part),
        &owned_part(new),
    );
    let mut comparison = comparison;
    comparison.changed.forget_metadata();
    comparison.removed.forget_metadata();
    let touched = comparison.changed.union(&comparison.removed);
    if !touched.is_empty() {
        if !list.iter().any(|entry| entry.is_by(writer, false)) {
            list.push(Entry {
                manager: writer.manager.to_owned(),
                apply: false,
                api_version: writer.api_version.to_owned(),
                subresource: writer.subresource.to_owned(),
                time: json!(writer.now),
                fields: FieldSet::default(),
            });
        }
        for entry in &mut list {
            let fields = if entry.is_by(writer, false) {
                entry.fields.difference(&comparison.removed).union(&comparison.changed)
            } else {
                entry.fields.difference(&touched)
            };
            if fields != entry.fields {
                entry.fields = fields;
                if entry.is_by(writer, false) {
                    entry.time = json!(writer.now);
                }
            }
        }
        list.retain(|entry| !entry.fields.is_empty());
        sort(&mut list);
    }
    store(new, &list);
}

/// Server-side apply: the object that results from laying `config` over `live`. `has_status` says whether the kind
/// keeps its status apart.
///
/// # Errors
/// 409 with the API server's message if fields are owned by others with another value and `force` is not set.
pub(crate) fn apply(
    schema: &Schema,
    live: Option<&Value>,
    config: &Value,
    writer: &Writer<'_>,
    has_status: bool,
    force: bool,
) -> ApiResult<Value> {
    let mut config_part = owned_part(config);
    // What the endpoint does not write is not laid over the object, and nobody loses or gains it.
    if let Some(fields) = config_part.as_object_mut() {
        match (writer.subresource, has_status) {
            ("status", _) => fields.retain(|name, _| name == "status"),
            (_, true) => {
                fields.shift_remove("status");
            }
            _ => {}
        }
    }
    drop_nulls(&mut config_part);
    let mut declared = declared_fields(Some(schema), &config_part);
    declared.member = false;
    declared.forget_metadata();
    let mut list = live.map(entries).unwrap_or_default();
    if let Some(live) = live
        && list.is_empty()
    {
        let mut fields = every_path(Some(schema), &owned_part(live));
        fields.member = false;
        fields.forget_metadata();
        list.push(Entry {
            manager: "before-first-apply".to_owned(),
            apply: false,
            api_version: writer.api_version.to_owned(),
            subresource: String::new(),
            time: json!(writer.now),
            fields,
        });
    }
    let nothing = json!({});
    let live_part = live.map_or_else(|| nothing.clone(), owned_part);
    let mut merged = merge(Some(schema), &live_part, &config_part);
    let last = list
        .iter()
        .position(|entry| entry.is_by(writer, true))
        .map(|index| list.remove(index));
    if let Some(last) = &last {
        let owned = list
            .iter()
            .fold(declared.clone(), |owned, entry| owned.union(&entry.fields));
        remove_unowned(Some(schema), &mut merged, &last.fields, Some(&owned));
    }
    let mut comparison = compare(Some(schema), &live_part, &merged);
    comparison.changed.forget_metadata();
    comparison.removed.forget_metadata();
    let conflicts: Vec<(&Entry, FieldSet)> = list
        .iter()
        .map(|entry| {
            (
                entry,
                entry.fields.intersection(&comparison.changed).intersection(&declared),
            )
        })
        .filter(|(_, fields)| !fields.is_empty())
        .collect();
    if !conflicts.is_empty() && !force {
        return Err(conflict(&conflicts));
    }
    let touched = comparison.changed.union(&comparison.removed);
    for entry in &mut list {
        entry.fields = entry.fields.difference(&touched);
    }
    list.retain(|entry| !entry.fields.is_empty());
    let unchanged = last
        .as_ref()
        .is_some_and(|last| last.fields == declared && last.api_version == writer.api_version);
    if !declared.is_empty() {
        let time = match last {
            Some(last) if unchanged && touched.is_empty() => last.time,
            // A new owner of what is there already has no time.
            None if touched.is_empty() && live.is_some() => Value::Null,
            _ => json!(writer.now),
        };
        list.push(Entry {
            manager: writer.manager.to_owned(),
            apply: true,
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time,
            fields: declared,
        });
    }
    sort(&mut list);
    let mut object = restore_identity(live.unwrap_or(config), merged);
    store(&mut object, &list);
    Ok(object)
}

/// Puts back what [`owned_part`] left out.
fn restore_identity(from: &Value, mut part: Value) -> Value {
    let mut object = json!({ "apiVersion": from["apiVersion"], "kind": from["kind"] });
    let mut metadata = from["metadata"].clone();
    if !metadata.is_object() {
        metadata = json!({});
    }
    let kept = owned_part(from);
    if let Some(fields) = metadata.as_object_mut() {
        for (name, _) in kept["metadata"].as_object().into_iter().flatten() {
            fields.shift_remove(name);
        }
        if let Some(Value::Object(new)) = part.as_object_mut().and_then(|part| part.shift_remove("metadata")) {
            fields.extend(new);
        }
    }
    object["metadata"] = metadata;
    if let (Some(object), Value::Object(part)) = (object.as_object_mut(), part) {
        object.extend(part);
    }
    object
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn conflict(conflicts: &[(&Entry, FieldSet)]) -> ApiError {
    let mut causes = Vec::new();
    let mut texts = Vec::new();
    for (entry, fields) in conflicts {
        let who = entry.describe();
        for path in fields.paths() {
            causes.push(json!({ "reason": "FieldManagerConflict", "message": who, "field": path }));
            texts.push((who.clone(), path));
        }
    }
    let message = match texts.as_slice() {
        [(who, path)] => format!("Apply failed with 1 conflict: {who}: {path}"),
        many => {
            let mut lines = String::new();
            let mut last = "";
            for (who, path) in many {
                if who != last {
                    lines.push_str(&format!("\n{}:", who.replacen("conflict ", "conflicts ", 1)));
                    last = who;
                }
                lines.push_str(&format!("\n- {path}"));
            }
            format!("Apply failed with {} conflicts: {}", many.len(), lines.trim_start())
        }
    };
    let mut error = ApiError::new(409, "Conflict", message);
    error.details = Some(json!({ "causes": causes }));
    error
}
