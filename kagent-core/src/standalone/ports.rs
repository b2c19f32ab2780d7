//! Free ports of this machine, one per running agent.

use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use parking_lot::Mutex;

/// Gives out ports and remembers which agents have one.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports {
    taken: Arc<Mutex<HashSet<u16>>>,
}

/// A port that no other agent of this server gets until this is dropped.
#[derive(Debug)]
pub(super) struct PortLease {
    port: u16,
    ports: Ports,
}

impl Ports {
    /// A port on loopback that was free a moment ago. Somebody else may still take it before the agent listens; the
    /// agent then ends, and its next start gets another.
    pub(super) fn take(&self) -> io::Result<PortLease> {
        // Listeners are kept open so that the system does not offer the same taken port again.
        let mut refused = Vec::new();
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            if self.taken.lock().insert(port) {
                return Ok(PortLease {
                    port,
                    ports: self.clone(),
                });
            }
            refused.push(listener);
        }
    }
}

impl PortLease {
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        self.ports.taken.lock().remove(&self.port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_while_it_is_held() {
        let ports = Ports::default();
        let leases: Vec<_> = (0..50).map(|_| ports.take().expect("port")).collect();
        let distinct: HashSet<_> = leases.iter().map(PortLease::port).collect();
        assert_eq!(distinct.len(), leases.len());
        drop(leases);
        assert!(ports.taken.lock().is_empty());
    }
}
