//! One run of a case: its namespace, directory and variables; does steps and compares what comes back.

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use http::Request as HttpRequest;
use http_body_util::BodyExt;
use kagent_core::clock::new_id;
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

use super::{
    mask::mask,
    render::{find, render, select},
    script::{Action, Request, Step},
    target::Target,
};

/// For commands and requests; the machine may be busy.
const STEP_WITHIN: Duration = Duration::from_secs(90);
/// For answers that change by themselves, such as after a garbage collection.
const REPEAT_WITHIN: Duration = Duration::from_secs(150);
const REPEAT_PAUSE: Duration = Duration::from_millis(200);
/// How long the real server has for such changes when expectations are written.
const SETTLE: Duration = Duration::from_secs(4);

/// A run of one case.
pub struct Session<'a> {
    target: &'a Target,
    namespace: String,
    dir: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    last: Value,
}

impl<'a> Session<'a> {
    /// Makes the namespace and the directory.
    pub(super) async fn begin(target: &'a Target) -> Result<Self> {
        // The end of an id is random.
        let namespace = format!("c{}", &new_id().simple().to_string()[25..]);
        let dir = tempfile::tempdir()?;
        std::os::unix::fs::symlink(target.files(), dir.path().join("files"))?;
        target.write_kubeconfig(&namespace, &dir.path().join("kubeconfig"))?;
        let session = Self {
            target,
            namespace: namespace.clone(),
            dir,
            variables: BTreeMap::from([("NS".to_owned(), namespace.clone())]),
            last: Value::Null,
        };
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        let (code, _, answer) = session
            .send(
                "POST",
                "/api/v1/namespaces",
                &[("content-type", "application/json")],
                body.to_string(),
            )
            .await?;
        if code != 201 {
            bail!("no namespace: {answer}");
        }
        Ok(session)
    }

    /// Deletes the namespace; what is left of it is nobody's trouble.
    pub(super) async fn end(self) {
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        // The servers are thrown away after the run.
        let _ = self.send("DELETE", &path, &[], String::new()).await;
    }

    /// The server that is asked.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// The case's own namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Does the steps of a script.
    pub(super) async fn play(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            let deadline = Instant::now() + REPEAT_WITHIN;
            let repeats = matches!(&step.action, Action::Request(request) if request.repeats);
            loop {
                let found = self.act(step).await.with_context(|| step.describe().to_owned())?;
                if found == step.expected {
                    break;
                }
                if !repeats || Instant::now() > deadline {
                    bail!("{}\n{}", step.describe(), diff(&step.expected, &found));
                }
                tokio::time::sleep(REPEAT_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Does a step and says what came back.
    pub(super) async fn observe(&mut self, step: &Step) -> Result<Vec<String>> {
        if matches!(&step.action, Action::Request(request) if request.repeats) {
            tokio::time::sleep(SETTLE).await;
        }
        self.act(step).await.with_context(|| step.describe().to_owned())
    }

    async fn act(&mut self, step: &Step) -> Result<Vec<String>> {
        let lines = match &step.action {
            Action::Nothing => Vec::new(),
            Action::Shell(command) => self.shell(command).await?,
            Action::Request(request) => self.request(request).await?,
            Action::Keep { name, path } => {
                let keys: Vec<&str> = path.split('.').collect();
                let value = match find(&self.last, &keys) {
                    Value::String(text) => text,
                    Value::Null => bail!("the last answer has no {path}: {}", self.last),
                    other => other.to_string(),
                };
                self.variables.insert(name.clone(), value);
                Vec::new()
            }
        };
        let names = [(self.namespace.as_str(), "$NS"), (self.target.url(), "$URL")];
        Ok(lines.iter().map(|line| mask(line.trim_end(), &names)).collect())
    }

    async fn shell(&self, command: &str) -> Result<Vec<String>> {
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(self.dir.path())
            .env("PATH", format!("{}:{path}", self.target.kubectl().display()))
            .env("HOME", self.target.home())
            .env("KUBECONFIG", self.dir.path().join("kubeconfig"))
            .env("TZ", "UTC")
            .env_remove("KUBE_EDITOR")
            .env_remove("http_proxy")
            .env_remove("https_proxy")
            .env_remove("HTTP_PROXY")
            .env_remove("HTTPS_PROXY")
            .envs(&self.variables)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(STEP_WITHIN, child).await.context("it does not end")??;
        let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect();
        // The log of kubectl's own libraries, with times and line numbers.
        lines.retain(|line| !(line.starts_with(['E', 'I', 'W']) && line.contains(".go:")));
        if let Some(code) = output.status.code().filter(|code| *code != 0) {
            lines.push(format!("exit code {code}"));
        }
        Ok(lines)
    }

    async fn request(&mut self, request: &Request) -> Result<Vec<String>> {
        let headers: Vec<(&str, &str)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let body = self.fill_in(&request.body);
        let body = if body.trim().is_empty() || body.starts_with("raw ") {
            body.strip_prefix("raw ").unwrap_or_default().to_owned()
        } else {
            // `y` and `n` are words.
            let options = serde_saphyr::options! { strict_booleans: true };
            let value: Value = serde_saphyr::from_str_with_options(&body, options).context("the body is not YAML")?;
            value.to_string()
        };
        let path = self.fill_in(&request.path);
        let (code, headers, text) = self.send(&request.method, &path, &headers, body).await?;
        let mut lines = vec![code.to_string()];
        let status_only = request.show.iter().any(|path| path == "-");
        for (name, value) in headers {
            if name == "warning" || (!status_only && name == "content-type" && value != "application/json") {
                lines.push(format!("{name}: {value}"));
            }
        }
        self.last = Value::Null;
        // One document, or one a line.
        let whole = serde_json::from_str::<Value>(&text).map(|value| value.to_string());
        for document in whole.as_deref().unwrap_or(&text).lines() {
            let Ok(value) = serde_json::from_str::<Value>(document) else {
                if !status_only {
                    lines.push(document.to_owned());
                }
                continue;
            };
            // Other bookmarks than the one after the initial events come when the server likes.
            if value["type"] == "BOOKMARK" && value["object"]["metadata"]["annotations"].is_null() {
                continue;
            }
            if !status_only {
                lines.extend(render(&select(&value, &request.show)));
            }
            self.last = value;
        }
        Ok(lines)
    }

    /// Sends a request: status, headers and body of the answer.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<(u16, Vec<(String, String)>, String)> {
        let mut request = HttpRequest::builder()
            .method(method)
            .uri(path)
            .header("user-agent", "conformance/1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = async {
            let answer = self
                .target
                .client()
                .send(request.body(body.into_bytes().into())?)
                .await?;
            let (parts, body) = answer.into_parts();
            anyhow::Ok((parts, body.collect().await?.to_bytes()))
        };
        let (parts, body) = timeout(STEP_WITHIN, answer).await.context("no answer in time")??;
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Ok((
            parts.status.as_u16(),
            headers,
            String::from_utf8_lossy(&body).into_owned(),
        ))
    }

    fn fill_in(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in self.variables.iter().rev() {
            text = text.replace(&format!("${name}"), value);
        }
        text
    }
}

/// The lines that differ, with the ones around them.
fn diff(expected: &[String], found: &[String]) -> String {
    let same_head = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let same_tail = expected[same_head..]
        .iter()
        .rev()
        .zip(found[same_head..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let mut lines = Vec::new();
    let around = |from: usize, to: usize| expected[from..to].iter().map(|line| format!("    {line}"));
    lines.extend(around(same_head.saturating_sub(2), same_head));
    let part = |list: &[String], sign: &str| {
        list[same_head..list.len() - same_tail]
            .iter()
            .map(|line| format!("  {sign} {line}"))
            .collect::<Vec<_>>()
    };
    lines.extend(part(expected, "-"));
    lines.extend(part(found, "+"));
    let tail = expected.len() - same_tail;
    lines.extend(around(tail, (tail + 2).min(expected.len())));
    lines.join("\n")
}
