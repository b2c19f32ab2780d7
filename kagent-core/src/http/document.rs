//! The OpenAPI document of the API, from the routers alone: no state, no server.

use serde_json::{Map, Value, json};

/// The OpenAPI 3.1 document: the routes' own part, the schemas of the custom resources, and the answers that every
/// route can give.
pub fn openapi() -> Value {
    // The document has string keys only.
    let mut document = serde_json::to_value(super::rest().into_openapi()).unwrap_or_default();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.extend(kagent_api::wire::schemas::list_schemas());
        schemas.sort_keys();
    }
    document["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "A user's or an agent's token (auth mode trusted-proxy)" },
        "user": { "type": "apiKey", "in": "header", "name": "X-User-Id", "description": "The user (auth mode unsecure)" },
    });
    document["security"] = json!([{ "bearer": [] }, { "user": [] }, {}]);
    if let Some(paths) = document["paths"].as_object_mut() {
        for operation in paths
            .values_mut()
            .filter_map(Value::as_object_mut)
            .flat_map(Map::values_mut)
        {
            add_common_answers(operation);
        }
    }
    document
}

fn add_common_answers(operation: &mut Value) {
    if operation.get("security") == Some(&json!([{}])) {
        return;
    }
    let Some(answers) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    answers.entry("401").or_insert_with(|| {
        json!({
            "description": "Nobody knows who is asking",
            "content": { "text/plain": { "schema": { "type": "string" } } },
        })
    });
    for (status, description) in [
        ("500", "A fault of the server"),
        ("503", "The database or the cluster is away; try again"),
    ] {
        answers.entry(status).or_insert_with(|| {
            json!({
                "description": description,
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/ErrorBody" } } },
            })
        });
    }
    answers.sort_keys();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_has_its_schema() {
        let document = openapi();
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        let text = document.to_string();
        let references = text.split("\"#/components/schemas/").skip(1);
        for name in references.map(|rest| rest.split('"').next().unwrap_or_default()) {
            assert!(schemas.contains_key(name), "no schema {name}");
        }
        assert!(!text.contains("#/$defs"), "a schema refers to schemars' own place");
    }

    #[test]
    fn every_operation_has_an_id_of_its_own() {
        let document = openapi();
        let paths = document["paths"].as_object().expect("paths");
        let mut ids: Vec<_> = paths
            .values()
            .flat_map(|path| path.as_object().expect("operations").values())
            .map(|operation| operation["operationId"].as_str().expect("an id"))
            .collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), count > 15), (count, true));
    }
}
