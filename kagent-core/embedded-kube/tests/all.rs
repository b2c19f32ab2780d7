//! The embedded API as a real client sees it. One binary, so that it is linked once.

#[path = "all/apply.rs"]
mod apply;
#[path = "all/client.rs"]
mod client;
#[path = "all/custom.rs"]
mod custom;
#[path = "all/deletion.rs"]
mod deletion;
#[path = "all/kagent.rs"]
mod kagent;
#[path = "all/persistence.rs"]
mod persistence;
#[path = "all/refusals.rs"]
mod refusals;
#[path = "all/serve.rs"]
mod serve;
#[path = "all/support.rs"]
mod support;
#[path = "all/watch.rs"]
mod watch;
