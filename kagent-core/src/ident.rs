//! Names: agents, clusters and the ids that clients choose. Parse at the edge, pass the types inside.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

/// An agent in one cluster: namespace and name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AgentRef {
    /// Kubernetes namespace.
    pub namespace: String,
    /// Name of the Agent object.
    pub name: String,
}

impl AgentRef {
    /// An agent by namespace and name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The form that Python runtimes use as an identifier: `kagent/my-agent` → `kagent__NS__my_agent`.
    ///
    /// It is the id of the agent's row, the `agent_id` of sessions, and `X-Agent-Name`.
    pub fn python_id(&self) -> String {
        python_id(&format!("{}/{}", self.namespace, self.name))
    }
}

/// Replaces `-` by `_` and `/` by `__NS__`. Idempotent, so either spelling of an agent may be passed.
pub fn python_id(agent: &str) -> String {
    agent.replace('-', "_").replace('/', "__NS__")
}

impl fmt::Display for AgentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for AgentRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self::new(namespace, name))
            }
            _ => Err(Error::invalid(format!(
                "agent reference {text:?} is not of the form namespace/name"
            ))),
        }
    }
}

/// A cluster's id at the hub: a DNS label.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClusterId(String);

impl ClusterId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClusterId {
    type Err = Error;

    /// Accepts RFC 1123 labels: 1–63 of `a-z`, `0-9`, `-`, with a letter or digit at both ends.
    fn from_str(text: &str) -> Result<Self> {
        if is_dns_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid(format!("cluster id {text:?} is not a DNS label")))
        }
    }
}

/// Whether `text` is an RFC 1123 label, as Kubernetes wants of namespaces.
pub fn is_dns_label(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    matches!(bytes.len(), 1..=63)
        && alphanumeric(bytes[0])
        && alphanumeric(bytes[bytes.len() - 1])
        && bytes.iter().all(|&byte| alphanumeric(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_id_is_idempotent() {
        let agent = AgentRef::new("kagent", "my-agent");
        assert_eq!(agent.python_id(), "kagent__NS__my_agent");
        assert_eq!(python_id(&agent.python_id()), agent.python_id());
    }

    #[test]
    fn agent_ref_wants_exactly_two_parts() {
        assert_eq!("a/b".parse::<AgentRef>().expect("valid"), AgentRef::new("a", "b"));
        for bad in ["", "a", "/a", "a/", "a/b/c"] {
            assert!(bad.parse::<AgentRef>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn cluster_id_is_a_dns_label() {
        assert!("eu-1".parse::<ClusterId>().is_ok());
        for bad in ["", "-a", "a-", "A", "a.b", &"a".repeat(64)] {
            assert!(bad.parse::<ClusterId>().is_err(), "{bad:?} was accepted");
        }
    }
}
