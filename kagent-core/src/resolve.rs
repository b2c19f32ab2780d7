//! Host names to addresses. In a cluster that is DNS; without one, agents live on ports of this machine.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use async_trait::async_trait;

/// Turns the host and port of a URL into addresses to connect to.
#[async_trait]
pub trait HostResolver: Send + Sync {
    /// Addresses for `host`, in the order to try them; never empty when `Ok`.
    ///
    /// # Errors
    /// When the name does not resolve.
    async fn resolve_host(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct DnsResolver;

#[async_trait]
impl HostResolver for DnsResolver {
    async fn resolve_host(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no address for {host}"),
            ));
        }
        Ok(addresses)
    }
}

/// One address for every name, for debugging outside a cluster (`KAGENT_A2A_DEBUG_ADDR`).
#[derive(Clone, Debug)]
pub struct FixedResolver {
    host: String,
    port: u16,
}

impl FixedResolver {
    /// Everything is at `host:port`, which the system's resolver looks up at each connection.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }
}

#[async_trait]
impl HostResolver for FixedResolver {
    async fn resolve_host(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        DnsResolver.resolve_host(&self.host, self.port).await
    }
}

/// A table of `host:port` → address that is consulted before another resolver.
#[derive(Clone)]
pub struct HostTable {
    entries: Arc<ArcSwap<HashMap<(String, u16), SocketAddr>>>,
    fallback: Arc<dyn HostResolver>,
}

impl HostTable {
    /// An empty table in front of `fallback`.
    pub fn new(fallback: Arc<dyn HostResolver>) -> Self {
        Self {
            entries: Arc::default(),
            fallback,
        }
    }

    /// Sets where `host:port` is.
    pub fn insert(&self, host: &str, port: u16, address: SocketAddr) {
        self.entries.rcu(|entries| {
            let mut entries = HashMap::clone(entries);
            entries.insert((host.to_owned(), port), address);
            entries
        });
    }

    /// Forgets `host:port`.
    pub fn remove(&self, host: &str, port: u16) {
        self.entries.rcu(|entries| {
            let mut entries = HashMap::clone(entries);
            entries.remove(&(host.to_owned(), port));
            entries
        });
    }
}

#[async_trait]
impl HostResolver for HostTable {
    async fn resolve_host(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = self.entries.load().get(&(host.to_owned(), port)) {
            return Ok(vec![*address]);
        }
        self.fallback.resolve_host(host, port).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_table_wins_and_the_fallback_answers_the_rest() {
        let table = HostTable::new(Arc::new(DnsResolver));
        let address: SocketAddr = "127.0.0.1:4711".parse().expect("address");
        table.insert("a.kagent", 8080, address);
        assert_eq!(
            table.resolve_host("a.kagent", 8080).await.expect("known"),
            vec![address]
        );
        assert_eq!(
            table.resolve_host("127.0.0.1", 1).await.expect("literal"),
            vec!["127.0.0.1:1".parse::<SocketAddr>().expect("address")]
        );
        table.remove("a.kagent", 8080);
        assert!(table.entries.load().is_empty());
    }
}
