//! Keeps one agent running: start, probe, restart with backoff, replace when the pod template changes, stop.
//!
//! A new version starts beside the old one, takes over when it answers, and only then is the old one stopped. The
//! Deployment's status always says what is true.

mod probing;
mod status;

use std::{process::ExitStatus, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    container::remove_dir, context::Context, deployment_status::wanted_replicas, instance::Instance, logs::AgentLog,
};

/// Port of every agent inside the cluster.
const AGENT_PORT: u16 = 8080;
/// How often an agent is asked until it answers, and after that.
const PROBE_STARTING: Duration = Duration::from_millis(200);
const PROBE_READY: Duration = Duration::from_secs(5);
/// Unanswered probes until a ready agent counts as not ready.
const MISSED_PROBES: u32 = 3;
/// An agent that ends sooner than this ends "at once"; one that was ready for longer is stable, and its next start does
/// not wait.
const AT_ONCE: Duration = Duration::from_secs(10);
const STABLE: Duration = Duration::from_secs(60);
/// Waits between starts that fail.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What should run: the Deployment, or nothing once it is deleted.
pub(super) type Desired = watch::Receiver<Option<Arc<Deployment>>>;

/// Supervises the agent of one Deployment until the server stops. While the Deployment does not exist nothing runs.
pub(super) async fn supervise(context: Arc<Context>, namespace: String, name: String, mut desired: Desired) {
    let log = match AgentLog::open(context.dirs.log(&namespace, &name)) {
        Ok(log) => log,
        Err(error) => {
            tracing::error!(%error, agent.namespace = namespace, agent.name = name, "cannot open the agent's log file");
            return;
        }
    };
    let mut supervisor = Supervisor {
        context,
        namespace,
        name,
        log,
        deployment: None,
        current: None,
        next: Next::None,
        starts: 0,
        backoff: new_backoff(),
        problem: None,
        told: None,
        written: None,
    };
    supervisor.run(&mut desired).await;
    supervisor.forget().await;
}

/// The start that is to become the current one.
enum Next {
    None,
    /// The last start failed; the next is at this time.
    Waiting(Instant),
    Running(Box<Instance>),
}

struct Supervisor {
    context: Arc<Context>,
    namespace: String,
    name: String,
    log: AgentLog,
    deployment: Option<Arc<Deployment>>,
    /// The start that answered, and gets the requests.
    current: Option<Box<Instance>>,
    next: Next,
    starts: u64,
    backoff: ExponentialBackoff,
    /// What is wrong, in full.
    problem: Option<String>,
    /// The last problem in the log, so that the same one is logged once.
    told: Option<String>,
    written: Option<DeploymentStatus>,
}

fn new_backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(BACKOFF.0)
        .with_max_delay(BACKOFF.1)
        .with_jitter()
        .without_max_times()
        .build()
}

/// What happened.
enum Event {
    Stop,
    Desired,
    CurrentEnded(std::io::Result<ExitStatus>),
    NextEnded(std::io::Result<ExitStatus>),
    Retry,
    Probe,
}

impl Supervisor {
    async fn run(&mut self, desired: &mut Desired) {
        desired.mark_changed();
        loop {
            match self.next_event(desired).await {
                Event::Stop => return,
                Event::Desired => {
                    let wanted = desired.borrow_and_update().clone();
                    match wanted {
                        Some(deployment) => self.follow(deployment).await,
                        None => self.forget().await,
                    }
                }
                Event::CurrentEnded(status) => {
                    if let Some(ended) = self.current.take() {
                        self.ended(*ended, status).await;
                    }
                }
                Event::NextEnded(status) => {
                    if let Next::Running(ended) = std::mem::replace(&mut self.next, Next::None) {
                        self.ended(*ended, status).await;
                    }
                }
                Event::Retry => self.start().await,
                Event::Probe => self.probe().await,
            }
            self.write_status().await;
        }
    }

    async fn next_event(&mut self, desired: &mut Desired) -> Event {
        let period = if matches!(self.next, Next::Running(_)) || self.current_is_unready() {
            PROBE_STARTING
        } else {
            PROBE_READY
        };
        let retry = match &self.next {
            Next::Waiting(at) => Some(*at),
            _ => None,
        };
        let next = match &mut self.next {
            Next::Running(instance) => Some(instance),
            _ => None,
        };
        tokio::select! {
            () = self.context.tasks.shutdown_token().cancelled() => Event::Stop,
            changed = desired.changed() => if changed.is_ok() { Event::Desired } else { Event::Stop },
            status = ended(self.current.as_mut()) => Event::CurrentEnded(status),
            status = ended(next) => Event::NextEnded(status),
            () = until(retry) => Event::Retry,
            () = tokio::time::sleep(period) => Event::Probe,
        }
    }

    fn current_is_unready(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.ready_since.is_none())
    }

    /// Takes on a new version of the Deployment.
    async fn follow(&mut self, deployment: Arc<Deployment>) {
        let before = self.deployment.as_deref().map(|deployment| &deployment.spec.template);
        let changed = before != Some(&deployment.spec.template);
        let wanted = wanted_replicas(&deployment);
        let was_wanted = self.deployment.as_deref().map(wanted_replicas);
        if wanted > 1 && was_wanted != Some(wanted) {
            tracing::info!(
                agent.namespace = self.namespace,
                agent.name = self.name,
                replicas = wanted,
                "one process stands for all replicas in standalone mode"
            );
        }
        self.deployment = Some(deployment);
        if wanted == 0 {
            self.stop_all().await;
            self.problem = None;
        } else if changed || was_wanted == Some(0) {
            // What was starting is of an older version; what is current serves until the new one answers.
            if let Next::Running(outdated) = std::mem::replace(&mut self.next, Next::None) {
                self.stop_in_background(*outdated);
            }
            self.backoff = new_backoff();
            self.start().await;
        }
    }

    /// The Deployment was deleted.
    async fn forget(&mut self) {
        self.stop_all().await;
        for host in self.host_names() {
            self.context.hosts.remove(&host, AGENT_PORT);
        }
        remove_dir(&self.context.dirs.run().join(&self.namespace).join(&self.name)).await;
        self.deployment = None;
        self.written = None;
        self.backoff = new_backoff();
        self.recovered();
    }

    async fn start(&mut self) {
        let Some(deployment) = self.deployment.clone() else {
            return;
        };
        self.starts += 1;
        let run = self.context.dirs.run();
        let dir = run.join(&self.namespace).join(&self.name).join(self.starts.to_string());
        match Instance::start(&self.context, &self.namespace, &deployment, dir.clone(), &self.log).await {
            Ok(instance) => {
                if self.told.is_none() {
                    // Restarts after a problem that is in the log already would only bury it.
                    tracing::info!(
                        agent.namespace = self.namespace,
                        agent.name = self.name,
                        port = instance.port.port(),
                        "agent started"
                    );
                }
                if self.current.is_none() {
                    // Until it answers, callers are refused at once instead of looking the name up elsewhere.
                    self.route_to(&instance);
                }
                self.next = Next::Running(Box::new(instance));
            }
            Err(error) => {
                remove_dir(&dir).await;
                self.tell(&error.to_string(), &error.chain());
                self.wait();
            }
        }
    }

    fn wait(&mut self) {
        let delay = self.backoff.next().unwrap_or(BACKOFF.1);
        self.next = Next::Waiting(Instant::now() + delay);
    }

    /// A process ended by itself.
    async fn ended(&mut self, instance: Instance, status: std::io::Result<ExitStatus>) {
        let how = match status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let lived = instance.began.elapsed();
        if instance.ready_since.is_some_and(|since| since.elapsed() >= STABLE) {
            self.backoff = new_backoff();
        }
        let what = if instance.ready_since.is_none() && lived < AT_ONCE {
            "the agent exits at once"
        } else {
            "the agent ended"
        };
        // The rest of its output may still be on its way through the pipe.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let last = self
            .log
            .last_line()
            .map_or_else(String::new, |line| format!(", its last line: {line:?}"));
        let problem = format!("{what} ({how}){last}, log file: {}", self.log.path().display());
        self.tell(&problem, &problem);
        instance.clean_up().await;
        // A newer version that is starting already takes over; otherwise the same one is started again.
        if matches!(self.next, Next::None) {
            self.wait();
        }
    }

    fn recovered(&mut self) {
        self.problem = None;
        self.told = None;
    }

    fn host_names(&self) -> [String; 2] {
        let short = format!("{}.{}", self.name, self.namespace);
        let long = format!("{short}.svc.cluster.local");
        [short, long]
    }

    fn route_to(&self, instance: &Instance) {
        for host in self.host_names() {
            self.context.hosts.insert(&host, AGENT_PORT, instance.port.address());
        }
    }

    /// Notes a problem, and logs it once.
    fn tell(&mut self, problem: &str, chain: &str) {
        if self.told.as_deref() != Some(problem) {
            tracing::warn!(agent.namespace = self.namespace, agent.name = self.name, "{chain}");
            self.told = Some(problem.to_owned());
        }
        self.problem = Some(problem.to_owned());
    }

    fn stop_in_background(&self, instance: Instance) {
        self.context.tasks.spawn("agent.stop", instance.stop());
    }

    async fn stop_all(&mut self) {
        let next = match std::mem::replace(&mut self.next, Next::None) {
            Next::Running(next) => Some(next),
            Next::None | Next::Waiting(_) => None,
        };
        let running = self.current.take().into_iter().chain(next);
        futures::future::join_all(running.map(|instance| instance.stop())).await;
    }
}

/// The end of a process, or never where there is none.
async fn ended(instance: Option<&mut Box<Instance>>) -> std::io::Result<ExitStatus> {
    match instance {
        Some(instance) => instance.container.wait().await,
        None => std::future::pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
