//! The control plane under the tests behaves as one: its parts start, act on objects, and are gone with the process.

#[path = "plane/agents.rs"]
mod agents;
#[path = "plane/control_plane.rs"]
mod control_plane;
#[path = "plane/permissions.rs"]
mod permissions;
#[path = "plane/pods.rs"]
mod pods;
#[path = "plane/takeover.rs"]
mod takeover;
#[path = "plane/world.rs"]
mod world;
