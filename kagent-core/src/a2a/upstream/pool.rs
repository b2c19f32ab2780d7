//! Connections to agents that wait for their next request.

use std::{collections::HashMap, time::Duration};

use http::uri::Authority;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::link::Link;

/// Connections that are kept per agent, and for how long.
const PER_AGENT: usize = 64;
const KEPT: Duration = Duration::from_secs(60);

/// Idle connections by agent.
#[derive(Default)]
pub(super) struct Pool(Mutex<HashMap<Authority, Vec<Idle>>>);

struct Idle {
    link: Box<Link>,
    since: Instant,
}

impl Pool {
    /// The connection that was used last, which the agent has least reason to close.
    pub(super) fn take(&self, agent: &Authority) -> Option<Box<Link>> {
        self.0.lock().get_mut(agent)?.pop().map(|idle| idle.link)
    }

    /// Keeps a connection on which nothing is under way; any other, and one too many, is closed.
    pub(super) fn put(&self, agent: &Authority, link: Box<Link>) {
        if !link.is_free() {
            return;
        }
        let idle = Idle {
            link,
            since: Instant::now(),
        };
        let mut agents = self.0.lock();
        match agents.get_mut(agent) {
            Some(waiting) if waiting.len() >= PER_AGENT => {}
            Some(waiting) => waiting.push(idle),
            None => {
                agents.insert(agent.clone(), vec![idle]);
            }
        }
    }

    /// Closes connections that the agent has closed or nobody has used for long.
    pub(super) fn tidy(&self) {
        let now = Instant::now();
        self.0.lock().retain(|_, waiting| {
            waiting.retain_mut(|idle| now < idle.since + KEPT && idle.link.is_alive());
            !waiting.is_empty()
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().values().map(Vec::len).sum()
    }
}
