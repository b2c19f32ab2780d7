//! The status of a Deployment whose pod is a local process, in the words of the Deployment controller.

use jiff::Timestamp;
use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

/// What is true of an agent's process now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Observed {
    /// `metadata.generation` that the process was started for.
    pub(super) generation: Option<i64>,
    /// How many are asked for.
    pub(super) wanted: i32,
    /// A process exists.
    pub(super) running: bool,
    /// The process that exists runs the template of today.
    pub(super) updated: bool,
    /// A process answers.
    pub(super) ready: bool,
    /// What is wrong, for people.
    pub(super) problem: Option<String>,
}

/// The status that says so. Times of conditions that did not change are kept from `before`.
///
/// One process stands for all replicas that are asked for.
pub(super) fn build_status(observed: &Observed, before: Option<&DeploymentStatus>, now: Timestamp) -> DeploymentStatus {
    let count = |present: bool| if present { observed.wanted.max(1) } else { 0 };
    let replicas = count(observed.running);
    let ready = count(observed.ready);
    let positive = |number: i32| (number > 0).then_some(number);

    let available = if observed.wanted == 0 || observed.ready {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.".to_owned(),
        )
    } else {
        let problem = observed.problem.clone();
        let message = problem.unwrap_or_else(|| "the agent's process is starting".to_owned());
        ("False", "MinimumReplicasUnavailable", message)
    };
    let progressing = match &observed.problem {
        Some(problem) => ("False", "ProgressDeadlineExceeded", problem.clone()),
        None if observed.wanted == 0 || observed.ready && observed.updated => (
            "True",
            "NewReplicaSetAvailable",
            "the agent's process is up to date".to_owned(),
        ),
        None => (
            "True",
            "ReplicaSetUpdated",
            "the agent's process is starting".to_owned(),
        ),
    };
    DeploymentStatus {
        observed_generation: observed.generation,
        replicas: positive(replicas),
        updated_replicas: positive(count(observed.running && observed.updated)),
        ready_replicas: positive(ready),
        available_replicas: positive(ready),
        unavailable_replicas: positive(observed.wanted - ready),
        conditions: Some(vec![
            build_condition("Available", available, before, now),
            build_condition("Progressing", progressing, before, now),
        ]),
        ..DeploymentStatus::default()
    }
}

fn build_condition(
    type_: &str,
    (status, reason, message): (&str, &str, String),
    before: Option<&DeploymentStatus>,
    now: Timestamp,
) -> DeploymentCondition {
    let mut condition = DeploymentCondition {
        type_: Some(type_.to_owned()),
        status: Some(status.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_transition_time: Some(Time(now)),
        last_update_time: Some(Time(now)),
    };
    let conditions = before.and_then(|status| status.conditions.as_ref());
    if let Some(old) = conditions
        .into_iter()
        .flatten()
        .find(|old| old.type_.as_deref() == Some(type_))
    {
        if old.status == condition.status {
            condition.last_transition_time.clone_from(&old.last_transition_time);
        }
        if old.status == condition.status && old.reason == condition.reason && old.message == condition.message {
            condition.last_update_time.clone_from(&old.last_update_time);
        }
    }
    condition
}

/// How many are asked for: one unless the template says otherwise.
pub(super) fn wanted_replicas(deployment: &Deployment) -> i32 {
    deployment.spec.replicas.unwrap_or(1).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("time")
    }

    fn find<'a>(status: &'a DeploymentStatus, type_: &str) -> &'a DeploymentCondition {
        let mut conditions = status.conditions.iter().flatten();
        conditions
            .find(|condition| condition.type_.as_deref() == Some(type_))
            .expect("condition")
    }

    #[test]
    fn a_ready_process_makes_all_replicas_available() {
        let observed = Observed {
            generation: Some(3),
            wanted: 2,
            running: true,
            updated: true,
            ready: true,
            problem: None,
        };
        let status = build_status(&observed, None, at(1));
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(status.available_replicas, Some(2));
        assert_eq!(status.unavailable_replicas, None);
        assert_eq!(find(&status, "Available").status.as_deref(), Some("True"));
    }

    #[test]
    fn a_problem_is_told_and_its_time_is_kept() {
        let observed = Observed {
            wanted: 1,
            problem: Some("it exits at once".to_owned()),
            ..Observed::default()
        };
        let first = build_status(&observed, None, at(1));
        let second = build_status(&observed, Some(&first), at(2));
        assert_eq!(first, second);
        let available = find(&second, "Available");
        assert_eq!(available.status.as_deref(), Some("False"));
        assert_eq!(available.message.as_deref(), Some("it exits at once"));
        assert_eq!(second.unavailable_replicas, Some(1));
    }

    #[test]
    fn scaled_to_zero_is_available() {
        let status = build_status(&Observed::default(), None, at(1));
        assert_eq!(status.available_replicas, None);
        assert_eq!(find(&status, "Available").status.as_deref(), Some("True"));
    }
}
