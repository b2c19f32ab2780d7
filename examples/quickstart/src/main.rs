//! Scout: an A2A agent without model and key. It looks through a folder, shows its steps, and asks back when it must.
//!
//! A small program on the official SDK, meant to be copied: `card.rs` says what it can do, `scout.rs` does it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use a2a_server::{DefaultRequestHandler, InMemoryTaskStore, StaticAgentCard, agent_card, jsonrpc};
use anyhow::Context;

mod card;
mod events;
mod scout;
mod survey;

use scout::Scout;

/// Where kagent's agents listen unless `PORT` says otherwise.
const DEFAULT_PORT: u16 = 8080;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse().with_context(|| format!("PORT is no port: {port:?}"))?,
        Err(_) => DEFAULT_PORT,
    };
    let host = std::env::var("HOST").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let address: SocketAddr = format!("{host}:{port}")
        .parse()
        .with_context(|| format!("HOST is no address: {host:?}"))?;
    let root = PathBuf::from(std::env::var("SCOUT_ROOT").unwrap_or_else(|_| ".".to_owned()));
    let root = root
        .canonicalize()
        .with_context(|| format!("cannot look into SCOUT_ROOT {}", root.display()))?;

    let card = card::build_card(&format!("http://{address}/"));
    let handler = DefaultRequestHandler::new(Scout::new(root), InMemoryTaskStore::new())
        .with_capabilities(card.capabilities.clone());
    let app = jsonrpc::jsonrpc_router(Arc::new(handler))
        .merge(agent_card::agent_card_router(Arc::new(StaticAgentCard::new(card))));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    axum::serve(listener, app)
        .with_graceful_shutdown(terminated())
        .await
        .context("the server ended")
}

/// Waits for SIGTERM, which is how kagent stops an agent.
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without the handler the signal's default action ends the process, which is as good.
        Err(_) => std::future::pending().await,
    }
}
