//! URLs of tool servers and agents: from Services and MCPServers, through the proxy, past the egress rules.

use k8s_openapi::api::core::v1::Service;
use url::Url;

use super::{fetched::Fetched, options::TranslateOptions, resolved::McpProtocol};

/// The header that tells the proxy where a request belongs.
pub(super) const PROXY_HOST_HEADER: &str = "x-kagent-host";

const PORT_ANNOTATION: &str = "kagent.dev/mcp-service-port";
const PATH_ANNOTATION: &str = "kagent.dev/mcp-service-path";
const PROTOCOL_ANNOTATION: &str = "kagent.dev/mcp-service-protocol";

/// Where a Service's tools are, by its annotations or its ports.
///
/// # Errors
/// When the port cannot be told.
pub(super) fn service_endpoint(service: &Service) -> Result<(String, McpProtocol), String> {
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
    let annotation = |key: &str| service.metadata.annotations.as_ref().and_then(|all| all.get(key));
    let port = match annotation(PORT_ANNOTATION) {
        Some(text) => text
            .parse::<i64>()
            .map_err(|_| format!("port in annotation {PORT_ANNOTATION} is not a valid integer: {text:?}"))?,
        None => find_port(service)
            .ok_or_else(|| format!("no port found for service {namespace}/{name} with protocol mcp"))?,
    };
    let path = annotation(PATH_ANNOTATION).map_or("/mcp", String::as_str);
    let protocol = match annotation(PROTOCOL_ANNOTATION).map(String::as_str) {
        Some("SSE") => McpProtocol::Sse,
        _ => McpProtocol::StreamableHttp,
    };
    Ok((format!("http://{name}.{namespace}:{port}{path}"), protocol))
}

/// The only port, or the first that says it is MCP.
fn find_port(service: &Service) -> Option<i64> {
    let ports = service.spec.as_ref()?.ports.as_deref()?;
    if let [port] = ports {
        return Some(port.port.into());
    }
    let speaks_mcp = |protocol: &String| protocol.eq_ignore_ascii_case("mcp");
    ports
        .iter()
        .find(|port| port.app_protocol.as_ref().is_some_and(speaks_mcp))
        .map(|port| port.port.into())
}

/// A URL through the proxy: the proxy's scheme, host and port, the path of `url` and nothing else. With the host for the
/// proxy's header. `None` when `url` is no URL with a host.
pub(super) fn through_proxy(proxy: &Url, url: &str) -> Option<(String, String)> {
    let target = Url::parse(url).ok()?;
    let host = target.host_str()?.to_owned();
    // `Url` writes a root path where the text had none.
    let path = if has_path(url) { target.path() } else { "" };
    let proxy_host = proxy.host_str()?;
    let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some((format!("{}://{proxy_host}{port}{path}", proxy.scheme()), host))
}

fn has_path(url: &str) -> bool {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority_end = after_scheme.find(['/', '?', '#']);
    authority_end.is_some_and(|at| after_scheme[at..].starts_with('/'))
}

/// The second label of a host with two labels, which is a namespace if there is one of that name.
pub(super) fn namespace_of_host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let mut labels = url.host_str()?.split('.');
    let (_, namespace) = (labels.next()?, labels.next()?);
    labels.next().is_none().then(|| namespace.to_owned())
}

/// Whether a URL leads to a Service of this cluster.
pub(super) fn is_internal(url: &str, fetched: &Fetched, options: &TranslateOptions) -> bool {
    let in_service_domain = Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(|host| host.ends_with(".svc.cluster.local")));
    if in_service_domain == Some(true) {
        return true;
    }
    let Some(namespace) = namespace_of_host(url) else {
        return false;
    };
    if fetched.is_forbidden_namespace(&namespace) {
        return options.watch_namespaces.contains(&namespace);
    }
    fetched.find_namespace(&namespace).is_some()
}

/// Plain HTTP to the same host and port: something on the way adds TLS. Unchanged where it does not apply.
pub(super) fn egress_plaintext(url: &str, has_tls: bool) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => (String::new(), url),
    };
    if !matches!(scheme.as_str(), "" | "http" | "https") {
        return url.to_owned();
    }
    let Ok(parsed) = Url::parse(&format!("http://{rest}")) else {
        return url.to_owned();
    };
    let split = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(split);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let has_port = parsed.port().is_some() || authority.ends_with(":80");
    if has_port {
        return format!("http://{authority}{tail}");
    }
    let port = if has_tls || scheme == "https" { 443 } else { 80 };
    format!("http://{}:{port}{tail}", authority.trim_end_matches(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_gets_the_path_and_the_host_without_port() {
        let proxy = Url::parse("http://gateway.kagent:8080/ignored").expect("URL");
        let through = |url: &str| through_proxy(&proxy, url).expect("URL");
        assert_eq!(
            through("http://weather.tools:9000/mcp/v1?tenant=a"),
            (
                "http://gateway.kagent:8080/mcp/v1".to_owned(),
                "weather.tools".to_owned()
            )
        );
        assert_eq!(through("http://peer.ns:8080").0, "http://gateway.kagent:8080");
        assert_eq!(through("http://peer.ns:8080/").0, "http://gateway.kagent:8080/");
    }

    #[test]
    fn egress_keeps_host_port_path_and_query() {
        for (url, tls, expected) in [
            ("https://a.test/mcp?x=1#f", false, "http://a.test:443/mcp?x=1#f"),
            ("https://a.test:8443/sse", true, "http://a.test:8443/sse"),
            ("http://a.test/mcp", false, "http://a.test:80/mcp"),
            ("a.test/mcp", true, "http://a.test:443/mcp"),
            ("ftp://a.test/x", true, "ftp://a.test/x"),
        ] {
            assert_eq!(egress_plaintext(url, tls), expected);
        }
    }
}
