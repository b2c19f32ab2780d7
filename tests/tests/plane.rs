//! The control plane under the tests behaves as one: its parts start, act on objects, and are gone with the process.

#[path = "plane/control_plane.rs"]
mod control_plane;
#[path = "plane/pods.rs"]
mod pods;
