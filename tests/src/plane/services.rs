//! What kube-proxy and the cluster's DNS are to Services: each listens on its address while it has endpoints that are
//! ready, and its names lead there. Headless Services have no address here, and no name.

use std::{
    collections::{BTreeMap, HashMap},
    fs::OpenOptions,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kagent_core::tasks::Tasks;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, reflector, reflector::Store, watcher},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{net::TcpListener, net::TcpStream};
use tokio_util::sync::CancellationToken;

use super::isolated::{hosts_file, join};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Where the connections to one port of a Service go, in turn.
#[derive(Default)]
struct Targets {
    addresses: Mutex<Vec<SocketAddr>>,
    next: AtomicUsize,
}

impl Targets {
    fn take(&self) -> Option<SocketAddr> {
        let addresses = self.addresses.lock();
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        addresses.get(next.checked_rem(addresses.len())?).copied()
    }
}

struct Listener {
    targets: Arc<Targets>,
    stop: CancellationToken,
}

struct Proxy {
    tasks: Tasks,
    services: Store<Service>,
    slices: Store<EndpointSlice>,
    listeners: HashMap<SocketAddr, Listener>,
    named: BTreeMap<String, Ipv4Addr>,
}

/// Follows all Services until `tasks` end.
pub(super) fn start(client: &Client, tasks: &Tasks) {
    let (services, service_writer) = reflector::store();
    let (slices, slice_writer) = reflector::store();
    let service_events = watcher(Api::<Service>::all(client.clone()), watcher::Config::default())
        .default_backoff()
        .reflect(service_writer)
        .map(|_| ());
    let slice_events = watcher(Api::<EndpointSlice>::all(client.clone()), watcher::Config::default())
        .default_backoff()
        .reflect(slice_writer)
        .map(|_| ());
    let mut proxy = Proxy {
        tasks: tasks.clone(),
        services,
        slices,
        listeners: HashMap::new(),
        named: BTreeMap::new(),
    };
    let mut events = futures::stream::select(service_events.boxed(), slice_events.boxed());
    let stop = tasks.shutdown_token().clone();
    tasks.spawn("services", async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                event = events.next() => if event.is_none() { return },
            }
            proxy.follow().await;
        }
    });
}

impl Proxy {
    async fn follow(&mut self) {
        let mut wanted: HashMap<SocketAddr, Vec<SocketAddr>> = HashMap::new();
        for service in self.services.state() {
            let spec = service.spec.clone().unwrap_or_default();
            let Some(ip) = spec.cluster_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok()) else {
                continue;
            };
            self.name(&service, ip);
            for port in spec.ports.iter().flatten() {
                let Ok(number) = u16::try_from(port.port) else { continue };
                let targets = self.find_targets(&service, port.name.as_deref());
                if !targets.is_empty() {
                    wanted.insert((ip, number).into(), targets);
                }
            }
        }
        self.listeners.retain(|address, listener| {
            let keep = wanted.contains_key(address);
            if !keep {
                listener.stop.cancel();
            }
            keep
        });
        for (address, targets) in wanted {
            if !self.listeners.contains_key(&address) {
                let Some(listener) = self.listen(address).await else {
                    continue;
                };
                self.listeners.insert(address, listener);
            }
            *self.listeners[&address].targets.addresses.lock() = targets;
        }
    }

    /// The addresses that are ready behind a port of a Service.
    fn find_targets(&self, service: &Service, port: Option<&str>) -> Vec<SocketAddr> {
        let mut targets = Vec::new();
        for slice in self.slices.state() {
            let of_service = slice.namespace() == service.namespace()
                && slice.labels().get(SERVICE_NAME) == Some(&service.name_any());
            if !of_service {
                continue;
            }
            let mut ports = slice.ports.iter().flatten();
            let port = ports.find(|known| known.name.as_deref().unwrap_or_default() == port.unwrap_or_default());
            let Some(number) = port.and_then(|port| u16::try_from(port.port?).ok()) else {
                continue;
            };
            for endpoint in slice.endpoints.iter().flatten() {
                let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready);
                if ready != Some(false) {
                    let ips = endpoint.addresses.iter().filter_map(|ip| ip.parse::<Ipv4Addr>().ok());
                    targets.extend(ips.map(|ip| SocketAddr::from((ip, number))));
                }
            }
        }
        targets.sort();
        targets
    }

    async fn listen(&self, address: SocketAddr) -> Option<Listener> {
        // The one before may still be closing; the next change tries again.
        let socket = TcpListener::bind(address).await.ok()?;
        let listener = Listener {
            targets: Arc::default(),
            stop: self.tasks.shutdown_token().child_token(),
        };
        let (targets, stop, tasks) = (listener.targets.clone(), listener.stop.clone(), self.tasks.clone());
        self.tasks.spawn("service", async move {
            loop {
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = socket.accept() => accepted,
                };
                let Ok((caller, _)) = accepted else { continue };
                let Some(target) = targets.take() else { continue };
                tasks.spawn("service.connection", async move {
                    let connected = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(target)).await;
                    if let Ok(Ok(server)) = connected {
                        join(caller, server).await;
                    }
                });
            }
        });
        Some(listener)
    }

    /// Adds the names of a Service to the hosts file, which only grows, so that nobody ever reads half of it. A
    /// Service that was made again has both addresses there; nobody listens on the old one.
    fn name(&mut self, service: &Service, ip: Ipv4Addr) {
        let name = format!("{}.{}", service.name_any(), service.namespace().unwrap_or_default());
        if self.named.get(&name) == Some(&ip) {
            return;
        }
        let Some(file) = hosts_file() else { return };
        let line = format!("{ip} {name} {name}.svc {name}.svc.cluster.local\n");
        let written = OpenOptions::new()
            .append(true)
            .open(file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if written.is_ok() {
            self.named.insert(name, ip);
        }
    }
}

/// Makes a Service without a selector, for programs that are no Pods: `name.namespace:port` leads to `addresses`.
///
/// # Errors
/// When the API server refuses it.
pub async fn publish_service(client: &Client, namespace: &str, name: &str, addresses: &[SocketAddr]) -> Result<()> {
    let port = addresses.first().context("a Service needs an address")?.port();
    let params = PatchParams::apply("kagent-tests").force();
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"ports": [{"name": "http", "port": port, "targetPort": port}]},
    });
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    services.patch(name, &params, &Patch::Apply(&service)).await?;
    let endpoints: Vec<_> = addresses
        .iter()
        .map(|address| json!({"addresses": [address.ip()], "conditions": {"ready": true}}))
        .collect();
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {SERVICE_NAME: name}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": port}], "endpoints": endpoints,
    });
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), namespace);
    slices.patch(name, &params, &Patch::Apply(&slice)).await?;
    Ok(())
}
