//! Reading and changing lists of status conditions, as Kubernetes' own `meta.SetStatusCondition` does. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The condition of that type, if the list has one.
pub fn find_condition<'a>(conditions: &'a [Condition], condition_type: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == condition_type)
}

/// Whether the condition of that type is there and its status is `True`.
pub fn is_condition_true(conditions: &[Condition], condition_type: &str) -> bool {
    find_condition(conditions, condition_type).is_some_and(|condition| condition.status == "True")
}

/// Adds the condition or replaces the one of the same type; says whether anything changed.
///
/// The time of the last transition moves only when the status does, so writing the same state twice changes nothing.
pub fn set_condition(conditions: &mut Vec<Condition>, new: Condition) -> bool {
    let Some(old) = conditions.iter_mut().find(|condition| condition.type_ == new.type_) else {
        conditions.push(new);
        return true;
    };
    let last_transition_time = if old.status == new.status {
        old.last_transition_time.clone()
    } else {
        new.last_transition_time.clone()
    };
    let new = Condition {
        last_transition_time,
        ..new
    };
    let changed = *old != new;
    *old = new;
    changed
}

/// Removes the condition of that type; says whether there was one.
pub fn remove_condition(conditions: &mut Vec<Condition>, condition_type: &str) -> bool {
    let before = conditions.len();
    conditions.retain(|condition| condition.type_ != condition_type);
    conditions.len() != before
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

    use super::*;

    fn mk_condition(status: &str, second: i64) -> Condition {
        Condition {
            last_transition_time: Time(Timestamp::from_second(second).unwrap()),
            message: "message".into(),
            observed_generation: Some(1),
            reason: "Reason".into(),
            status: status.into(),
            type_: "Ready".into(),
        }
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let mut conditions = vec![];
        assert!(set_condition(&mut conditions, mk_condition("True", 1)));
        assert!(!set_condition(&mut conditions, mk_condition("True", 2)));
        assert_eq!(conditions, vec![mk_condition("True", 1)]);
        assert!(set_condition(&mut conditions, mk_condition("False", 3)));
        assert_eq!(conditions, vec![mk_condition("False", 3)]);
    }

    #[test]
    fn another_message_is_a_change_but_no_transition() {
        let mut conditions = vec![mk_condition("True", 1)];
        let other = Condition {
            message: "other".into(),
            ..mk_condition("True", 2)
        };
        assert!(set_condition(&mut conditions, other));
        assert_eq!(conditions[0].message, "other");
        assert_eq!(
            conditions[0].last_transition_time,
            mk_condition("True", 1).last_transition_time
        );
    }

    #[test]
    fn conditions_are_found_and_removed_by_type() {
        let mut conditions = vec![mk_condition("True", 1)];
        assert!(is_condition_true(&conditions, "Ready"));
        assert!(!is_condition_true(&conditions, "Accepted"));
        assert!(!remove_condition(&mut conditions, "Accepted"));
        assert!(remove_condition(&mut conditions, "Ready"));
        assert_eq!(find_condition(&conditions, "Ready"), None);
    }
}
