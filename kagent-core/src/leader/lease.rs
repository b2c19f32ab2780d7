//! Leader election by a `coordination.k8s.io` Lease, as client-go does it, so that a Go controller on the same Lease is
//! kept out and keeps us out. It never looks at the times in the Lease: what counts is how long it has not changed here.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    ElectionTimes, LeaderElector, Leadership, WritePermit,
    candidate::{Candidate, Lock, Tried},
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    tasks::Tasks,
};

/// The Lease of every kagent controller, whoever wrote it.
pub const LEASE_NAME: &str = "0e9f6799.kagent.dev";

/// What client-go writes into a Lease that it gives up: the next candidate need not wait.
const RELEASED_SECONDS: i32 = 1;

/// Which Lease, and who we are.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// Namespace of the Lease: the one that the server is installed in.
    pub namespace: String,
    /// Name of the Lease; [`LEASE_NAME`] unless there is a reason.
    pub name: String,
    /// Who we are; unique for every process that ever lives.
    pub identity: String,
    /// The durations.
    pub times: ElectionTimes,
}

/// Leads while it holds the Lease.
pub struct LeaseElector {
    candidate: Candidate<LeaseLock>,
}

impl LeaseElector {
    /// A candidate that asks from the first `follow` on, until `resign` is cancelled or `tasks` end; then it gives the
    /// Lease up.
    ///
    /// # Errors
    /// `Invalid` for durations that do not fit together.
    pub fn new(
        client: Client,
        config: LeaseConfig,
        clock: Arc<dyn Clock>,
        resign: CancellationToken,
        tasks: &Tasks,
    ) -> Result<Self> {
        let times = config.times;
        let lock = LeaseLock::new(client, config, clock)?;
        Ok(Self {
            candidate: Candidate::new(lock, times, resign, tasks.clone())?,
        })
    }
}

#[async_trait]
impl LeaderElector for LeaseElector {
    async fn follow(&self) -> Result<watch::Receiver<Leadership>> {
        Ok(self.candidate.follow())
    }

    fn begin_write(&self) -> Option<WritePermit> {
        self.candidate.begin_write()
    }
}

struct LeaseLock {
    api: Api<Lease>,
    config: LeaseConfig,
    lease_seconds: i32,
    clock: Arc<dyn Clock>,
    observed: Option<Observed>,
    watch: Option<BoxStream<'static, watcher::Result<Option<Lease>>>>,
}

/// The Lease as it was seen last.
struct Observed {
    lease: Lease,
    /// When it was first seen to say this.
    since: Instant,
}

impl Observed {
    fn holder(&self) -> &str {
        let spec = self.lease.spec.as_ref();
        spec.and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default()
    }

    /// Until when nobody else may take it: for as long as its holder wrote into it, since it was seen to change.
    fn held_until(&self) -> Instant {
        if self.holder().is_empty() {
            return self.since;
        }
        let spec = self.lease.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        self.since + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    fn is_held(&self) -> bool {
        Instant::now() < self.held_until()
    }
}

impl LeaseLock {
    fn new(client: Client, config: LeaseConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        if config.identity.is_empty() {
            return Err(Error::invalid("a candidate needs an identity"));
        }
        let seconds = i32::try_from(config.times.lease_duration.as_secs());
        Ok(Self {
            api: Api::namespaced(client, &config.namespace),
            lease_seconds: seconds
                .map_err(|error| Error::invalid("the lease duration is too long").with_source(error))?,
            config,
            clock,
            observed: None,
            watch: None,
        })
    }

    /// The Lease as it is now. What has not changed is as old as before.
    async fn observe(&mut self) -> Result<bool> {
        let lease = self.api.get_opt(&self.config.name).await.map_err(explain)?;
        match lease {
            Some(lease) => self.note(lease),
            None => self.observed = None,
        }
        Ok(self.observed.is_some())
    }

    fn note(&mut self, lease: Lease) {
        let since = match &self.observed {
            Some(observed) if observed.lease.spec == lease.spec => observed.since,
            _ => Instant::now(),
        };
        self.observed = Some(Observed { lease, since });
    }

    /// Writes the Lease over the version that was seen. `false`: somebody else was quicker.
    async fn write(&mut self, spec: LeaseSpec) -> Result<bool> {
        let parameters = PostParams::default();
        let written = match &self.observed {
            Some(observed) => {
                let mut lease = observed.lease.clone();
                lease.spec = Some(spec);
                self.api.replace(&self.config.name, &parameters, &lease).await
            }
            None => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.config.name.clone()),
                        namespace: Some(self.config.namespace.clone()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(spec),
                };
                self.api.create(&parameters, &lease).await
            }
        };
        match written {
            Ok(lease) => {
                let since = Instant::now();
                self.observed = Some(Observed { lease, since });
                // A holder has no use for it, and a watch that nobody reads is a burden for all.
                self.watch = None;
                Ok(true)
            }
            // Written or made by somebody else since we looked.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            // Deleted since we looked. For a Lease that is made it would be the namespace that is missing.
            Err(kube::Error::Api(status)) if status.code == 404 && self.observed.is_some() => Ok(false),
            Err(error) => Err(explain(error)),
        }
    }

    /// What we write to take or to keep the Lease.
    fn claim(&self) -> LeaseSpec {
        let now = MicroTime(self.clock.now());
        let (acquired, transitions) = match &self.observed {
            None => (None, 0),
            Some(observed) => {
                let spec = observed.lease.spec.clone().unwrap_or_default();
                let transitions = spec.lease_transitions.unwrap_or_default();
                if observed.holder() == self.config.identity {
                    (spec.acquire_time, transitions)
                } else {
                    (None, transitions.saturating_add(1))
                }
            }
        };
        LeaseSpec {
            holder_identity: Some(self.config.identity.clone()),
            lease_duration_seconds: Some(self.lease_seconds),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    fn is_ours(&self) -> bool {
        let holder = self.observed.as_ref().map(Observed::holder);
        holder == Some(&self.config.identity)
    }
}

#[async_trait]
impl Lock for LeaseLock {
    fn describe(&self) -> String {
        format!("Lease {}/{}", self.config.namespace, self.config.name)
    }

    async fn try_hold(&mut self) -> Result<Tried> {
        // Who holds it knows its version, and saves a look.
        if self.is_ours() && self.observed.as_ref().is_some_and(Observed::is_held) && self.write(self.claim()).await? {
            return Ok(Tried::Held);
        }
        self.observe().await?;
        if let Some(observed) = &self.observed
            && observed.is_held()
            && !self.is_ours()
        {
            return Ok(Tried::HeldBy(observed.holder().to_owned()));
        }
        if self.write(self.claim()).await? {
            Ok(Tried::Held)
        } else {
            Ok(Tried::Contended)
        }
    }

    async fn release(&mut self) -> Result<()> {
        // A try that was given up may have been written after all, so the Lease itself decides whether it is ours.
        for _ in 0..3 {
            if !self.observe().await? || !self.is_ours() {
                return Ok(());
            }
            let now = MicroTime(self.clock.now());
            let spec = LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(RELEASED_SECONDS),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                ..self.claim()
            };
            if self.write(spec).await? {
                return Ok(());
            }
        }
        Err(Error::conflict("the Lease is written by others all the time"))
    }

    /// A leader that leaves is noticed at once, and the end of a lease when it comes, not at the next try. Without the
    /// right to watch, the next try it is.
    async fn wait_for_chance(&mut self) {
        loop {
            let end = self.observed.as_ref().map(Observed::held_until);
            let end = end.filter(|end| Instant::now() < *end);
            let watch = self.watch.get_or_insert_with(|| {
                watcher::watch_object(self.api.clone(), &self.config.name)
                    .default_backoff()
                    .boxed()
            });
            let event = tokio::select! {
                () = wait_until(end) => return,
                event = watch.next() => event,
            };
            match event {
                Some(Ok(Some(lease))) => {
                    self.note(lease);
                    if self
                        .observed
                        .as_ref()
                        .is_some_and(|observed| observed.holder().is_empty())
                    {
                        return;
                    }
                }
                // Deleted, or not there yet: the next try makes it.
                Some(Ok(None)) => {}
                Some(Err(error)) => {
                    tracing::debug!(error = %crate::error::chain(&error), "the Lease is not watched, trying again");
                }
                None => self.watch = None,
            }
        }
    }
}

async fn wait_until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// The API server's own message is kept: it names what is not permitted.
fn explain(error: kube::Error) -> Error {
    let kube::Error::Api(status) = &error else {
        return Error::unavailable("the API server cannot be reached").with_source(error);
    };
    let error_of = match status.code {
        401 | 403 => Error::forbidden,
        404 => Error::not_found,
        409 => Error::conflict,
        _ => Error::unavailable,
    };
    error_of(status.message.clone()).with_source(error)
}
