//! The three durations of an election, and how they must relate to each other.

use std::time::Duration;

use backon::{BackoffBuilder, ConstantBuilder};

use crate::error::{Error, Result};

/// How much longer than the retry period a candidate may wait, as a part of it: replicas that started together do not
/// stay in step.
const JITTER: f64 = 0.2;

/// client-go's factor between renew deadline and retry period; a Go controller refuses to start below it.
const MIN_RETRIES: f64 = 1.2;

/// The durations of an election. The defaults are those of client-go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ElectionTimes {
    /// How long the others wait after the leader's last sign of life. Whole seconds, because a Lease counts in them.
    /// Default 15 s.
    pub lease_duration: Duration,
    /// How long after its last sign of life a leader still leads. Shorter than the lease: what is between the two is the
    /// time in which nobody leads. Default 10 s.
    pub renew_deadline: Duration,
    /// How often the leader renews and the others ask. Default 2 s.
    pub retry_period: Duration,
}

impl Default for ElectionTimes {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

impl ElectionTimes {
    /// Checks what client-go checks, and that the lease is whole seconds.
    ///
    /// # Errors
    /// `Invalid`, with the rule that is broken.
    pub fn check(&self) -> Result<()> {
        let refuse = |rule: &str| Err(Error::invalid(rule.to_owned()));
        if self.retry_period.is_zero() {
            return refuse("the retry period must be longer than 0");
        }
        if self.renew_deadline <= self.retry_period.mul_f64(MIN_RETRIES) {
            return refuse("the renew deadline must be longer than 1.2 times the retry period");
        }
        if self.lease_duration <= self.renew_deadline {
            return refuse("the lease duration must be longer than the renew deadline");
        }
        if self.lease_duration.subsec_nanos() != 0 || i32::try_from(self.lease_duration.as_secs()).is_err() {
            return refuse("the lease duration must be whole seconds");
        }
        Ok(())
    }
}

/// The period, or up to a fifth longer.
pub(super) fn jittered(period: Duration) -> Duration {
    let part = period.mul_f64(JITTER);
    // The builder's jitter adds up to the whole delay.
    let jitter = ConstantBuilder::default().with_delay(part).with_jitter().build().next();
    period - part + jitter.unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(lease: u64, renew: u64, retry: u64) -> ElectionTimes {
        ElectionTimes {
            lease_duration: Duration::from_millis(lease),
            renew_deadline: Duration::from_millis(renew),
            retry_period: Duration::from_millis(retry),
        }
    }

    #[test]
    fn pauses_differ_and_are_at_most_a_fifth_longer() {
        let pauses: Vec<_> = (0..20).map(|_| jittered(Duration::from_secs(10))).collect();
        for pause in &pauses {
            assert!((10.0..=12.0).contains(&pause.as_secs_f64()), "{pause:?}");
        }
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }

    #[test]
    fn durations_are_held_to_the_rules_of_client_go() {
        ElectionTimes::default().check().expect("the defaults hold");
        times(2000, 1000, 800).check().expect("these hold");
        for (broken, rule) in [
            (times(10_000, 10_000, 2000), "lease duration must be longer"),
            (times(15_000, 2400, 2000), "1.2 times the retry period"),
            (times(15_000, 10_000, 0), "longer than 0"),
            (times(1500, 1000, 500), "whole seconds"),
        ] {
            let error = broken.check().expect_err("was accepted");
            assert!(error.message().contains(rule), "{broken:?}: {}", error.message());
        }
    }
}
