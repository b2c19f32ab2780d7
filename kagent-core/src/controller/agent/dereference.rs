//! Step 1: reads what an Agent refers to, and notes every name, so that a change of it leads back here.

use std::collections::HashSet;

use kagent_api::v1alpha2::Agent;

use super::{
    super::{context::Context, dependencies::Dependencies},
    name_of,
};
use crate::{cluster::fetch::fetch_references, error::Result, translate::Fetched};

/// Everything that `agent` refers to.
///
/// # Errors
/// When the API server does not answer. Absent objects are no error here.
pub(super) async fn dereference(context: &Context, dependencies: &Dependencies, agent: &Agent) -> Result<Fetched> {
    let owner = name_of(agent);
    let mut names = HashSet::new();
    let fetched = fetch_references(&context.cluster, agent, &context.options, |key| {
        dependencies.add(&owner, key);
        names.insert(key.clone());
    })
    .await?;
    dependencies.retain(&owner, &names);
    Ok(fetched)
}
