//! The part of an election that does not depend on where the lease is: when to try, how long a try counts, and when to
//! stop. It never compares clocks: everything is time that passed in this process, counted from before a try was sent.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Leadership, WritePermit,
    times::{ElectionTimes, jittered},
};
use crate::{
    error::{Error, Result},
    tasks::Tasks,
};

/// Writes that are under way when leadership ends get this long to end, before it is given up.
const WRITES_END: Duration = Duration::from_secs(1);
/// Longest time for giving up the lease.
const RELEASE_LIMIT: Duration = Duration::from_secs(3);

/// What a try came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Tried {
    /// The lease is this replica's, as of some moment after the try began.
    Held,
    /// It is somebody else's.
    HeldBy(String),
    /// Somebody else wrote at the same time.
    Contended,
}

/// A lease somewhere.
#[async_trait]
pub(super) trait Lock: Send + 'static {
    /// Where the lease is, for the log.
    fn describe(&self) -> String;

    /// Takes the lease if it is free or has run out, renews it if it is held. May be dropped at any await.
    async fn try_hold(&mut self) -> Result<Tried>;

    /// Gives the lease up if it is held, so that the others need not wait until it runs out.
    async fn release(&mut self) -> Result<()>;

    /// Ends early when there may be something to win. The default never does.
    async fn wait_for_chance(&mut self) {
        std::future::pending().await
    }
}

/// One replica's part in an election. The lease is asked for from the first [`Candidate::follow`] on.
pub(super) struct Candidate<L> {
    waiting: Mutex<Option<Election<L>>>,
    shared: Arc<Shared>,
    tasks: Tasks,
}

impl<L: Lock> Candidate<L> {
    /// A candidate that gives up for good when `resign` is cancelled, or when `tasks` end.
    pub(super) fn new(lock: L, times: ElectionTimes, resign: CancellationToken, tasks: Tasks) -> Result<Self> {
        times.check()?;
        let shared = Arc::new(Shared::default());
        let election = Election {
            lock,
            times,
            shared: Arc::clone(&shared),
            resign,
            shutdown: tasks.shutdown_token().clone(),
            last_seen: None,
        };
        Ok(Self {
            waiting: Mutex::new(Some(election)),
            shared,
            tasks,
        })
    }

    pub(super) fn follow(&self) -> watch::Receiver<Leadership> {
        if let Some(election) = self.waiting.lock().take() {
            self.tasks.spawn_critical("leader election", election.run());
        }
        self.shared.state.subscribe()
    }

    pub(super) fn begin_write(&self) -> Option<WritePermit> {
        self.shared.begin_write()
    }
}

/// What writers see.
#[derive(Default)]
struct Shared {
    state: watch::Sender<Leadership>,
    term: Mutex<Option<Term>>,
}

/// A time of leading.
struct Term {
    /// Nobody else leads before this.
    valid_until: Instant,
    writes: TaskTracker,
}

impl Shared {
    fn begin_write(&self) -> Option<WritePermit> {
        let term = self.term.lock();
        // The clock decides, not the state: a process that was stopped has not been told yet.
        let term = term.as_ref().filter(|term| Instant::now() < term.valid_until)?;
        Some(WritePermit::counted(term.writes.token()))
    }

    fn begin_term(&self, valid_until: Instant) {
        *self.term.lock() = Some(Term {
            valid_until,
            writes: TaskTracker::new(),
        });
        self.state.send_replace(Leadership::Leader);
    }

    fn extend_term(&self, valid_until: Instant) {
        if let Some(term) = self.term.lock().as_mut() {
            term.valid_until = valid_until;
        }
    }

    /// No write begins from now on; returns those that are under way.
    fn end_term(&self) -> Option<TaskTracker> {
        let term = self.term.lock().take()?;
        self.state.send_replace(Leadership::Follower);
        term.writes.close();
        Some(term.writes)
    }
}

/// What was logged last, so that it is not logged at every try.
#[derive(PartialEq)]
enum Seen {
    Holder(String),
    Failure(String),
}

/// Why leading ended.
enum End {
    Resigned,
    Lost,
}

/// The task of a candidate.
struct Election<L> {
    lock: L,
    times: ElectionTimes,
    shared: Arc<Shared>,
    resign: CancellationToken,
    shutdown: CancellationToken,
    last_seen: Option<Seen>,
}

impl<L: Lock> Election<L> {
    async fn run(mut self) {
        let stop = CancellationToken::new();
        let (resign, shutdown) = (self.resign.clone(), self.shutdown.clone());
        let both = async {
            tokio::select! {
                () = resign.cancelled() => {}
                () = shutdown.cancelled() => {}
            }
            stop.cancel();
        };
        tokio::join!(both, async {
            self.contend(&stop).await;
            self.step_down().await;
        });
        // A resigned replica stays a follower; ending early would look like a fault.
        shutdown.cancelled().await;
    }

    /// Ends when asked to stop.
    async fn contend(&mut self, stop: &CancellationToken) {
        loop {
            let began = Instant::now();
            let tried = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                tried = timeout(self.times.renew_deadline, self.lock.try_hold()) => tried,
            };
            match tried.unwrap_or_else(|_| Err(Error::unavailable("no answer in time"))) {
                Ok(Tried::Held) if began.elapsed() < self.times.renew_deadline => match self.lead(began, stop).await {
                    End::Resigned => return,
                    End::Lost => {}
                },
                Ok(Tried::HeldBy(holder)) => self.see_holder(holder),
                Ok(Tried::Held | Tried::Contended) => {}
                Err(error) => self.see_failure(&error),
            }
            let pause = jittered(self.times.retry_period);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
                () = self.lock.wait_for_chance() => {}
            }
        }
    }

    /// Leads from a try that began at `began` on, and renews for as long as that works.
    async fn lead(&mut self, began: Instant, stop: &CancellationToken) -> End {
        let lock = self.lock.describe();
        tracing::info!(lock, "this replica leads");
        self.last_seen = None;
        let mut renewed = began;
        self.shared.begin_term(renewed + self.times.renew_deadline);
        let mut next = renewed + self.times.retry_period;
        loop {
            let valid_until = renewed + self.times.renew_deadline;
            let began = tokio::select! {
                biased;
                () = stop.cancelled() => return End::Resigned,
                () = sleep_until(valid_until) => return self.lose(None),
                () = sleep_until(next) => Instant::now(),
            };
            let tried = tokio::select! {
                biased;
                () = stop.cancelled() => return End::Resigned,
                () = sleep_until(valid_until) => return self.lose(None),
                tried = self.lock.try_hold() => tried,
            };
            match tried {
                Ok(Tried::Held) => {
                    renewed = began;
                    self.last_seen = None;
                    self.shared.extend_term(renewed + self.times.renew_deadline);
                }
                Ok(Tried::HeldBy(holder)) => return self.lose(Some(holder)),
                Ok(Tried::Contended) => {}
                Err(error) => self.see_failure(&error),
            }
            next = began + self.times.retry_period;
        }
    }

    fn lose(&mut self, holder: Option<String>) -> End {
        // Writes that are under way cannot be called back; they have what is left of the lease to end.
        self.shared.end_term();
        let lock = self.lock.describe();
        match holder {
            Some(holder) => tracing::warn!(lock, holder, "leadership lost: another replica has the lease"),
            None => tracing::warn!(lock, "leadership lost: the lease could not be renewed in time"),
        }
        End::Lost
    }

    /// Stops leading, waits for writes that are under way, and only then gives the lease up.
    async fn step_down(&mut self) {
        if let Some(writes) = self.shared.end_term()
            && timeout(WRITES_END, writes.wait()).await.is_err()
        {
            tracing::warn!("writes do not end: the lease is left to run out");
            return;
        }
        let lock = self.lock.describe();
        match timeout(RELEASE_LIMIT, self.lock.release()).await {
            Ok(Ok(())) => tracing::info!(lock, "left the leader election"),
            Ok(Err(error)) => tracing::warn!(lock, error = %error.chain(), "cannot give up the lease, it will run out"),
            Err(_) => tracing::warn!(lock, "no answer in time while giving up the lease, it will run out"),
        }
    }

    fn see_holder(&mut self, holder: String) {
        let seen = Seen::Holder(holder);
        if self.last_seen.as_ref() != Some(&seen)
            && let Seen::Holder(holder) = &seen
        {
            tracing::info!(lock = self.lock.describe(), holder, "another replica leads");
        }
        self.last_seen = Some(seen);
    }

    fn see_failure(&mut self, error: &Error) {
        let error = error.chain();
        let seen = Seen::Failure(error.clone());
        if self.last_seen.as_ref() != Some(&seen) {
            tracing::warn!(
                lock = self.lock.describe(),
                error,
                "the lease cannot be used, trying again"
            );
        }
        self.last_seen = Some(seen);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const UNIT: Duration = Duration::from_millis(50);
    /// How late a busy machine may be.
    const LATE: Duration = Duration::from_secs(10);

    /// What the lease answers, in turn; the last one again and again.
    #[derive(Clone)]
    enum Answer {
        Held,
        HeldAfter(Duration),
        HeldBy(&'static str),
        Fails,
        Hangs,
    }

    #[derive(Default)]
    struct Log {
        answers: VecDeque<Answer>,
        tries: Vec<Instant>,
        released: Vec<Instant>,
    }

    #[derive(Clone, Default)]
    struct FakeLock(Arc<Mutex<Log>>);

    #[async_trait]
    impl Lock for FakeLock {
        fn describe(&self) -> String {
            "fake".to_owned()
        }

        async fn try_hold(&mut self) -> Result<Tried> {
            let answer = {
                let mut log = self.0.lock();
                log.tries.push(Instant::now());
                if log.answers.len() > 1 {
                    log.answers.pop_front()
                } else {
                    log.answers.front().cloned()
                }
            };
            match answer {
                Some(Answer::Held) => Ok(Tried::Held),
                Some(Answer::HeldAfter(time)) => {
                    sleep(time).await;
                    Ok(Tried::Held)
                }
                Some(Answer::HeldBy(holder)) => Ok(Tried::HeldBy(holder.to_owned())),
                Some(Answer::Fails) => Err(Error::unavailable("away")),
                Some(Answer::Hangs) | None => std::future::pending().await,
            }
        }

        async fn release(&mut self) -> Result<()> {
            self.0.lock().released.push(Instant::now());
            Ok(())
        }
    }

    struct Fixture {
        lock: FakeLock,
        candidate: Candidate<FakeLock>,
        state: watch::Receiver<Leadership>,
        resign: CancellationToken,
        began: Instant,
        _tasks: Tasks,
    }

    fn start(answers: impl IntoIterator<Item = Answer>) -> Fixture {
        let lock = FakeLock::default();
        lock.0.lock().answers.extend(answers);
        let (tasks, _ends) = Tasks::new();
        let resign = CancellationToken::new();
        let mut candidate = Candidate::new(lock.clone(), ElectionTimes::default(), resign.clone(), tasks.clone())
            .expect("the defaults are valid");
        // The defaults, twenty times as fast.
        let times = ElectionTimes {
            lease_duration: 15 * UNIT,
            renew_deadline: 10 * UNIT,
            retry_period: 2 * UNIT,
        };
        candidate.waiting.get_mut().as_mut().expect("not joined yet").times = times;
        Fixture {
            state: candidate.follow(),
            lock,
            candidate,
            resign,
            began: Instant::now(),
            _tasks: tasks,
        }
    }

    impl Fixture {
        /// When the state becomes this.
        async fn when(&mut self, wanted: Leadership) -> Duration {
            timeout(LATE, self.state.wait_for(|state| *state == wanted))
                .await
                .unwrap_or_else(|_| panic!("never {wanted:?}"))
                .expect("followed");
            self.began.elapsed()
        }
    }

    #[tokio::test]
    async fn a_renewal_that_hangs_ends_leading_at_the_deadline() {
        let mut fixture = start([Answer::Held, Answer::Hangs]);
        fixture.when(Leadership::Leader).await;
        assert!(fixture.candidate.begin_write().is_some());
        let lost = fixture.when(Leadership::Follower).await;
        assert!(lost >= 10 * UNIT, "{lost:?}");
        assert!(fixture.candidate.begin_write().is_none());
    }

    #[tokio::test]
    async fn renewals_that_fail_are_tried_again_until_the_deadline() {
        let mut fixture = start([Answer::Held, Answer::Fails]);
        fixture.when(Leadership::Leader).await;
        let lost = fixture.when(Leadership::Follower).await;
        assert!(lost >= 10 * UNIT, "{lost:?}");
        let tries = fixture.lock.0.lock().tries.clone();
        assert!(tries.len() > 1 && tries.len() <= 5, "{}", tries.len());
        assert!(tries.windows(2).all(|pair| pair[1] - pair[0] >= 2 * UNIT), "{tries:?}");
    }

    #[tokio::test]
    async fn a_try_counts_from_when_it_was_sent() {
        let mut fixture = start([Answer::HeldAfter(4 * UNIT), Answer::Hangs]);
        let led = fixture.when(Leadership::Leader).await;
        assert!(led >= 4 * UNIT, "{led:?}");
        let lost = fixture.when(Leadership::Follower).await;
        assert!(lost >= 10 * UNIT, "{lost:?}");
    }

    #[tokio::test]
    async fn an_answer_that_comes_after_the_deadline_is_none() {
        let mut fixture = start([Answer::HeldAfter(11 * UNIT), Answer::HeldBy("other")]);
        sleep(20 * UNIT).await;
        assert!(
            !fixture.state.has_changed().expect("followed"),
            "led by an answer that was too late"
        );
        assert_eq!(*fixture.state.borrow_and_update(), Leadership::Follower);
    }

    #[tokio::test]
    async fn no_write_begins_after_the_deadline_even_if_nobody_was_told() {
        let shared = Shared::default();
        assert!(shared.begin_write().is_none());
        shared.begin_term(Instant::now() + UNIT);
        assert!(shared.begin_write().is_some());
        // As after SIGCONT: time has passed, and the task has not run.
        std::thread::sleep(UNIT);
        assert_eq!(*shared.state.borrow(), Leadership::Leader);
        assert!(shared.begin_write().is_none());
    }

    #[tokio::test]
    async fn a_lease_that_is_somebody_elses_ends_leading_at_once_and_the_replica_asks_on() {
        let mut fixture = start([
            Answer::Held,
            Answer::HeldBy("other"),
            Answer::HeldBy("other"),
            Answer::Held,
        ]);
        fixture.when(Leadership::Leader).await;
        let lost = fixture.when(Leadership::Follower).await;
        let again = fixture.when(Leadership::Leader).await;
        assert!(again >= lost + 3 * UNIT, "lost {lost:?}, again {again:?}");
        assert_eq!(fixture.lock.0.lock().released, [], "what is lost cannot be given up");
    }

    #[tokio::test]
    async fn the_lease_is_given_up_when_no_write_is_under_way_any_more() {
        let mut fixture = start([Answer::Held]);
        fixture.when(Leadership::Leader).await;
        let permit = fixture.candidate.begin_write().expect("leads");
        fixture.resign.cancel();
        let resigned = fixture.when(Leadership::Follower).await;
        assert!(fixture.candidate.begin_write().is_none());
        sleep(UNIT).await;
        assert_eq!(fixture.lock.0.lock().released, []);
        drop(permit);
        let began = Instant::now();
        while fixture.lock.0.lock().released.is_empty() {
            assert!(began.elapsed() < LATE, "the lease is not given up");
            sleep(UNIT / 10).await;
        }
        assert!(fixture.lock.0.lock().released[0] >= fixture.began + resigned + UNIT);
        sleep(10 * UNIT).await;
        assert_eq!(*fixture.state.borrow(), Leadership::Follower, "it joined again");
    }

    #[tokio::test]
    async fn a_lease_is_not_given_up_over_a_write_that_does_not_end() {
        let mut fixture = start([Answer::Held]);
        fixture.when(Leadership::Leader).await;
        let _permit = fixture.candidate.begin_write().expect("leads");
        fixture.resign.cancel();
        sleep(WRITES_END + 10 * UNIT).await;
        assert_eq!(fixture.lock.0.lock().released, []);
    }
}
