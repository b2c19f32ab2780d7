//! Where this server asks a tool server for its tools: from the same objects and by the same rules that give agents their
//! address of it, except that the proxy is for agents only. Pure.

use std::{collections::BTreeMap, fmt, time::Duration};

use k8s_openapi::api::core::v1::{Secret, Service};
use kagent_api::v1alpha2::{self, MCPServer, RemoteMCPServer};

use super::{
    fetched::{Fetched, FetchedObject, ObjectKey},
    hash::secret_hash,
    mcp::{egress_plaintext, service_endpoint},
    options::TranslateOptions,
    references::follow_references,
    resolved::McpProtocol,
    tools::resolve_headers,
};
use crate::gocompat::parse_duration;

/// Time for connecting and listing where the object does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A tool server, as it is asked for its tools.
#[derive(Clone, Eq, PartialEq)]
pub struct McpEndpoint {
    /// Address of the MCP endpoint.
    pub url: String,
    /// How to speak to it.
    pub protocol: McpProtocol,
    /// Sent with every request. May hold secrets.
    pub headers: BTreeMap<String, String>,
    /// For the whole conversation.
    pub timeout: Duration,
    /// Any certificate will do.
    pub skips_verification: bool,
    /// Certificates of authorities, PEM.
    pub authorities: Option<Vec<u8>>,
    /// Whether only `authorities` are trusted.
    pub only_authorities: bool,
}

impl fmt::Debug for McpEndpoint {
    /// Without the values of headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpEndpoint")
            .field("url", &self.url)
            .field("protocol", &self.protocol)
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
}

impl McpEndpoint {
    fn plain(url: String, protocol: McpProtocol, timeout: Duration) -> Self {
        Self {
            url,
            protocol,
            headers: BTreeMap::new(),
            timeout,
            skips_verification: false,
            authorities: None,
            only_authorities: false,
        }
    }
}

/// What a RemoteMCPServer's endpoint is made of besides the object itself.
pub fn list_server_sources(server: &RemoteMCPServer, options: &TranslateOptions) -> Vec<ObjectKey> {
    let shared = FetchedObject::RemoteMcpServer(server.clone().into());
    follow_references(&shared, options)
}

/// The endpoint of a RemoteMCPServer.
///
/// # Errors
/// What its author has to mend: a missing Secret or key, a duration that is none.
pub fn of_remote_server(
    server: &RemoteMCPServer,
    fetched: &Fetched,
    options: &TranslateOptions,
) -> Result<McpEndpoint, String> {
    let namespace = server.metadata.namespace.as_deref().unwrap_or_default();
    let spec = &server.spec;
    let tls = spec.tls.as_ref();
    let url = match options.mcp_egress_plaintext {
        true => egress_plaintext(&spec.url, tls.is_some()),
        false => spec.url.clone(),
    };
    let protocol = match spec.protocol {
        Some(v1alpha2::McpProtocol::Sse) => McpProtocol::Sse,
        _ => McpProtocol::StreamableHttp,
    };
    let headers = resolve_headers(spec.headers_from.as_deref().unwrap_or_default(), namespace, fetched)
        .map_err(|message| format!("failed to resolve header: {message}"))?;
    Ok(McpEndpoint {
        headers,
        authorities: find_authorities(server, fetched)?.map(|(_, certificates)| certificates),
        skips_verification: tls.and_then(|tls| tls.disable_verify).unwrap_or_default(),
        only_authorities: tls.and_then(|tls| tls.disable_system_cas).unwrap_or_default(),
        ..McpEndpoint::plain(url, protocol, parse_timeout(spec.timeout.as_deref())?)
    })
}

/// `status.secretHash` of a RemoteMCPServer: over the Secret with its authorities, `None` without one.
///
/// # Errors
/// When the Secret or its key is missing.
pub fn hash_of_remote_server(server: &RemoteMCPServer, fetched: &Fetched) -> Result<Option<String>, String> {
    Ok(find_authorities(server, fetched)?.map(|(secret, _)| secret_hash([secret])))
}

fn find_authorities<'a>(
    server: &RemoteMCPServer,
    fetched: &'a Fetched,
) -> Result<Option<(&'a Secret, Vec<u8>)>, String> {
    let namespace = server.metadata.namespace.as_deref().unwrap_or_default();
    let Some(tls) = &server.spec.tls else {
        return Ok(None);
    };
    let Some(name) = tls.ca_cert_secret_ref.as_ref().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let Some(secret) = fetched.find_secret(namespace, name) else {
        return Err(format!(
            "failed to get TLS secret {namespace}/{name}: Secret {name:?} not found"
        ));
    };
    let key = tls.ca_cert_secret_key.as_deref().unwrap_or_default();
    match secret.data.as_ref().and_then(|data| data.get(key)) {
        Some(certificates) => Ok(Some((secret, certificates.0.clone()))),
        None => Err(format!("TLS secret {namespace}/{name} does not contain key {key:?}")),
    }
}

/// The endpoint of an MCPServer, which kmcp runs.
///
/// # Errors
/// What its author has to mend.
pub fn of_mcp_server(server: &MCPServer) -> Result<McpEndpoint, String> {
    let namespace = server.metadata.namespace.as_deref().unwrap_or_default();
    let name = server.metadata.name.as_deref().unwrap_or_default();
    let port = server.spec.deployment.port.unwrap_or_default();
    if port == 0 {
        return Err(format!("cannot determine port for MCP server {name}"));
    }
    Ok(McpEndpoint::plain(
        format!("http://{name}.{namespace}:{port}/mcp"),
        McpProtocol::StreamableHttp,
        parse_timeout(server.spec.timeout.as_deref())?,
    ))
}

/// The endpoint of an annotated Service.
///
/// # Errors
/// What its author has to mend.
pub fn of_service(service: &Service) -> Result<McpEndpoint, String> {
    let (url, protocol) = service_endpoint(service)?;
    Ok(McpEndpoint::plain(url, protocol, DEFAULT_TIMEOUT))
}

fn parse_timeout(text: Option<&str>) -> Result<Duration, String> {
    match text {
        None => Ok(DEFAULT_TIMEOUT),
        Some(text) => parse_duration(text).map_err(|message| format!("timeout {text:?} {message}")),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use kagent_api::v1alpha2::{TlsConfig, ValueRef};

    use super::*;

    fn mk_server() -> RemoteMCPServer {
        let mut server = RemoteMCPServer::default();
        server.metadata.namespace = Some("team".to_owned());
        server.metadata.name = Some("weather".to_owned());
        server.spec.url = "https://weather.team/mcp".to_owned();
        server.spec.timeout = Some("1.5s".to_owned());
        server
    }

    #[test]
    fn the_endpoint_has_headers_timeout_and_authorities() {
        let mut server = mk_server();
        server.spec.headers_from = Some(vec![ValueRef {
            name: "X-Tenant".to_owned(),
            value: Some("a".to_owned()),
            value_from: None,
        }]);
        server.spec.tls = Some(TlsConfig {
            ca_cert_secret_ref: Some("ca".to_owned()),
            ca_cert_secret_key: Some("root.pem".to_owned()),
            disable_system_cas: Some(true),
            ..TlsConfig::default()
        });
        let options = TranslateOptions::default();
        let mut fetched = Fetched::default();
        let missing = of_remote_server(&server, &fetched, &options).expect_err("there is no Secret");
        assert!(missing.contains("team/ca"), "{missing}");
        let mut secret = Secret::default();
        secret.metadata.namespace = Some("team".to_owned());
        secret.metadata.name = Some("ca".to_owned());
        secret.data = Some([("root.pem".to_owned(), ByteString(b"PEM".to_vec()))].into());
        fetched.insert_object(FetchedObject::Secret(secret.into()));
        let endpoint = of_remote_server(&server, &fetched, &options).expect("endpoint");
        assert_eq!(endpoint.timeout, Duration::from_millis(1500));
        assert_eq!(endpoint.headers.get("X-Tenant").map(String::as_str), Some("a"));
        assert_eq!(endpoint.authorities.as_deref(), Some(&b"PEM"[..]));
        assert!(endpoint.only_authorities);
        assert!(
            !format!("{endpoint:?}").contains("\"a\""),
            "a header's value was printed"
        );
        assert!(hash_of_remote_server(&server, &fetched).expect("hash").is_some());
    }

    #[test]
    fn egress_rules_apply_to_discovery_too() {
        let options = TranslateOptions {
            mcp_egress_plaintext: true,
            ..TranslateOptions::default()
        };
        let endpoint = of_remote_server(&mk_server(), &Fetched::default(), &options).expect("endpoint");
        assert_eq!(endpoint.url, "http://weather.team:443/mcp");
    }

    #[test]
    fn a_mcp_server_without_port_and_a_bad_duration_are_told() {
        let mut server = MCPServer::default();
        assert!(of_mcp_server(&server).is_err());
        server.spec.deployment.port = Some(3000);
        server.spec.timeout = Some("soon".to_owned());
        assert!(of_mcp_server(&server).expect_err("bad").contains("soon"));
    }
}
