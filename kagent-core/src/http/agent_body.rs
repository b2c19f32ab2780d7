//! An Agent object out of a request body. Fields of the wrong kind are refused with the Go controller's texts where
//! people meet them, and with serde's elsewhere.

use kagent_api::v1alpha2::Agent;

use crate::{
    error::Error,
    gocompat::Fields,
    web::{JsonBody, decode},
};

/// Field, Go type of the field.
type Checks = &'static [(&'static str, &'static str)];

const METADATA: Checks = &[("name", "string"), ("namespace", "string")];
const SPEC: Checks = &[("type", "v1alpha2.AgentType"), ("description", "string")];
const DECLARATIVE: Checks = &[
    ("runtime", "v1alpha2.DeclarativeRuntime"),
    ("systemMessage", "string"),
    ("modelConfig", "string"),
];

/// The Agent in a body; `null` is one without anything.
///
/// # Errors
/// `Invalid` when a field has the wrong kind of value.
pub(super) fn decode_agent(body: &JsonBody) -> Result<Agent, Error> {
    decode(body, "v1alpha2.Agent", |fields| {
        check_strings(fields.object("metadata", "v1.ObjectMeta")?, METADATA)?;
        if let Some(spec) = fields.object("spec", "v1alpha2.AgentSpec")? {
            if let Some(declarative) = spec.object("declarative", "v1alpha2.DeclarativeAgentSpec")? {
                declarative.array("tools", "[]*v1alpha2.Tool")?;
                declarative.bool("stream", "bool")?;
                check_strings(Some(declarative), DECLARATIVE)?;
            }
            spec.object("byo", "v1alpha2.BYOAgentSpec")?;
            check_strings(Some(spec), SPEC)?;
        }
        Ok(())
    })?;
    let mut value = body.0.to_value();
    if let Some(object) = value.as_object_mut() {
        // What the request says here is not looked at.
        object.insert("apiVersion".to_owned(), "kagent.dev/v1alpha2".into());
        object.insert("kind".to_owned(), "Agent".into());
        object.remove("status");
        object.retain(|_, value| !value.is_null());
        object.entry("metadata").or_insert_with(|| serde_json::json!({}));
    } else {
        return Ok(Agent::default());
    }
    serde_json::from_value(value).map_err(|error| Error::invalid(format!("Invalid request body: {error}")))
}

fn check_strings(fields: Option<Fields<'_>>, checks: Checks) -> Result<(), String> {
    let Some(fields) = fields else { return Ok(()) };
    for (name, go_type) in checks {
        fields.string(name, go_type)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gocompat::parse_first;

    fn refusal(body: &str) -> String {
        let body = JsonBody(parse_first(body.as_bytes()).expect("json"));
        decode_agent(&body).expect_err("refused").to_string()
    }

    #[test]
    fn refusals_read_as_in_go() {
        assert_eq!(
            refusal(r#"{"metadata":{"name":1}}"#),
            "Invalid request body: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string"
        );
        assert_eq!(
            refusal(r#"{"spec":{"declarative":{"stream":"yes"}}}"#),
            "Invalid request body: json: cannot unmarshal string into Go struct field \
             DeclarativeAgentSpec.spec.declarative.stream of type bool"
        );
    }

    #[test]
    fn kind_version_and_status_of_the_request_do_not_count() {
        let body =
            br#"{"kind":"ModelConfig","apiVersion":"x/v1","metadata":{"name":"a"},"spec":null,"status":{"x":1}}"#;
        let agent = decode_agent(&JsonBody(parse_first(body).expect("json"))).expect("agent");
        assert_eq!((agent.metadata.name.as_deref(), agent.status), (Some("a"), None));
        let nothing = JsonBody(parse_first(b"null").expect("json"));
        assert_eq!(decode_agent(&nothing).expect("agent"), Agent::default());
    }
}
