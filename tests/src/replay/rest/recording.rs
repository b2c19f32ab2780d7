//! The REST recordings as files: `index.json` with the scenarios, and one array of steps per scenario.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::template::Bindings;

/// A folder of recordings.
#[derive(Debug)]
pub struct Recordings {
    dir: PathBuf,
    index: Vec<IndexEntry>,
}

#[derive(Debug, Deserialize)]
struct IndexEntry {
    file: String,
    area: String,
    #[serde(default = "default_mode")]
    mode: String,
}

fn default_mode() -> String {
    "unsecure".to_owned()
}

/// One scenario.
#[derive(Debug)]
pub struct Case {
    /// Area, such as `sessions`.
    pub area: String,
    /// File name without ending.
    pub name: String,
    /// How the server was started: `unsecure`, `trusted-proxy`, `watch`.
    pub mode: String,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// One exchange.
#[derive(Debug)]
pub struct Step {
    /// What it is about.
    pub name: String,
    /// Whether to repeat the request until the answer is as recorded.
    pub poll: bool,
    /// What was sent, and where.
    pub call: Call,
    /// What came back.
    pub response: Response,
    /// What of the body is compared in another way.
    pub compare: Compare,
}

/// What was sent.
#[derive(Debug)]
pub enum Call {
    /// To the server.
    Request(Request),
    /// To the Kubernetes API.
    Kube(KubeCall),
}

#[derive(Debug, Deserialize)]
struct RawStep {
    name: String,
    #[serde(default)]
    poll: bool,
    request: Option<Request>,
    kube: Option<KubeCall>,
    response: Response,
    #[serde(default)]
    compare: Compare,
}

/// A request to the server.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path and query, sent as they are.
    pub path: String,
    /// Values by name; a list means several times.
    #[serde(default)]
    pub headers: Map<String, Value>,
    body: Option<String>,
    body_b64: Option<String>,
}

/// A request to the Kubernetes API.
#[derive(Debug, Deserialize)]
pub struct KubeCall {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `Content-Type` of the body.
    pub content_type: Option<String>,
    /// Body.
    pub body: Option<Value>,
}

/// A recorded answer.
#[derive(Debug, Default, Deserialize)]
pub struct Response {
    /// Status; 0 when the connection was closed without one.
    pub status: u16,
    /// Headers, without those that always differ.
    #[serde(default)]
    pub headers: Map<String, Value>,
    body: Option<String>,
    body_b64: Option<String>,
    /// Of the Kubernetes API: dotted paths of the object and their values.
    #[serde(default)]
    pub project: Map<String, Value>,
}

/// What of a body is compared in another way.
#[derive(Debug, Default, Deserialize)]
pub struct Compare {
    /// Arrays without order; the empty path is the document.
    #[serde(default)]
    pub unordered: Vec<String>,
    /// Fields that are not compared.
    #[serde(default)]
    pub ignore: Vec<String>,
}

impl Recordings {
    /// Reads the index.
    ///
    /// # Errors
    /// When it is missing or not of the form.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("index.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(Self {
            dir: dir.to_owned(),
            index: serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?,
        })
    }

    /// The scenarios of an area.
    ///
    /// # Errors
    /// When there are none, or one is not of the form.
    pub fn read_area(&self, area: &str) -> Result<Vec<Case>> {
        let entries: Vec<_> = self.index.iter().filter(|entry| entry.area == area).collect();
        anyhow::ensure!(!entries.is_empty(), "there are no recordings of area {area:?}");
        entries.into_iter().map(|entry| self.read_case(entry)).collect()
    }

    fn read_case(&self, entry: &IndexEntry) -> Result<Case> {
        let path = self.dir.join(&entry.file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let steps: Vec<RawStep> = serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Case {
            area: entry.area.clone(),
            mode: entry.mode.clone(),
            steps: steps
                .into_iter()
                .map(Step::try_from)
                .collect::<Result<_>>()
                .with_context(|| name.clone())?,
            name,
        })
    }
}

impl TryFrom<RawStep> for Step {
    type Error = anyhow::Error;

    fn try_from(step: RawStep) -> Result<Self> {
        let call = match (step.request, step.kube) {
            (Some(request), None) => Call::Request(request),
            (None, Some(kube)) => Call::Kube(kube),
            _ => anyhow::bail!("step {:?} is neither a request nor a call of Kubernetes", step.name),
        };
        Ok(Self {
            name: step.name,
            poll: step.poll,
            call,
            response: step.response,
            compare: step.compare,
        })
    }
}

impl Request {
    /// A plain GET.
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: Map::new(),
            body: None,
            body_b64: None,
        }
    }

    /// The bytes of the body.
    ///
    /// # Errors
    /// When they are not base64 where they should be.
    pub fn body(&self) -> Result<Vec<u8>> {
        decode_body(self.body.as_ref(), self.body_b64.as_ref())
    }

    /// The request with what was bound so far in place of placeholders.
    #[must_use]
    pub fn substitute(&self, bindings: &Bindings) -> Self {
        let headers = self.headers.iter().map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.clone(), |text| bindings.substitute(text).into());
            (name.clone(), value)
        });
        Self {
            method: self.method.clone(),
            path: bindings.substitute(&self.path),
            headers: headers.collect(),
            body: self.body.as_ref().map(|body| bindings.substitute(body)),
            body_b64: self.body_b64.clone(),
        }
    }

    /// The text of the body.
    pub fn text(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }
}

impl Response {
    /// The bytes of the body.
    ///
    /// # Errors
    /// When they are not base64 where they should be.
    pub fn body(&self) -> Result<Vec<u8>> {
        decode_body(self.body.as_ref(), self.body_b64.as_ref())
    }
}

fn decode_body(text: Option<&String>, base64: Option<&String>) -> Result<Vec<u8>> {
    match (text, base64) {
        (_, Some(base64)) => STANDARD.decode(base64).context("body_b64"),
        (text, None) => Ok(text.cloned().unwrap_or_default().into_bytes()),
    }
}
