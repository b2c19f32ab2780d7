//! The definitions of a kagent 0.9.12 install, as read back from a real API server: each compiles, each rule fires.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use super::{Additional, Schema};

/// Each rule with a value that breaks it and one that keeps it.
fn samples() -> Vec<(&'static str, Value, Value)> {
    let provider = |field: &str, name: &str| {
        (
            json!({ field: {}, "provider": "Other" }),
            json!({ field: {}, "provider": name }),
        )
    };
    let mut samples = vec![
        (
            "!(!has(self.agent) && self.type == 'Agent')",
            json!({ "type": "Agent" }),
            json!({ "type": "Agent", "agent": {} }),
        ),
        (
            "!(has(self.agent) && self.type != 'Agent')",
            json!({ "type": "McpServer", "agent": {} }),
            json!({ "type": "McpServer" }),
        ),
        (
            "!(!has(self.mcpServer) && self.type == 'McpServer')",
            json!({ "type": "McpServer" }),
            json!({ "type": "McpServer", "mcpServer": {} }),
        ),
        (
            "!(has(self.mcpServer) && self.type != 'McpServer')",
            json!({ "type": "Agent", "mcpServer": {} }),
            json!({ "type": "Agent" }),
        ),
        (
            "!(has(self.allowedNamespaces) && has(self.allowedNamespaces.from) && (self.allowedNamespaces.from == 'All' || self.allowedNamespaces.from == 'Selector') && has(self.tls) && has(self.tls.caCertSecretRef) && size(self.tls.caCertSecretRef) > 0)",
            json!({ "allowedNamespaces": { "from": "All" }, "tls": { "caCertSecretRef": "s" } }),
            json!({ "allowedNamespaces": { "from": "Same" }, "tls": { "caCertSecretRef": "s" } }),
        ),
        (
            "!(has(self.apiKeyPassthrough) && self.apiKeyPassthrough && (self.provider == 'Gemini' || self.provider == 'GeminiVertexAI' || self.provider == 'AnthropicVertexAI'))",
            json!({ "apiKeyPassthrough": true, "provider": "GeminiVertexAI" }),
            json!({ "apiKeyPassthrough": true, "provider": "OpenAI" }),
        ),
        (
            "!(has(self.apiKeyPassthrough) && self.apiKeyPassthrough && has(self.apiKeySecret) && size(self.apiKeySecret) > 0)",
            json!({ "apiKeyPassthrough": true, "apiKeySecret": "s" }),
            json!({ "apiKeyPassthrough": true, "apiKeySecret": "" }),
        ),
        (
            "!(has(self.apiKeySecret) && !has(self.apiKeySecretKey) && self.provider != 'Bedrock' && self.provider != 'SAPAICore')",
            json!({ "apiKeySecret": "s", "provider": "OpenAI" }),
            json!({ "apiKeySecret": "s", "provider": "Bedrock" }),
        ),
        (
            "!(has(self.apiKeySecretKey) && !has(self.apiKeySecret))",
            json!({ "apiKeySecretKey": "k" }),
            json!({ "apiKeySecretKey": "k", "apiKeySecret": "s" }),
        ),
        (
            "!(has(self.caCertSecretKey) && size(self.caCertSecretKey) > 0 && (!has(self.caCertSecretRef) || size(self.caCertSecretRef) == 0))",
            json!({ "caCertSecretKey": "k" }),
            json!({ "caCertSecretKey": "k", "caCertSecretRef": "s" }),
        ),
        (
            "!(has(self.caCertSecretRef) && size(self.caCertSecretRef) > 0 && (!has(self.caCertSecretKey) || size(self.caCertSecretKey) == 0))",
            json!({ "caCertSecretRef": "s", "caCertSecretKey": "" }),
            json!({ "caCertSecretKey": "k", "caCertSecretRef": "s" }),
        ),
        (
            "!(has(self.disableSystemCAs) && self.disableSystemCAs && (!has(self.disableVerify) || !self.disableVerify) && (!has(self.caCertSecretRef) || size(self.caCertSecretRef) == 0))",
            json!({ "disableSystemCAs": true }),
            json!({ "disableSystemCAs": true, "disableVerify": true }),
        ),
        (
            "!(has(self.openAI) && has(self.openAI.tokenExchange) && (!has(self.apiKeySecret) || size(self.apiKeySecret) == 0))",
            json!({ "openAI": { "tokenExchange": {} } }),
            json!({ "openAI": { "tokenExchange": {} }, "apiKeySecret": "s" }),
        ),
        (
            "!(has(self.openAI) && has(self.openAI.tokenExchange) && has(self.apiKeyPassthrough) && self.apiKeyPassthrough)",
            json!({ "openAI": { "tokenExchange": {} }, "apiKeyPassthrough": true }),
            json!({ "openAI": { "tokenExchange": {} }, "apiKeyPassthrough": false }),
        ),
        (
            "!(has(self.openAI) && has(self.openAI.tokenExchange) && self.openAI.tokenExchange.type == 'GDCHServiceAccount' && !has(self.openAI.tokenExchange.gdchServiceAccount))",
            json!({ "openAI": { "tokenExchange": { "type": "GDCHServiceAccount" } } }),
            json!({ "openAI": { "tokenExchange": { "type": "GDCHServiceAccount", "gdchServiceAccount": {} } } }),
        ),
        (
            "!(has(self.serviceAccount) && has(self.serviceAccountName))",
            json!({ "serviceAccount": {}, "serviceAccountName": "a" }),
            json!({ "serviceAccount": {} }),
        ),
        (
            "!(has(self.serviceAccountName) && has(self.serviceAccountConfig))",
            json!({ "serviceAccountConfig": {}, "serviceAccountName": "a" }),
            json!({ "serviceAccountName": "a" }),
        ),
        (
            "!(self.from == 'Selector' && !has(self.selector))",
            json!({ "from": "Selector" }),
            json!({ "from": "Selector", "selector": {} }),
        ),
        (
            "!(size(self.allowedUserIDs) > 0 && has(self.allowedUserIDsFrom))",
            json!({ "allowedUserIDs": ["a"], "allowedUserIDsFrom": {} }),
            json!({ "allowedUserIDs": [], "allowedUserIDsFrom": {} }),
        ),
        (
            "!has(self.channelAccess) || self.channelAccess != 'allowlist' || (has(self.allowlistChannels) && size(self.allowlistChannels) > 0)",
            json!({ "channelAccess": "allowlist", "allowlistChannels": [] }),
            json!({ "channelAccess": "allowlist", "allowlistChannels": ["c"] }),
        ),
        (
            "!has(self.channels) || self.channels.all(c, c.type != 'slack' || (has(c.slack) && ((self.backend == 'hermes' && has(c.slack.hermes) && !has(c.slack.openclaw)) || ((self.backend == 'openclaw' || self.backend == 'nemoclaw') && has(c.slack.openclaw) && !has(c.slack.hermes)))))",
            json!({ "backend": "hermes", "channels": [{ "type": "telegram" }, { "type": "slack", "slack": { "openclaw": {} } }] }),
            json!({ "backend": "hermes", "channels": [{ "type": "telegram" }, { "type": "slack", "slack": { "hermes": {} } }] }),
        ),
        (
            "!has(self.endpoint) || size(self.endpoint) == 0 || self.endpoint.startsWith('http://') || self.endpoint.startsWith('https://')",
            json!({ "endpoint": "ftp://x" }),
            json!({ "endpoint": "https://x" }),
        ),
        (
            "!has(self.requireApproval) || self.requireApproval.all(x, has(self.toolNames) && x in self.toolNames)",
            json!({ "requireApproval": ["a", "b"], "toolNames": ["a"] }),
            json!({ "requireApproval": ["a"], "toolNames": ["a", "b"] }),
        ),
        (
            "!has(self.skills) || self.platform != 'substrate'",
            json!({ "skills": {}, "platform": "substrate" }),
            json!({ "skills": {}, "platform": "agent-sandbox" }),
        ),
        (
            "!has(self.substrate) || self.platform == 'substrate'",
            json!({ "substrate": {}, "platform": "agent-sandbox" }),
            json!({ "substrate": {}, "platform": "substrate" }),
        ),
        (
            "!has(self.substrate) || self.runtime == 'substrate'",
            json!({ "substrate": {}, "runtime": "openshell" }),
            json!({ "substrate": {}, "runtime": "substrate" }),
        ),
        (
            "!has(self.systemMessage) || !has(self.systemMessageFrom)",
            json!({ "systemMessage": "m", "systemMessageFrom": {} }),
            json!({ "systemMessage": "m" }),
        ),
        (
            "!has(self.type) || self.type != 'BYO' || self.platform != 'substrate'",
            json!({ "type": "BYO", "platform": "substrate" }),
            json!({ "type": "BYO", "platform": "agent-sandbox" }),
        ),
        (
            "!self.url.startsWith('http://') || !has(self.tls)",
            json!({ "url": "http://x", "tls": {} }),
            json!({ "url": "https://x", "tls": {} }),
        ),
        (
            "(has(self.gatewayToken) && !has(self.gatewayTokenSecretRef)) || (!has(self.gatewayToken) && has(self.gatewayTokenSecretRef))",
            json!({ "gatewayToken": "t", "gatewayTokenSecretRef": {} }),
            json!({ "gatewayTokenSecretRef": {} }),
        ),
        (
            "(has(self.stdio) && !has(self.sse) && !has(self.streamableHttp)) || (!has(self.stdio) && has(self.sse) && !has(self.streamableHttp)) || (!has(self.stdio) && !has(self.sse) && has(self.streamableHttp))",
            json!({ "stdio": {}, "sse": {} }),
            json!({ "sse": {} }),
        ),
        (
            "(has(self.value) && !has(self.valueFrom)) || (!has(self.value) && has(self.valueFrom))",
            json!({ "name": "n" }),
            json!({ "name": "n", "value": "v" }),
        ),
        (
            "(self.type == 'Declarative' && has(self.declarative)) || (self.type == 'BYO' && has(self.byo))",
            json!({ "type": "BYO", "declarative": {} }),
            json!({ "type": "BYO", "byo": {} }),
        ),
        (
            "(self.type == 'telegram' && has(self.telegram) && !has(self.slack)) || (self.type == 'slack' && has(self.slack) && !has(self.telegram))",
            json!({ "type": "slack", "telegram": {} }),
            json!({ "type": "slack", "slack": {} }),
        ),
        ("has(self.type)", json!({}), json!({ "type": "BYO" })),
        (
            "self.runtime != 'substrate' || has(self.substrate)",
            json!({ "runtime": "substrate" }),
            json!({ "runtime": "openshell" }),
        ),
        (
            "self.type == 'Declarative' || self.type == 'BYO'",
            json!({ "type": "Other" }),
            json!({ "type": "BYO" }),
        ),
        (
            "self.type == 'Ollama' || (has(self.secretRef) && has(self.secretRef.name) && size(self.secretRef.name) > 0)",
            json!({ "type": "OpenAI", "secretRef": { "name": "" } }),
            json!({ "type": "OpenAI", "secretRef": { "name": "s" } }),
        ),
    ];
    let providers = [
        (
            "!(has(self.anthropic) && self.provider != 'Anthropic')",
            "anthropic",
            "Anthropic",
        ),
        (
            "!(has(self.anthropicVertexAI) && self.provider != 'AnthropicVertexAI')",
            "anthropicVertexAI",
            "AnthropicVertexAI",
        ),
        (
            "!(has(self.azureOpenAI) && self.provider != 'AzureOpenAI')",
            "azureOpenAI",
            "AzureOpenAI",
        ),
        (
            "!(has(self.bedrock) && self.provider != 'Bedrock')",
            "bedrock",
            "Bedrock",
        ),
        ("!(has(self.gemini) && self.provider != 'Gemini')", "gemini", "Gemini"),
        (
            "!(has(self.geminiVertexAI) && self.provider != 'GeminiVertexAI')",
            "geminiVertexAI",
            "GeminiVertexAI",
        ),
        ("!(has(self.ollama) && self.provider != 'Ollama')", "ollama", "Ollama"),
        ("!(has(self.openAI) && self.provider != 'OpenAI')", "openAI", "OpenAI"),
        (
            "!(has(self.sapAICore) && self.provider != 'SAPAICore')",
            "sapAICore",
            "SAPAICore",
        ),
    ];
    for (rule, field, name) in providers {
        let (broken, kept) = provider(field, name);
        samples.push((rule, broken, kept));
    }
    samples
}

fn definitions() -> Vec<Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/crds");
    let mut paths: Vec<_> = fs::read_dir(&dir)
        .expect("the recorded definitions")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON"))
        .collect()
}

/// Every rule below `source`, with the compiled schema it stands in.
fn collect<'a>(
    source: &'a Value,
    schema: &'a Schema,
    path: &str,
    found: &mut Vec<(String, &'a Value, usize, &'a Schema)>,
) {
    for (index, rule) in source["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        found.push((path.to_owned(), rule, index, schema));
    }
    for (name, property) in source["properties"].as_object().into_iter().flatten() {
        // Metadata is the server's own, whatever the definition says.
        if name != "metadata" || !path.is_empty() {
            collect(property, &schema.properties[name], &format!("{path}.{name}"), found);
        }
    }
    if let Some(items) = &schema.items {
        collect(&source["items"], items, &format!("{path}[]"), found);
    }
    if let Some(Additional::Schema(values)) = &schema.additional {
        collect(&source["additionalProperties"], values, &format!("{path}.*"), found);
    }
}

#[test]
fn every_recorded_rule_compiles_fires_with_its_message_and_can_be_kept() {
    let samples = samples();
    let mut used = BTreeSet::new();
    let mut count = 0;
    for definition in definitions() {
        for version in definition["spec"]["versions"].as_array().expect("versions") {
            let source = &version["schema"]["openAPIV3Schema"];
            let schema =
                Schema::parse(source).unwrap_or_else(|why| panic!("{}: {why}", definition["metadata"]["name"]));
            let mut rules = Vec::new();
            collect(source, &schema, "", &mut rules);
            for (path, rule, index, node) in rules {
                let text = rule["rule"].as_str().expect("a rule");
                let (_, broken, kept) = samples
                    .iter()
                    .find(|(known, _, _)| *known == text)
                    .unwrap_or_else(|| panic!("{path}: no sample for {text}"));
                used.insert(text.to_owned());
                count += 1;
                let compiled = &node.rules[index];
                let cause = compiled
                    .check(node, broken, None, "at")
                    .unwrap_or_else(|| panic!("{text} held for {broken}"));
                let message = rule["message"].as_str().expect("a message");
                assert_eq!(cause.body, format!("Invalid value: {message}"), "{text}");
                let cause = compiled.check(node, kept, None, "at");
                assert_eq!(cause, None, "{text} failed for {kept}");
            }
        }
    }
    assert_eq!(count, 84);
    assert_eq!(used.len(), samples.len(), "a sample belongs to no rule");
}
