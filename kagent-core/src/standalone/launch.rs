//! From a pod template to the program, arguments, environment and directory of a local process. Pure.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::{
    environment::{Placement, build_environment},
    expand::expand,
    mounts::Mounts,
    sources::Sources,
};
use crate::error::{Error, Result};

/// The Python runtime's program.
const ADK: &str = "kagent-adk";
/// What pip has to be told so that it finds a set of packages that works; the runtime alone does not resolve.
const ADK_PACKAGES: &str = "kagent-adk==0.9.12 kagent-core==0.9.12 kagent-skills==0.9.12 agentsts-adk==0.9.12 \
                            agentsts-core==0.9.12 'a2a-sdk<0.4' 'opentelemetry-instrumentation-fastapi>=0.52b0' \
                            'opentelemetry-instrumentation-httpx>=0.52b0'";
/// Name of the Go runtime's image, which has no program to run here.
const GO_RUNTIME: &str = "/golang-adk";

/// What to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) directory: PathBuf,
    /// Path of the readiness probe; without one, an open port is enough.
    pub(super) probe_path: Option<String>,
}

/// What is the same for all agents of a machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where relative programs and directories begin; in standalone mode the directory of the manifests.
    pub directory: PathBuf,
    /// The `kagent-adk` that was asked for; without it, the one in `PATH`.
    pub adk: Option<PathBuf>,
    /// What every agent gets of the environment, see [`super::inherited`].
    pub inherited: BTreeMap<String, String>,
}

/// The first container of a pod, which is the agent.
///
/// # Errors
/// When there is none, or the pod asks for what a machine without containers cannot give.
pub(super) fn find_agent(pod: &PodSpec) -> Result<&Container> {
    let container = pod.containers.first();
    let container = container.ok_or_else(|| Error::invalid("the pod has no container"))?;
    if let Some(first) = pod.init_containers.iter().flatten().next() {
        return Err(Error::invalid(format!(
            "init container {} needs a cluster: skills are not available in standalone mode",
            first.name
        )));
    }
    Ok(container)
}

/// Builds what to run.
///
/// # Errors
/// One line that says what is missing and what to do about it.
pub(super) fn build_launch(
    container: &Container,
    sources: &Sources,
    mounts: &Mounts,
    machine: &Machine,
    placement: &Placement,
) -> Result<Launch> {
    let variables = container.env.as_deref().unwrap_or_default();
    let mut environment = build_environment(variables, sources, &machine.inherited, placement)?;
    for value in environment.values_mut() {
        if let Some(local) = mounts.find_local(value) {
            *value = local;
        }
    }
    let directory = match container.working_dir.as_deref().filter(|dir| !dir.is_empty()) {
        None => machine.directory.clone(),
        Some(dir) => {
            let local = mounts.find_local(dir).unwrap_or_else(|| dir.to_owned());
            machine.directory.join(local)
        }
    };
    if !directory.is_dir() {
        return Err(Error::invalid(format!(
            "working directory {} does not exist",
            directory.display()
        )));
    }
    let known = |text: &String| mounts.rewrite(&expand(text, |name| environment.get(name).map(String::as_str)));
    let command: Vec<String> = container.command.iter().flatten().map(known).collect();
    let arguments: Vec<String> = container.args.iter().flatten().map(known).collect();
    let search = environment.get("PATH").map(OsStr::new);
    let (program, arguments) = match command.split_first() {
        Some((program, rest)) => {
            let found = find_program(program, &directory, search)
                .ok_or_else(|| Error::invalid(format!("program {program} is not found or cannot be run")))?;
            (found, [rest, &arguments].concat())
        }
        None => {
            let config = find_config_dir(container, &arguments)?;
            let program = match &machine.adk {
                Some(asked) => find_program(&asked.display().to_string(), &directory, search),
                None => find_program(ADK, &directory, search),
            };
            let arguments = runtime_arguments(placement.listen, config);
            (program.ok_or_else(|| adk_missing(machine.adk.as_deref()))?, arguments)
        }
    };
    Ok(Launch {
        program,
        arguments,
        environment,
        directory,
        probe_path: container
            .readiness_probe
            .as_ref()
            .and_then(|probe| probe.http_get.as_ref())
            .and_then(|get| get.path.clone()),
    })
}

/// Directory of the config of a declarative agent, which is one without a command.
fn find_config_dir<'a>(container: &Container, arguments: &'a [String]) -> Result<&'a str> {
    let image = container.image.as_deref().unwrap_or_default();
    if image.contains(GO_RUNTIME) {
        return Err(Error::invalid(
            "the Go runtime exists as an image only: use runtime python in standalone mode",
        ));
    }
    let given = arguments.iter().skip_while(|argument| *argument != "--filepath").nth(1);
    given.map(String::as_str).ok_or_else(|| {
        Error::invalid("images are not run in standalone mode: set spec.byo.deployment.cmd to a local program")
    })
}

fn runtime_arguments(listen: SocketAddr, config: &str) -> Vec<String> {
    let (host, port) = (listen.ip().to_string(), listen.port().to_string());
    ["static", "--host", &host, "--port", &port, "--filepath", config]
        .map(str::to_owned)
        .to_vec()
}

fn adk_missing(asked: Option<&Path>) -> Error {
    match asked {
        Some(path) => Error::invalid(format!(
            "the agent runtime {} (KAGENT_ADK) is not found or cannot be run",
            path.display()
        )),
        None => Error::invalid(format!(
            "declarative agents need the agent runtime kagent-adk, which is not in PATH: install it with `pip install \
             {ADK_PACKAGES}`, or set KAGENT_ADK to its path"
        )),
    }
}

/// A program by path (from `directory` when it is relative) or by name in `search`.
pub(super) fn find_program(program: &str, directory: &Path, search: Option<&OsStr>) -> Option<PathBuf> {
    if program.contains('/') {
        let path = directory.join(program);
        return is_program(&path).then_some(path);
    }
    env::split_paths(search?)
        .map(|dir| directory.join(dir).join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::environment::PodFacts, *};

    fn mk_machine() -> Machine {
        Machine {
            directory: "/".into(),
            adk: None,
            inherited: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        }
    }

    fn build(container: Value, machine: &Machine) -> Result<Launch> {
        let pod: PodSpec = serde_json::from_value(json!({"containers": [container]})).expect("pod");
        let placement = Placement {
            listen: ([127, 0, 0, 1], 4711).into(),
            pod: PodFacts::default(),
            initial: BTreeMap::from([("PORT".to_owned(), "4711".to_owned())]),
            fixed: BTreeMap::new(),
        };
        let (sources, mounts) = (Sources::default(), Mounts::default());
        build_launch(find_agent(&pod)?, &sources, &mounts, machine, &placement)
    }

    #[test]
    fn a_byo_agent_is_its_command() {
        let launch = build(
            json!({
                "name": "kagent",
                "command": ["sh"],
                "args": ["-c", "serve $(PORT) $$(PORT)"],
                "workingDir": "/usr",
                "readinessProbe": {"httpGet": {"path": "/.well-known/agent-card.json", "port": "http"}},
            }),
            &mk_machine(),
        )
        .expect("launch");
        assert!(launch.program.ends_with("sh"), "{launch:?}");
        assert_eq!(launch.arguments, ["-c", "serve 4711 $(PORT)"]);
        assert_eq!(launch.directory, Path::new("/usr"));
        assert_eq!(launch.probe_path.as_deref(), Some("/.well-known/agent-card.json"));
    }

    #[test]
    fn a_declarative_agent_is_kagent_adk_on_loopback() {
        let machine = Machine {
            adk: Some("/bin/true".into()),
            ..mk_machine()
        };
        let args = ["--host", "0.0.0.0", "--port", "8080", "--filepath", "/config"];
        let launch = build(json!({"name": "kagent", "args": args}), &machine).expect("launch");
        assert_eq!(launch.program, Path::new("/bin/true"));
        assert_eq!(
            launch.arguments,
            [
                "static",
                "--host",
                "127.0.0.1",
                "--port",
                "4711",
                "--filepath",
                "/config"
            ]
        );
    }

    #[test]
    fn what_cannot_run_here_says_what_to_do() {
        let args = ["--host", "0.0.0.0", "--port", "8080", "--filepath", "/config"];
        for (container, part) in [
            (json!({"name": "kagent", "args": args}), "pip install"),
            (
                json!({"name": "kagent", "image": "example.org/agent"}),
                "set spec.byo.deployment.cmd",
            ),
            (
                json!({"name": "kagent", "image": "x/golang-adk:1", "args": args}),
                "use runtime python",
            ),
            (
                json!({"name": "kagent", "command": ["no-such-program"]}),
                "program no-such-program is not found",
            ),
            (
                json!({"name": "kagent", "command": ["sh"], "workingDir": "/no/such"}),
                "working directory /no/such does not exist",
            ),
        ] {
            let message = build(container, &mk_machine()).expect_err("refused").to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
