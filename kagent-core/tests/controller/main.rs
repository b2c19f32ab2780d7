//! The controllers against an in-memory Kubernetes API, a real SQLite store and real MCP servers.
#![cfg(all(feature = "standalone", feature = "sqlite", feature = "test-util"))]

mod agents;
mod discovery;
mod providers;
mod takeover;
mod world;
