//! One Pod: starts its container, asks whether it is ready, starts it again when it ends, stops it when it is deleted.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{Container, Pod, PodSpec, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kagent_core::standalone::{AgentLog, ContainerRequest, Placement, PodFacts, RunningContainer};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    NODE, Shared, node_address,
    status::{End, Observed, State, build_status},
};

/// A test does not wait as long as a node would: the delay and the period of probes are divided by this.
const HURRY: u32 = 15;
const SHORTEST_PERIOD: Duration = Duration::from_millis(200);
/// A container that ends is started again at once, then after this, twice this, and so on.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// What a container waits for may come any time: a Secret, for example.
const START_AGAIN: Duration = Duration::from_millis(500);
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// Where kagent's agents listen.
const AGENT_PORT: i32 = 8080;
const DEFAULT_GRACE_S: i64 = 30;

/// What the Pod is to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// End within this time, then the object goes.
    pub(super) end_within: Option<Duration>,
    /// The object is gone.
    pub(super) gone: bool,
    /// How many times its process was to crash.
    pub(super) crashes: u64,
}

pub(super) struct PodRunner {
    shared: Arc<Shared>,
    pod: Pod,
    spec: Arc<PodSpec>,
    container: Container,
    orders: watch::Receiver<Orders>,
    crashes: u64,
    observed: Observed,
    written: Option<Value>,
    backoff: Option<Duration>,
    started_times: u32,
}

/// Why a container does not run any more.
enum Stopped {
    /// With its exit code.
    Ended(i32),
    Deleted,
    Gone,
}

impl PodRunner {
    pub(super) fn new(shared: Arc<Shared>, pod: Pod, orders: watch::Receiver<Orders>) -> Self {
        let mut spec = pod.spec.clone().unwrap_or_default();
        if let Some(container) = spec.containers.first_mut()
            && container.command.is_none()
            && let Some(command) = shared.images.get(container.image.as_deref().unwrap_or_default())
        {
            container.command = Some(command.clone());
        }
        let now = shared.clock.now();
        let waiting = State::Waiting("ContainerCreating", String::new());
        let observed = Observed {
            address: shared.take_address(),
            since: now,
            state: waiting,
            ready: false,
            ready_since: now,
            restarts: 0,
            last_end: None,
        };
        Self {
            container: spec.containers.first().cloned().unwrap_or_default(),
            spec: Arc::new(spec),
            shared,
            pod,
            orders,
            crashes: 0,
            observed,
            written: None,
            backoff: None,
            started_times: 0,
        }
    }

    /// Until the object is gone, or the kubelet stops.
    pub(super) async fn run(mut self) {
        let file = self.shared.log_file(&self.namespace(), &self.pod.name_any());
        let Ok(log) = AgentLog::open(file) else {
            self.wait_with("CreateContainerError", "its log file cannot be opened".to_owned());
            self.write_status().await;
            return;
        };
        let stop = self.shared.tasks.shutdown_token().clone();
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => return,
                stopped = self.run_once(&log) => stopped,
            };
            match stopped {
                Stopped::Ended(_) => self.observed.restarts += 1,
                Stopped::Deleted => return self.remove_object().await,
                Stopped::Gone => return,
            }
        }
    }

    /// One start of the container, with the wait in front of it.
    async fn run_once(&mut self, log: &AgentLog) -> Stopped {
        if let Some(delay) = self.backoff {
            self.wait_with(
                "CrashLoopBackOff",
                format!("back-off {delay:?} restarting failed container"),
            );
            if let Some(stopped) = self.pause(delay).await {
                return stopped;
            }
        }
        let mut container = loop {
            self.write_status().await;
            if let Some(stopped) = self.asked_to_stop() {
                return stopped;
            }
            match self.start(log).await {
                Ok(container) => break container,
                Err(message) => self.wait_with("CreateContainerConfigError", message),
            }
            self.write_status().await;
            if let Some(stopped) = self.pause(START_AGAIN).await {
                return stopped;
            }
        };
        let started = self.shared.clock.now();
        self.observed.state = State::Running(started);
        let stopped = self.watch(&mut container).await;
        self.set_ready(false);
        match &stopped {
            Stopped::Ended(code) => {
                self.observed.last_end = Some(End {
                    code: *code,
                    started,
                    finished: self.shared.clock.now(),
                });
                self.backoff = Some(match self.backoff {
                    None => Duration::ZERO,
                    Some(Duration::ZERO) => BACKOFF.0,
                    Some(delay) => (delay * 2).min(BACKOFF.1),
                });
                container.clean_up().await;
            }
            Stopped::Deleted => {
                self.write_status().await;
                let grace = self.orders.borrow().end_within.unwrap_or_default();
                // What does not end in time is killed when it is dropped.
                let _ = timeout(grace, container.stop()).await;
            }
            Stopped::Gone => drop(container),
        }
        stopped
    }

    async fn start(&mut self, log: &AgentLog) -> Result<RunningContainer, String> {
        if self.spec.containers.len() > 1 {
            return Err("the stand-in kubelet runs one container per Pod".to_owned());
        }
        self.started_times += 1;
        let uid = self.pod.uid().unwrap_or_default();
        let grace = self.spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE_S);
        let request = ContainerRequest {
            pod: self.spec.clone(),
            placement: self.place(),
            dir: self.shared.pod_dir(&uid).join(self.started_times.to_string()),
            claims: self.shared.claims(&self.namespace()),
            grace: Duration::from_secs(u64::try_from(grace).unwrap_or_default()),
        };
        let started = self.shared.host.start(request, log).await;
        started.map_err(|error| error.to_string())
    }

    fn place(&self) -> Placement {
        let address = self.observed.address.to_string();
        Placement {
            listen: self.port_address(self.container_port()),
            pod: PodFacts {
                name: self.pod.name_any(),
                namespace: self.namespace(),
                uid: self.pod.uid().unwrap_or_default(),
                labels: self.pod.labels().clone(),
                annotations: self.pod.annotations().clone(),
                service_account: self.spec.service_account_name.clone().unwrap_or_default(),
                node: NODE.to_owned(),
                pod_ip: address.clone(),
                host_ip: node_address().to_string(),
            },
            // Where an image would listen on all addresses, a process here has to keep to its own.
            initial: BTreeMap::from([("HOST".to_owned(), address.clone()), ("POD_IP".to_owned(), address)]),
            fixed: BTreeMap::new(),
        }
    }

    /// Follows a running container.
    async fn watch(&mut self, container: &mut RunningContainer) -> Stopped {
        let probe = self.container.readiness_probe.clone();
        let (mut passed, mut failed) = (0, 0);
        let period = probe
            .as_ref()
            .map_or(SHORTEST_PERIOD, |probe| hurry(probe.period_seconds, 10));
        let first = probe
            .as_ref()
            .map_or(Duration::ZERO, |probe| hurry(probe.initial_delay_seconds, 0));
        let mut next = Instant::now() + first;
        loop {
            self.write_status().await;
            tokio::select! {
                ended = container.wait() => return Stopped::Ended(exit_code(ended)),
                _ = self.orders.changed() => {}
                () = sleep_until(next) => {
                    next = Instant::now() + period;
                    if self.answers(probe.as_ref()).await {
                        (passed, failed) = (passed + 1, 0);
                    } else {
                        (passed, failed) = (0, failed + 1);
                    }
                    let threshold = |number: Option<i32>, default| number.unwrap_or(default).max(1);
                    let (success, failure) = probe.as_ref().map_or((1, 1), |probe| {
                        (threshold(probe.success_threshold, 1), threshold(probe.failure_threshold, 3))
                    });
                    if passed >= success {
                        self.set_ready(true);
                        self.backoff = None;
                    } else if failed >= failure {
                        self.set_ready(false);
                    }
                }
            }
            if let Some(stopped) = self.asked_to_stop() {
                return stopped;
            }
            let crashes = self.orders.borrow().crashes;
            if crashes > self.crashes {
                self.crashes = crashes;
                // One that has ended by itself meanwhile is as good.
                let _ = container.kill();
                return Stopped::Ended(exit_code(container.wait().await));
            }
        }
    }

    /// Whether the container is ready now; without a probe it is as soon as it runs.
    async fn answers(&self, probe: Option<&Probe>) -> bool {
        let Some(probe) = probe else { return true };
        let (port, path) = match (&probe.http_get, &probe.tcp_socket) {
            (Some(get), _) => (Some(&get.port), get.path.as_deref().or(Some("/"))),
            (None, Some(socket)) => (Some(&socket.port), None),
            (None, None) => (None, None),
        };
        let Some(port) = port else { return true };
        let Some(number) = self.find_port(port) else {
            return false;
        };
        self.shared.prober.is_ready(self.port_address(number), path).await
    }

    fn find_port(&self, port: &IntOrString) -> Option<i32> {
        match port {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(name) => {
                let mut ports = self.container.ports.iter().flatten();
                ports
                    .find(|port| port.name.as_ref() == Some(name))
                    .map(|port| port.container_port)
            }
        }
    }

    fn container_port(&self) -> i32 {
        let ports = self.container.ports.as_ref();
        ports
            .and_then(|ports| ports.first())
            .map_or(AGENT_PORT, |port| port.container_port)
    }

    fn port_address(&self, port: i32) -> SocketAddr {
        let address: Ipv4Addr = self.observed.address;
        (address, u16::try_from(port).unwrap_or_default()).into()
    }

    fn namespace(&self) -> String {
        self.pod.namespace().unwrap_or_default()
    }

    fn wait_with(&mut self, reason: &'static str, message: String) {
        self.observed.state = State::Waiting(reason, message);
    }

    fn set_ready(&mut self, ready: bool) {
        if self.observed.ready != ready {
            self.observed.ready = ready;
            self.observed.ready_since = self.shared.clock.now();
        }
    }

    fn asked_to_stop(&self) -> Option<Stopped> {
        let orders = self.orders.borrow();
        match (orders.gone, orders.end_within) {
            (true, _) => Some(Stopped::Gone),
            (false, Some(_)) => Some(Stopped::Deleted),
            (false, None) => None,
        }
    }

    /// Waits, or less when the Pod is to stop.
    async fn pause(&mut self, delay: Duration) -> Option<Stopped> {
        self.write_status().await;
        let until = Instant::now() + delay;
        loop {
            if let Some(stopped) = self.asked_to_stop() {
                return Some(stopped);
            }
            tokio::select! {
                () = sleep_until(until) => return None,
                changed = self.orders.changed() => if changed.is_err() { return Some(Stopped::Gone) },
            }
        }
    }

    /// Writes the status where it has changed; what cannot be written now is written with the next event.
    async fn write_status(&mut self) {
        let status = build_status(&self.observed, &self.container);
        if self.written.as_ref() == Some(&status) {
            return;
        }
        let pods = Api::<Pod>::namespaced(self.shared.client.clone(), &self.namespace());
        let (name, params, patch) = (self.pod.name_any(), PatchParams::default(), Patch::Merge(&status));
        let written = timeout(REQUEST_WITHIN, pods.patch_status(&name, &params, &patch)).await;
        if matches!(written, Ok(Ok(_))) {
            self.written = Some(status);
        }
    }

    /// The container has ended: now the object goes, as a kubelet makes it.
    async fn remove_object(&mut self) {
        let pods = Api::<Pod>::namespaced(self.shared.client.clone(), &self.namespace());
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: self.pod.uid(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let name = self.pod.name_any();
        let stop = self.shared.tasks.shutdown_token().clone();
        while !stop.is_cancelled() {
            let removed = timeout(REQUEST_WITHIN, pods.delete(&name, &params)).await;
            if matches!(&removed, Ok(Ok(_))) || self.orders.borrow().gone {
                return;
            }
            if matches!(&removed, Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409)) {
                return;
            }
            tokio::time::sleep(START_AGAIN).await;
        }
    }
}

fn hurry(seconds: Option<i32>, default: i32) -> Duration {
    let seconds = u64::try_from(seconds.unwrap_or(default)).unwrap_or_default();
    (Duration::from_secs(seconds) / HURRY).max(SHORTEST_PERIOD)
}

/// As shells have it; the guard passes on the code of a process that a signal has ended.
fn exit_code(ended: std::io::Result<ExitStatus>) -> i32 {
    ended.ok().and_then(|status| status.code()).unwrap_or(137)
}
