//! Starts the server on directories of its own and talks to it with plain sockets.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longest wait for anything; the machine may be busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Directories that outlive a server.
pub(crate) struct Dirs {
    root: TempDir,
}

impl Dirs {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(root.path().join("manifests")).expect("directory");
        Self { root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn manifest(&self, name: &str, text: &str) {
        // Written aside and moved, as editors do it, so that half a file is never read.
        let new = self.path("new");
        fs::write(&new, text).expect("manifest");
        fs::rename(new, self.path("manifests").join(name)).expect("manifest");
    }

    /// The command line of a server on free ports.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kagent-server"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .arg("--standalone")
            .arg(self.path("manifests"))
            .arg("--standalone-state-dir")
            .arg(self.path("state"))
            .args([
                "--http-server-address=127.0.0.1:0",
                "--health-probe-bind-address=127.0.0.1:0",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    pub(crate) fn start(&self) -> Server {
        self.start_with(|_| {})
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn start_with(&self, change: impl FnOnce(&mut Command)) -> Server {
        let log = self.path("server.log");
        let mut command = self.command();
        change(&mut command);
        let file = fs::File::create(&log).expect("log");
        let child = command.stderr(file).spawn().expect("the server starts");
        let mut server = Server {
            child,
            log,
            api: String::new(),
            probes: String::new(),
        };
        let line = server.wait_for_line("serving");
        server.api = field(&line, "address");
        server.probes = field(&line, "probes");
        wait("readiness", || {
            let (status, _) = get(&server.probes, "/readyz");
            (status == 200).then_some(())
        });
        server
    }
}

/// A text field of a line of the JSON log.
fn field(line: &str, name: &str) -> String {
    let start = format!("\"{name}\":\"");
    let rest = line
        .split_once(&start)
        .unwrap_or_else(|| panic!("{name} is not in {line}"))
        .1;
    rest.split('"').next().unwrap_or_default().to_owned()
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    pub(crate) api: String,
    pub(crate) probes: String,
}

impl Server {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("log")
    }

    /// Lines of the log at `level` (`WARN`, `ERROR`) that hold `part`.
    pub(crate) fn lines(&self, level: &str, part: &str) -> Vec<String> {
        let level = format!("\"level\":\"{level}\"");
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains(&level) && line.contains(part));
        lines.map(str::to_owned).collect()
    }

    pub(crate) fn wait_for_line(&mut self, part: &str) -> String {
        wait(part, || {
            if let Some(status) = self.child.try_wait().expect("status") {
                panic!("the server has ended ({status}):\n{}", self.log());
            }
            self.log()
                .lines()
                .find(|line| line.contains(part) && line.ends_with('}'))
                .map(str::to_owned)
        })
    }

    /// Sends SIGTERM (`-TERM`) or another signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill").success());
    }

    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        wait("the end of the server", || self.child.try_wait().expect("status"))
    }

    /// What the agent answers to a call through the server.
    pub(crate) fn call(&self, agent: &str) -> String {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"kind":"message",
            "role":"user","messageId":"1","parts":[{"kind":"text","text":"hello"}]}}}"#;
        let (_, text) = exchange(&self.api, &format!("POST /api/a2a/{agent}/"), body);
        text
    }

    pub(crate) fn wait_for_answer(&self, agent: &str, part: &str) {
        wait(&format!("{part} from {agent}"), || {
            self.call(agent).contains(part).then_some(())
        });
    }

    /// The list of agents, as text.
    pub(crate) fn agents(&self) -> String {
        get(&self.api, "/api/agents").1
    }

    pub(crate) fn wait_for_agents(&self, part: &str) {
        wait(&format!("{part} in the list of agents"), || {
            self.agents().contains(part).then_some(())
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of a GET.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    exchange(address, &format!("GET {path}"), "")
}

fn exchange(address: &str, line: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("connection");
    stream.set_read_timeout(Some(LIMIT)).expect("timeout");
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: \
         {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answer");
    // Fails when the server has closed its side already.
    let _ = stream.shutdown(Shutdown::Both);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (
        status.unwrap_or_else(|| panic!("no answer: {answer:?}")),
        body.to_owned(),
    )
}

/// Tries until there is something, or fails the test.
pub(crate) fn wait<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        sleep(Duration::from_millis(50));
    }
}

/// Whether a process exists and is not only waiting to be reaped.
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some(Some(state)) if state != 'Z')
}

/// The program of the test agent, which cargo builds beside the tests.
pub(crate) fn stub_agent() -> String {
    let server = Path::new(env!("CARGO_BIN_EXE_kagent-server"));
    let dir = server.parent().expect("directory");
    dir.join("examples/stub-agent").display().to_string()
}

/// A BYO Agent `demo/<name>` that runs `command` with a shell.
pub(crate) fn agent(name: &str, command: &str) -> String {
    format!(
        "apiVersion: kagent.dev/v1alpha2\nkind: Agent\nmetadata: {{name: {name}, namespace: demo}}\nspec:\n  type: BYO\n  \
         description: test\n  byo:\n    deployment:\n      image: none\n      cmd: sh\n      args:\n      - -c\n      - |\n        \
         {}\n",
        command.replace('\n', "\n        ")
    )
}

/// A BYO Agent that answers `answer`.
pub(crate) fn answering(name: &str, answer: &str) -> String {
    agent(name, &format!("ANSWER={answer} exec {}", stub_agent()))
}
