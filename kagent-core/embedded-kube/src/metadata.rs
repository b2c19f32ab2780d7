//! Object metadata: names, uid, generation, finalizers. What the API server checks and sets on every write.

use serde_json::{Map, Value, json};

use crate::{
    clock::{Clock, new_uid},
    resource::{Resource, text},
    status::{ApiError, ApiResult, Cause},
};

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/// The metadata of an object, made if it is missing.
pub(crate) fn metadata(object: &mut Value) -> ApiResult<&mut Map<String, Value>> {
    let object = object
        .as_object_mut()
        .ok_or_else(|| ApiError::bad_request("the body of the request is not an object"))?;
    object
        .entry("metadata")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .ok_or_else(|| ApiError::bad_request("metadata is not an object"))
}

/// Sets what the server decides on a new object, and its name if only `generateName` is given.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Value, namespace: &str, clock: &Clock) -> ApiResult<()> {
    let fields = metadata(object)?;
    if fields.get("name").and_then(Value::as_str).is_none_or(str::is_empty)
        && let Some(prefix) = fields.get("generateName").and_then(Value::as_str)
        && !prefix.is_empty()
    {
        let name = format!("{}{}", &prefix[..floor_boundary(prefix, 58)], random_suffix());
        fields.insert("name".to_owned(), json!(name));
    }
    if resource.namespaced {
        fields.insert("namespace".to_owned(), json!(namespace));
    } else {
        fields.shift_remove("namespace");
    }
    for name in [
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        fields.shift_remove(name);
    }
    fields.insert("uid".to_owned(), json!(new_uid().to_string()));
    fields.insert("creationTimestamp".to_owned(), json!(clock.stamp()));
    if resource.has_generation() {
        fields.insert("generation".to_owned(), json!(1));
    } else {
        fields.shift_remove("generation");
    }
    Ok(())
}

/// Carries over what a writer may not change, and counts the generation up if the declaration changed.
pub(crate) fn prepare_update(resource: &Resource, object: &mut Value, old: &Value) -> ApiResult<()> {
    let old_fields = &old["metadata"];
    let fields = metadata(object)?;
    for name in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
    ] {
        match old_fields.get(name) {
            Some(value) => fields.insert(name.to_owned(), value.clone()),
            None => fields.shift_remove(name),
        };
    }
    if resource.has_generation() && declared(object) != declared(old) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default() + 1;
        object["metadata"]["generation"] = json!(generation);
    }
    Ok(())
}

/// Everything but metadata and status: what a change of generation is about.
fn declared(object: &Value) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status" | "apiVersion" | "kind"))
        .collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

/// Checks names, labels, annotations, finalizers and owner references.
pub(crate) fn validate(resource: &Resource, object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let fields = &object["metadata"];
    let prefix = text(fields, &["generateName"]);
    if !prefix.is_empty() && old.is_none() {
        // What is generated may go on where the prefix ends.
        let probe = format!("{}a", prefix.trim_end_matches('-'));
        let why = check_name(resource, &probe);
        causes.extend(why.map(|why| Cause::invalid("metadata.generateName", &json!(prefix), &why)));
    }
    let name = text(fields, &["name"]);
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if old.is_none() {
        causes.extend(check_name(resource, name).map(|why| Cause::invalid("metadata.name", &json!(name), &why)));
    }
    for (key, value) in fields["labels"].as_object().into_iter().flatten() {
        if let Some(why) = check_label_key(key) {
            causes.push(Cause::invalid("metadata.labels", &json!(key), &why));
        }
        if let Some(why) = value.as_str().and_then(check_label_value) {
            causes.push(Cause::invalid("metadata.labels", value, &why));
        }
    }
    for (key, _) in fields["annotations"].as_object().into_iter().flatten() {
        if let Some(why) = check_label_key(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &json!(key), &why));
        }
    }
    for owner in fields["ownerReferences"].as_array().into_iter().flatten() {
        let path = "metadata.ownerReferences";
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, &[field]).is_empty() {
                causes.push(Cause::invalid(
                    &format!("{path}.{field}"),
                    &json!(""),
                    if field == "apiVersion" {
                        "version must not be empty"
                    } else {
                        "must not be empty"
                    },
                ));
            }
        }
    }
    check_controllers(&fields["ownerReferences"], causes);
    check_finalizers(&fields["finalizers"], causes);
    if let Some(old) = old
        && old["metadata"]["deletionTimestamp"].is_string()
    {
        let had = old["metadata"]["finalizers"].as_array();
        let added: Vec<String> = fields["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finalizer| had.is_none_or(|had| !had.contains(finalizer)))
            .map(Value::to_string)
            .collect();
        if !added.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            causes.push(Cause::forbidden("metadata.finalizers", &why));
        }
    }
}

/// An object has one controller at most.
fn check_controllers(owners: &Value, causes: &mut Vec<Cause>) {
    let mut controllers = owners
        .as_array()
        .into_iter()
        .flatten()
        .filter(|owner| owner["controller"] == true)
        .map(|owner| format!("{}/{}", text(owner, &["kind"]), text(owner, &["name"])));
    if let (Some(first), Some(second)) = (controllers.next(), controllers.next()) {
        // As Go writes the list: in the order of its fields.
        let shown: Vec<Value> = owners.as_array().into_iter().flatten().map(in_go_order).collect();
        let why = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        causes.push(Cause::invalid("metadata.ownerReferences", &json!(shown), &why));
    }
}

fn in_go_order(owner: &Value) -> Value {
    let mut ordered = Map::new();
    for field in ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"] {
        if let Some(value) = owner.get(field) {
            ordered.insert(field.to_owned(), value.clone());
        }
    }
    Value::Object(ordered)
}

fn check_finalizers(finalizers: &Value, causes: &mut Vec<Cause>) {
    const STANDARD: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];
    for (index, finalizer) in finalizers.as_array().into_iter().flatten().enumerate() {
        let name = finalizer.as_str().unwrap_or_default();
        if let Some(why) = check_label_key(name) {
            causes.push(Cause::invalid("metadata.finalizers", finalizer, &why));
        }
        if !name.contains('/') && !STANDARD.contains(&name) {
            causes.push(Cause::invalid(
                &format!("metadata.finalizers[{index}]"),
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
}

fn check_name(resource: &Resource, name: &str) -> Option<String> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => check_label_name(name),
        ("", "services") => {
            let valid = check_dns_label(name).is_none() && name.starts_with(|first: char| first.is_ascii_lowercase());
            (!valid).then(|| DNS_1035.to_owned())
        }
        _ => check_subdomain(name),
    }
}

/// Why `name` is no RFC 1123 label.
pub(crate) fn check_dns_label(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("must be no more than 63 bytes".to_owned());
    }
    (!is_label(name)).then(|| LABEL.to_owned())
}

/// Why `name` is no label, where a dot has a message of its own.
pub(crate) fn check_label_name(name: &str) -> Option<String> {
    let why = check_dns_label(name)?;
    Some(if name.contains('.') && check_subdomain(name).is_none() {
        "must not contain dots".to_owned()
    } else {
        why
    })
}

/// Why `name` is no RFC 1123 subdomain.
pub(crate) fn check_subdomain(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some("must be no more than 253 bytes".to_owned());
    }
    (!name.split('.').all(is_label)).then(|| SUBDOMAIN.to_owned())
}

fn is_label(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && alphanumeric(bytes[0])
        && alphanumeric(bytes[bytes.len() - 1])
        && bytes.iter().all(|&byte| alphanumeric(byte) || byte == b'-')
}

fn check_label_key(key: &str) -> Option<String> {
    let (prefix, name) = key
        .rsplit_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Some("prefix part must be non-empty".to_owned());
        }
        if let Some(why) = check_subdomain(prefix) {
            return Some(format!("prefix part {why}"));
        }
    }
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 bytes".to_owned());
    }
    (!is_qualified(name)).then(|| {
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')".to_owned()
    })
}

fn check_label_value(value: &str) -> Option<String> {
    if value.len() > 63 {
        return Some("must be no more than 63 bytes".to_owned());
    }
    (!value.is_empty() && !is_qualified(value)).then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".to_owned()
    })
}

fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes[0].is_ascii_alphanumeric()
        && bytes[bytes.len() - 1].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Five characters, as `generateName` appends.
fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let id = new_uid();
    let bytes = id.as_bytes();
    // Byte 6 and 8 of a version 4 UUID are not fully random.
    [0, 1, 2, 3, 4]
        .iter()
        .map(|&index| char::from(ALPHABET[usize::from(bytes[index]) % ALPHABET.len()]))
        .collect()
}

fn floor_boundary(text: &str, at: usize) -> usize {
    if text.len() <= at {
        return text.len();
    }
    (0..=at).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0)
}

/// Whether the object waits for finalizers.
pub(crate) fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|finalizers| !finalizers.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_rfc_1123() {
        assert!(check_subdomain("a.b-c.d0").is_none());
        for bad in ["", "A", "-a", "a-", "a..b", "a/b", "a_b"] {
            assert!(check_subdomain(bad).is_some(), "{bad:?} was accepted");
        }
        assert!(check_dns_label("a.b").is_some());
    }

    #[test]
    fn label_keys_may_have_a_prefix() {
        for good in ["app", "app.kubernetes.io/name", "A_b.c"] {
            assert!(check_label_key(good).is_none(), "{good:?} was refused");
        }
        for bad in ["", "/a", "a/", "a b", "UP/x"] {
            assert!(check_label_key(bad).is_some(), "{bad:?} was accepted");
        }
    }
}
