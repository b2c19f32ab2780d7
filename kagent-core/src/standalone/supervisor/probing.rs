//! Asks an agent whether it answers, and gives it the requests when it does.

use tokio::time::Instant;

use super::{MISSED_PROBES, Next, Supervisor};

impl Supervisor {
    /// Asks the start that gets the requests and the one that is to get them.
    pub(super) async fn probe(&mut self) {
        if let Next::Running(next) = &mut self.next {
            let ready = self
                .context
                .prober
                .is_ready(next.port.address(), next.container.probe_path())
                .await;
            if ready {
                self.promote();
            } else if next.began.elapsed() >= self.context.start_timeout {
                let problem = format!(
                    "the agent does not answer on 127.0.0.1:{}{}: it must listen on the port in the variable PORT, log \
                     file: {}",
                    next.port.port(),
                    next.container.probe_path().unwrap_or_default(),
                    self.log.path().display()
                );
                self.tell(&problem, &problem);
            }
        }
        let mut lost = false;
        if let Some(current) = &mut self.current {
            let ready = self
                .context
                .prober
                .is_ready(current.port.address(), current.container.probe_path())
                .await;
            if ready {
                current.missed = 0;
                current.ready_since.get_or_insert_with(Instant::now);
            } else {
                current.missed += 1;
                lost = current.missed == MISSED_PROBES;
                if lost {
                    current.ready_since = None;
                }
            }
        }
        if lost {
            let problem = format!(
                "the agent does not answer any more, log file: {}",
                self.log.path().display()
            );
            self.tell(&problem, &problem);
        } else if !self.current_is_unready() && matches!(self.next, Next::None) {
            self.recovered();
        }
    }

    /// The start that answers gets the requests from now on; the one before is stopped.
    fn promote(&mut self) {
        let Next::Running(mut instance) = std::mem::replace(&mut self.next, Next::None) else {
            return;
        };
        instance.ready_since = Some(Instant::now());
        self.route_to(&instance);
        tracing::info!(
            agent.namespace = self.namespace,
            agent.name = self.name,
            port = instance.port.port(),
            duration_ms = u64::try_from(instance.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "agent is ready"
        );
        if let Some(old) = self.current.replace(instance) {
            self.stop_in_background(*old);
        }
        self.recovered();
    }
}
