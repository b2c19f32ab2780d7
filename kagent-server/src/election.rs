//! Which election this replica takes part in, and the metric that shows its outcome.

use std::sync::Arc;

use kagent_core::{
    clock::{Clock, new_id},
    cluster::Cluster,
    error::Result,
    leader::{
        LeaderElector, Leadership,
        always::AlwaysLeader,
        database::{DatabaseElector, DatabaseLeaseConfig},
        lease::{LEASE_NAME, LeaseConfig, LeaseElector},
    },
    runtime::metrics::Metrics,
    store::Store,
    tasks::Tasks,
};
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::sync::CancellationToken;

use crate::args::{Args, ElectionLock};

/// Decides whether this replica may write. It leaves the election as soon as it is asked to stop, not when its last
/// request has ended.
pub(crate) fn build_elector(
    args: &Args,
    cluster: &Cluster,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
    tasks: &Tasks,
) -> Result<Arc<dyn LeaderElector>> {
    let Some(election) = &args.election else {
        return Ok(Arc::new(AlwaysLeader::new()));
    };
    let host = rustix::system::uname();
    let identity = format!("{}_{}", host.nodename().to_string_lossy(), new_id());
    tracing::info!(identity, lock = ?election.lock, "takes part in the leader election");
    Ok(match election.lock {
        ElectionLock::Leases => {
            let config = LeaseConfig {
                namespace: args.kagent_namespace.clone(),
                name: LEASE_NAME.to_owned(),
                identity,
                times: election.times,
            };
            let client = cluster.client.clone();
            Arc::new(LeaseElector::new(client, config, clock.clone(), stop.clone(), tasks)?)
        }
        ElectionLock::Postgres => {
            let config = DatabaseLeaseConfig {
                name: LEASE_NAME.to_owned(),
                identity,
                times: election.times,
            };
            Arc::new(DatabaseElector::new(store.clone(), config, stop.clone(), tasks)?)
        }
    })
}

/// Keeps the metric at what the writers know.
pub(crate) fn show_leadership(leading: Gauge, cluster: &Cluster, leader: Arc<dyn LeaderElector>, tasks: &Tasks) {
    let sync = cluster.sync().clone();
    let shutdown = tasks.shutdown_token().clone();
    tasks.spawn("leadership metric", async move {
        let show = async {
            // As the controllers: who cannot see the cluster yet does not join.
            sync.wait().await;
            let Ok(mut state) = leader.follow().await else {
                return;
            };
            loop {
                leading.set(i64::from(*state.borrow_and_update() == Leadership::Leader));
                if state.changed().await.is_err() {
                    return;
                }
            }
        };
        shutdown.run_until_cancelled(show).await;
    });
}

/// Adds the metric to those of the process.
pub(crate) fn register_leading(metrics: &mut Metrics) -> Gauge {
    let leading = Gauge::default();
    let help = "1 while this replica leads, else 0";
    metrics.registry().register("kagent_leader", help, leading.clone());
    leading
}
