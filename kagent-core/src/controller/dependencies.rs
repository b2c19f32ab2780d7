//! Which objects an owner was made from, so that a change of one leads back to those that need it, and to nobody else.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

use crate::translate::ObjectKey;

/// Namespace and name of an owner.
pub(super) type OwnerName = (String, String);

/// Both directions between owners and what they refer to, existing or not.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    maps: Mutex<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    owners: HashMap<ObjectKey, HashSet<OwnerName>>,
    references: HashMap<OwnerName, HashSet<ObjectKey>>,
}

impl Dependencies {
    /// Notes a reference. Called before the object is read, so that no change is missed.
    pub(super) fn add(&self, owner: &OwnerName, key: &ObjectKey) {
        let mut maps = self.maps.lock();
        maps.owners.entry(key.clone()).or_default().insert(owner.clone());
        maps.references.entry(owner.clone()).or_default().insert(key.clone());
    }

    /// Keeps only these references of an owner.
    pub(super) fn retain(&self, owner: &OwnerName, keys: &HashSet<ObjectKey>) {
        let mut maps = self.maps.lock();
        let old = maps.references.remove(owner).unwrap_or_default();
        for key in old.difference(keys) {
            if let Some(owners) = maps.owners.get_mut(key) {
                owners.remove(owner);
                if owners.is_empty() {
                    maps.owners.remove(key);
                }
            }
        }
        if !keys.is_empty() {
            maps.references.insert(owner.clone(), keys.clone());
        }
    }

    /// Who refers to this object.
    pub(super) fn owners_of(&self, key: &ObjectKey) -> Vec<OwnerName> {
        let maps = self.maps.lock();
        maps.owners.get(key).into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::ObjectKind;

    #[test]
    fn an_owner_is_found_by_what_it_refers_to_and_only_by_that() {
        let dependencies = Dependencies::default();
        let owner = ("ns".to_owned(), "agent".to_owned());
        let old = ObjectKey::new(ObjectKind::Secret, "ns", "old");
        let new = ObjectKey::new(ObjectKind::Secret, "ns", "new");
        dependencies.add(&owner, &old);
        dependencies.add(&owner, &new);
        dependencies.retain(&owner, &HashSet::from([new.clone()]));
        assert!(dependencies.owners_of(&old).is_empty());
        assert_eq!(dependencies.owners_of(&new), std::slice::from_ref(&owner));
        dependencies.retain(&owner, &HashSet::new());
        assert!(dependencies.owners_of(&new).is_empty());
    }
}
