//! The CustomResourceDefinitions that belong to this API, as an API server takes them.
//!
//! Beside the kinds of [`crate::v1alpha2`] that is what older versions left behind (`legacy/`, schema only): a CRD or a
//! served version that is dropped takes the users' objects with it. Nothing is read from disk; all of it is compiled in.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionVersion, CustomResourceValidation,
};
use kube::CustomResourceExt;
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::{
    schema::Definitions,
    v1alpha2::{
        Agent, AgentSpec, AgentStatus, ModelConfig, ModelConfigSpec, ModelConfigStatus, ModelProviderConfig,
        ModelProviderConfigSpec, ModelProviderConfigStatus, RemoteMCPServer, RemoteMCPServerSpec,
        RemoteMCPServerStatus,
    },
};

const VALID: &str = "the schema is compiled in, and a test builds every one";

/// Every CRD that an installation needs, in the order of their names.
///
/// `Agent::crd()` and the like know names and columns but have no schema; these are complete.
pub fn all_crds() -> Vec<CustomResourceDefinition> {
    let mut definitions = Definitions::new();
    let agents = crd::<Agent, AgentSpec, AgentStatus>(&mut definitions);
    let model_configs = crd::<ModelConfig, ModelConfigSpec, ModelConfigStatus>(&mut definitions);
    vec![
        legacy_crd(&definitions, include_str!("legacy/agent_harness.json")),
        with_old_version(agents, &definitions, include_str!("legacy/agent_v1alpha1.json")),
        legacy_crd(&definitions, include_str!("legacy/memory.json")),
        with_old_version(
            model_configs,
            &definitions,
            include_str!("legacy/model_config_v1alpha1.json"),
        ),
        crd::<ModelProviderConfig, ModelProviderConfigSpec, ModelProviderConfigStatus>(&mut definitions),
        crd::<RemoteMCPServer, RemoteMCPServerSpec, RemoteMCPServerStatus>(&mut definitions),
        legacy_crd(&definitions, include_str!("legacy/sandbox_agent.json")),
        legacy_crd(&definitions, include_str!("legacy/tool_server.json")),
    ]
}

/// The CRD of kmcp's MCPServer, for where kmcp's own chart is not there to install it: standalone mode and tests.
pub fn mcp_server_crd() -> CustomResourceDefinition {
    legacy_crd(&Definitions::new(), include_str!("legacy/mcp_server.json"))
}

/// Completes what the derive macro knows about a kind by the schema of its spec and status.
fn crd<K: CustomResourceExt, Spec: JsonSchema, Status: JsonSchema>(
    definitions: &mut Definitions,
) -> CustomResourceDefinition {
    let mut crd = K::crd();
    crd.spec.conversion = Some(CustomResourceConversion {
        strategy: "None".to_owned(),
        webhook: None,
    });
    crd.spec.names.list_kind = Some(format!("{}List", crd.spec.names.kind));
    let spec = definitions.structural_schema::<Spec>();
    let status = definitions.structural_schema::<Status>();
    let schema = json!({
        "description": spec["description"],
        "type": "object",
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "type": "object" },
            "spec": spec,
            "status": status,
        },
    });
    for version in &mut crd.spec.versions {
        version.schema = Some(CustomResourceValidation {
            open_api_v3_schema: Some(serde_json::from_value(schema.clone()).expect(VALID)),
        });
    }
    crd
}

/// Puts a version that is still served, but no longer stored, before the others.
fn with_old_version(
    mut crd: CustomResourceDefinition,
    definitions: &Definitions,
    version: &str,
) -> CustomResourceDefinition {
    let mut version: Value = serde_json::from_str(version).expect(VALID);
    resolve_version(definitions, &mut version);
    let version: CustomResourceDefinitionVersion = serde_json::from_value(version).expect(VALID);
    crd.spec.versions.insert(0, version);
    crd
}

fn legacy_crd(definitions: &Definitions, crd: &str) -> CustomResourceDefinition {
    let mut crd: Value = serde_json::from_str(crd).expect(VALID);
    for version in crd["spec"]["versions"].as_array_mut().expect(VALID) {
        resolve_version(definitions, version);
    }
    serde_json::from_value(crd).expect(VALID)
}

fn resolve_version(definitions: &Definitions, version: &mut Value) {
    let schema = &mut version["schema"]["openAPIV3Schema"];
    *schema = definitions.resolve(schema);
}
