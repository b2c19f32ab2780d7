//! The kagent control plane as a library: what `kagent-server` is made of, for embedding in other Rust operators.
//!
//! Five seams are object-safe traits with ready implementations: [`store::Store`], [`registry::RouteRegistry`],
//! [`leader::LeaderElector`], [`transport::SpokeTransport`] and [`card::AgentCardTranslator`].
//!
//! | Module | What lives there | Feature |
//! |---|---|---|
//! | [`error`], [`gocompat`], [`ident`], [`clock`], [`tasks`], [`resolve`] | errors, names, time, tracked tasks, host names | – |
//! | [`card`] | agent cards | – |
//! | [`a2a`] | the A2A hop: caller, this server, agent | – |
//! | `translate` | from an Agent to files and Kubernetes objects; pure | `kube` |
//! | `cluster` | caches of the cluster, reads and writes beside them | `kube` |
//! | `controller` | what a leader does for each kind of object | `kube` |
//! | `mcp`, `providers` | asking MCP servers for their tools, model providers for their models | `kube` |
//! | [`store`] | what is kept: agents, sessions, events, tasks, tools | `sqlite`, `postgres` for the engines |
//! | [`registry`] | which agent is where | – |
//! | [`leader`] | who may write to the cluster | – |
//! | [`transport`] | requests to other clusters | – |
//! | [`auth`] | who is asking, and whether they may | – |
//! | `http`, `service`, `web` | the REST API, what it means, and the plumbing around it | `http` |
//! | `runtime` | what binaries need around the library | `runtime` |
//! | `standalone` | manifests of a directory as local processes | `standalone` |

pub use kagent_api as api;

pub use clock::Clock;
pub use error::Error;

pub mod a2a;
pub mod auth;
pub mod card;
pub mod clock;
#[cfg(feature = "kube")]
pub mod cluster;
#[cfg(feature = "kube")]
pub mod controller;
pub mod error;
pub mod gocompat;
#[cfg(feature = "http")]
pub mod http;
pub mod ident;
pub mod leader;
#[cfg(feature = "kube")]
pub mod mcp;
#[cfg(feature = "kube")]
pub mod providers;
pub mod registry;
pub mod resolve;
#[cfg(feature = "runtime")]
pub mod runtime;
#[cfg(feature = "http")]
pub mod service;
#[cfg(feature = "standalone")]
pub mod standalone;
pub mod store;
pub mod tasks;
#[cfg(feature = "kube")]
pub mod translate;
pub mod transport;
#[cfg(feature = "http")]
pub mod web;

/// The README's example is compiled, so that it stays true.
#[cfg(all(doctest, feature = "http", feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
pub struct ReadmeExample;
