//! Step 3: writes an agent's objects. How is decided in `cluster::apply`.

use kagent_api::v1alpha2::Agent;

use super::super::context::Context;
use crate::{
    cluster::apply::{Applied, apply_agent},
    error::Result,
    translate::AgentOutputs,
};

/// Applies what was built.
///
/// # Errors
/// As [`apply_agent`].
pub(super) async fn apply(context: &Context, agent: &Agent, outputs: &AgentOutputs) -> Result<Applied> {
    Box::pin(apply_agent(&context.cluster.client, agent, outputs))
        .await
        .map_err(|error| error.context("failed to reconcile owned objects"))
}
