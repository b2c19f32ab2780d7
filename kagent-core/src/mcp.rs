//! Asks MCP servers for their tools: connect, list all pages, leave. Whatever a server does (hang, lie, flood), it costs a
//! bounded time and a bounded amount of memory. Knows endpoints, not Kubernetes objects.

mod client;
mod sse;

use std::{collections::HashSet, time::Duration};

use rmcp::{
    ClientHandler, RoleClient,
    model::{ClientConfig, Implementation, PaginatedRequestParams, ProtocolVersion},
    service::{RunningService, serve_client},
    transport::streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig},
};

use crate::{
    error::{Error, Result, chain},
    translate::{discovery::McpEndpoint, resolved::McpProtocol},
};

/// No conversation takes longer, whatever the object says.
const LONGEST: Duration = Duration::from_secs(120);
/// Tools of one server. Names and descriptions stand in the object's status, which has a limit of its own.
const MAX_TOOLS: usize = 5_000;
/// Bytes of all names and descriptions.
const MAX_TEXT: usize = 512 * 1024;
/// Bytes of one message.
const MAX_MESSAGE: usize = 8 * 1024 * 1024;
/// Time to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A tool as its server lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedTool {
    /// Name on its server.
    pub name: String,
    /// What the server says about it; may be empty.
    pub description: String,
}

/// All tools of a server, in its order; of two with one name the first.
///
/// # Errors
/// `Unavailable` with what went wrong, in words that stay the same while the cause does. `Invalid` when the endpoint
/// itself cannot be used.
pub async fn list_tools(endpoint: &McpEndpoint) -> Result<Vec<ListedTool>> {
    let limit = endpoint.timeout.min(LONGEST);
    match tokio::time::timeout(limit, connect_and_list(endpoint)).await {
        Ok(outcome) => outcome,
        Err(late) => Err(Error::unavailable(format!("the server did not answer within {limit:?}")).with_source(late)),
    }
}

/// Whether an error of [`list_tools`] means that the server hung.
pub fn is_timeout(error: &Error) -> bool {
    use std::error::Error as _;
    error
        .source()
        .is_some_and(|source| source.is::<tokio::time::error::Elapsed>())
}

async fn connect_and_list(endpoint: &McpEndpoint) -> Result<Vec<ListedTool>> {
    let client = client::build(endpoint)?;
    let running = match endpoint.protocol {
        McpProtocol::Sse => {
            let transport = sse::SseTransport::connect(client, &endpoint.url, MAX_MESSAGE).await?;
            serve_client(Visitor, transport).await
        }
        McpProtocol::StreamableHttp => {
            let mut config = StreamableHttpClientTransportConfig::with_uri(endpoint.url.as_str());
            config.max_json_response_size = MAX_MESSAGE;
            config.max_sse_event_size = MAX_MESSAGE;
            config.reinit_on_expired_session = false;
            serve_client(Visitor, StreamableHttpClientTransport::with_client(client, config)).await
        }
    };
    let mut running = running.map_err(|error| explain("failed to connect", error))?;
    let listed = list_pages(&running).await;
    // A server that does not take the goodbye has answered all the same.
    let _ = running.close_with_timeout(CLOSE_TIMEOUT).await;
    listed
}

async fn list_pages(running: &RunningService<RoleClient, Visitor>) -> Result<Vec<ListedTool>> {
    let mut tools = Vec::new();
    let mut names = HashSet::new();
    let mut cursors = HashSet::new();
    let mut text = 0;
    let mut cursor: Option<String> = None;
    loop {
        let parameters = PaginatedRequestParams::default().with_cursor(cursor.take());
        let page = running.peer().list_tools(Some(parameters)).await;
        let page = page.map_err(|error| explain("failed to list tools", error))?;
        for tool in page.tools {
            // No database and no JSON viewer likes U+0000.
            let name = tool.name.replace('\0', "");
            let description = tool.description.as_deref().unwrap_or_default().replace('\0', "");
            text += name.len() + description.len();
            if tools.len() >= MAX_TOOLS || text > MAX_TEXT {
                return Err(Error::unavailable(format!(
                    "the server lists more than {MAX_TOOLS} tools or {} KiB of names and descriptions",
                    MAX_TEXT / 1024
                )));
            }
            if names.insert(name.clone()) {
                tools.push(ListedTool { name, description });
            }
        }
        match page.next_cursor.filter(|next| !next.is_empty()) {
            None => return Ok(tools),
            Some(next) if cursors.len() < MAX_TOOLS && cursors.insert(next.clone()) => cursor = Some(next),
            Some(_) => return Err(Error::unavailable("the server's list of tools has no end")),
        }
    }
}

/// Says who we are; serves nothing.
struct Visitor;

impl ClientHandler for Visitor {
    fn get_info(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        config.protocol_version = ProtocolVersion::LATEST_WITH_INITIALIZE;
        config.client_info = Implementation::new("kagent-controller", env!("CARGO_PKG_VERSION"));
        config
    }
}

/// What a failure means to the author of the object: its last cause says it best. Long answers of a server are cut.
fn explain(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    const LONGEST_TEXT: usize = 300;
    let mut text = chain(&error);
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    Error::unavailable(format!("{what}: {text}")).with_source(error)
}
