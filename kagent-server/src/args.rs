//! Flags and environment of the server, in the types that the parts want. Environment over flag over default, as kagent
//! has it; all problems at once; secrets are never shown.

mod database;
mod flag;
mod go;
mod parse;
mod replicas;
mod table;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    str::FromStr,
    time::Duration,
};

use kagent_core::runtime::{
    EXIT_USAGE,
    serve::ServeOptions,
    telemetry::{LogFormat, LogLevel, TelemetryOptions},
};
use url::Url;

pub use database::Database;
pub use flag::{Flag, Section, Support};
pub use replicas::{Components, ElectionArgs, ElectionLock};
pub use table::SECTIONS;
pub use values::{Refusal, command, flags};

use self::{
    database::read_database,
    go::{parse_bool, parse_duration, parse_map},
    parse::{
        parse_address, parse_host_port, parse_http_url, parse_label, parse_loopback, parse_namespaces, parse_optional,
        parse_positive, parse_timeout,
    },
    replicas::{read_components, read_election},
    values::Values,
};

/// Everything that was asked for.
#[derive(Clone, Debug)]
pub struct Args {
    /// How and what to log.
    pub telemetry: TelemetryOptions,
    /// Standalone mode, where it is asked for.
    pub standalone: Option<StandaloneArgs>,
    /// Address of the API.
    pub http_server_address: String,
    /// Address of the probes, if any.
    pub health_probe_address: Option<String>,
    /// Address of the metrics, if any.
    pub metrics_address: Option<String>,
    /// Public address of this server; `None` is the one it listens on.
    pub a2a_base_url: Option<Url>,
    /// Where the database is.
    pub database: Database,
    /// Postgres connections at most.
    pub postgres_max_connections: u32,
    /// Limits of the API listener.
    pub serve: ServeOptions,
    /// Longest time until a REST request is answered.
    pub http_request_timeout: Duration,
    /// Largest body of a request.
    pub http_max_body: usize,
    /// Timeouts and limits of the way to agents.
    pub a2a: A2aArgs,
    /// Who may be believed about who is asking.
    pub auth: AuthMode,
    /// Kubeconfig file.
    pub kubeconfig: Option<PathBuf>,
    /// Namespaces to watch; all when empty.
    pub watch_namespaces: BTreeSet<String>,
    /// What this process does.
    pub components: Components,
    /// How it takes part in the election; `None` without one.
    pub election: Option<ElectionArgs>,
    /// Namespace of this installation.
    pub kagent_namespace: String,
    /// Name of this server's Service.
    pub kagent_controller_name: String,
    /// Address to connect to instead of every agent.
    pub a2a_debug_address: Option<(String, u16)>,
    /// What the translator is told.
    pub agents: AgentArgs,
    /// `OTEL_*` of the environment, which agents get.
    pub otel: BTreeMap<String, String>,
    /// What was set and has no effect, for the log.
    pub notes: Vec<String>,
}

/// Settings of standalone mode.
#[derive(Clone, Debug)]
pub struct StandaloneArgs {
    /// Directory of the manifests.
    pub dir: PathBuf,
    /// Directory of the state.
    pub state_dir: PathBuf,
    /// Where `kubectl` reaches the Kubernetes API; nowhere without it.
    pub kube_address: Option<SocketAddr>,
    /// Time until a silent agent is a problem.
    pub start_timeout: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub stop_timeout: Duration,
    /// The `kagent-adk` program.
    pub adk: Option<PathBuf>,
}

/// Timeouts and limits of the way to agents.
#[derive(Clone, Copy, Debug)]
pub struct A2aArgs {
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Silence within an answer.
    pub idle_timeout: Duration,
    /// Comments on silent streams.
    pub keep_alive: Duration,
    /// Largest answer and event.
    pub max_answer: usize,
}

/// Who may be believed about who is asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuthMode {
    /// Callers name themselves.
    Unsecure,
    /// A proxy in front has checked the token; the claim names the user.
    TrustedProxy {
        /// Name of the claim.
        user_id_claim: String,
    },
}

/// What the translator is told, see `kagent_core::translate`.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "one field per flag of the same name; the table says what each means"
)]
pub struct AgentArgs {
    pub default_model_config_name: String,
    pub proxy_url: Option<Url>,
    pub mcp_egress_plaintext: bool,
    pub image_registry: String,
    pub image_repository: String,
    pub image_tag: String,
    pub image_pull_policy: String,
    pub image_pull_secret: String,
    pub skills_init_image_registry: String,
    pub skills_init_image_repository: String,
    pub skills_init_image_tag: String,
    pub default_service_account_name: String,
    pub default_agent_pod_labels: BTreeMap<String, String>,
    pub default_agent_bind_host: String,
}

impl Args {
    /// Reads the command line and the environment of this process. On a refusal everything is said on standard error
    /// (help on standard output), and the exit code is returned.
    ///
    /// # Errors
    /// The exit code: 0 for help and version, 2 for bad settings.
    pub fn from_process() -> Result<Self, ExitCode> {
        let words = std::env::args_os().skip(1).collect();
        // Variables that are not Unicode cannot be ours.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        match Self::read(words, environment) {
            Ok(args) => Ok(args),
            // Nothing can be done where even standard output is gone.
            Err(Refusal::Text(text)) => {
                let _ = write!(std::io::stdout(), "{text}");
                Err(ExitCode::SUCCESS)
            }
            Err(Refusal::Problems(problems)) => {
                let mut stderr = std::io::stderr();
                for problem in problems {
                    let _ = writeln!(stderr, "error: {problem}");
                }
                let _ = writeln!(stderr, "See kagent-server --help.");
                Err(ExitCode::from(EXIT_USAGE))
            }
        }
    }

    /// Reads a command line (without the program's name) and an environment.
    ///
    /// # Errors
    /// Everything that is wrong, or the text of the help.
    pub fn read(words: Vec<OsString>, environment: BTreeMap<String, String>) -> Result<Self, Refusal> {
        let otel = environment
            .iter()
            .filter(|(name, _)| name.starts_with("OTEL_"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let environment_home = Home::of(&environment);
        let mut values = Values::read(words, environment)?;
        let mut notes = values.check_support();
        let standalone = read_standalone(&mut values, &environment_home);
        let is_standalone = standalone.is_some();
        let metrics_address = read_address(&mut values, "metrics-bind-address", is_standalone);
        if values.parse("metrics-secure", parse_bool) && metrics_address.is_some() {
            values.problem(
                "metrics over HTTPS are not available yet: set METRICS_SECURE=false to serve them unprotected, or \
                 METRICS_BIND_ADDRESS=0"
                    .to_owned(),
            );
        }
        if is_otel_on(&otel) {
            notes.push(
                "OTEL_TRACING_ENABLED is passed on to agents; the server itself exports no traces yet".to_owned(),
            );
        }
        let database = read_database(&mut values, standalone.as_ref());
        let args = Self {
            telemetry: read_telemetry(&mut values),
            http_server_address: read_address(&mut values, "http-server-address", is_standalone).unwrap_or_default(),
            health_probe_address: read_address(&mut values, "health-probe-bind-address", is_standalone),
            metrics_address,
            a2a_base_url: if is_standalone && !values.is_set("a2a-base-url") {
                None
            } else {
                values.parse("a2a-base-url", parse_http_url)
            },
            components: read_components(&mut values, &database, is_standalone),
            election: read_election(&mut values, &database, is_standalone),
            database,
            postgres_max_connections: values.parse("postgres-max-connections", parse_positive),
            serve: ServeOptions {
                header_timeout: values.parse("http-header-timeout", parse_timeout),
                drain_timeout: values.parse("shutdown-drain-timeout", parse_duration),
            },
            http_request_timeout: values.parse("http-request-timeout", parse_timeout),
            http_max_body: values.parse("http-max-body-bytes", parse_positive),
            a2a: A2aArgs {
                connect_timeout: values.parse("a2a-connect-timeout", parse_timeout),
                idle_timeout: values.parse("a2a-idle-timeout", parse_timeout),
                keep_alive: values.parse("a2a-keep-alive", parse_timeout),
                max_answer: values.parse("a2a-max-answer-bytes", parse_positive),
            },
            auth: read_auth(&mut values),
            kubeconfig: values.optional("kubeconfig").map(PathBuf::from),
            watch_namespaces: values.parse("watch-namespaces", parse_namespaces),
            kagent_namespace: values.parse("kagent-namespace", parse_label),
            kagent_controller_name: values.parse("kagent-controller-name", parse_label),
            a2a_debug_address: values.parse("kagent-a2a-debug-addr", parse_optional(parse_host_port)),
            agents: read_agents(&mut values),
            standalone,
            otel,
            notes,
        };
        values.finish()?;
        Ok(args)
    }
}

fn is_otel_on(otel: &BTreeMap<String, String>) -> bool {
    otel.get("OTEL_TRACING_ENABLED")
        .is_some_and(|value| parse_bool(value) == Ok(true))
}

/// Where the user keeps state.
struct Home {
    state: Option<PathBuf>,
}

impl Home {
    fn of(environment: &BTreeMap<String, String>) -> Self {
        let dir = |name: &str| {
            environment
                .get(name)
                .filter(|dir| dir.starts_with('/'))
                .map(PathBuf::from)
        };
        Self {
            state: dir("XDG_STATE_HOME").or_else(|| Some(dir("HOME")?.join(".local/state"))),
        }
    }

    /// A directory for the state that belongs to the manifests in `dir`.
    fn state_of(&self, dir: &std::path::Path) -> Option<PathBuf> {
        let dir = std::path::absolute(dir).ok()?;
        // The whole path as a name, readable and without two directories that share one.
        let name = dir
            .to_string_lossy()
            .trim_start_matches('/')
            .replace('%', "%25")
            .replace('/', "%2F");
        Some(self.state.as_ref()?.join("kagent").join(name))
    }
}

fn read_standalone(values: &mut Values, home: &Home) -> Option<StandaloneArgs> {
    let start_timeout = values.parse("standalone-start-timeout", parse_timeout);
    let stop_timeout = values.parse("standalone-stop-timeout", parse_duration);
    let kube_address = values.parse("standalone-kube-address", parse_loopback);
    let dir = PathBuf::from(values.optional("standalone")?);
    let state_dir = values
        .optional("standalone-state-dir")
        .map(PathBuf::from)
        .or_else(|| home.state_of(&dir));
    if state_dir.is_none() {
        values.problem("--standalone-state-dir is needed, because neither HOME nor XDG_STATE_HOME is set".to_owned());
    }
    Some(StandaloneArgs {
        dir,
        state_dir: state_dir.unwrap_or_default(),
        kube_address,
        start_timeout,
        stop_timeout,
        adk: values.optional("kagent-adk").map(PathBuf::from),
    })
}

fn read_telemetry(values: &mut Values) -> TelemetryOptions {
    let mut options = TelemetryOptions {
        format: values.parse("zap-encoder", LogFormat::from_str),
        level: values.parse("zap-log-level", LogLevel::from_str),
    };
    if values.parse("zap-devel", parse_bool) {
        if !values.is_set("zap-encoder") {
            options.format = LogFormat::Text;
        }
        if !values.is_set("zap-log-level") {
            options.level = LogLevel::from_str("debug").unwrap_or_default();
        }
    }
    options
}

/// An address to listen on; `None` for `0`. A laptop's agents are for the laptop: without a host, standalone mode listens
/// on loopback.
fn read_address(values: &mut Values, name: &'static str, is_standalone: bool) -> Option<String> {
    let address = values.parse(name, parse_address)?;
    if is_standalone && address.starts_with(':') {
        Some(format!("127.0.0.1{address}"))
    } else {
        Some(address)
    }
}

fn read_auth(values: &mut Values) -> AuthMode {
    match values.text("auth-mode").as_str() {
        "unsecure" => AuthMode::Unsecure,
        "trusted-proxy" => AuthMode::TrustedProxy {
            user_id_claim: values.text("auth-user-id-claim"),
        },
        other => {
            values.problem(format!("auth-mode {other:?} must be unsecure or trusted-proxy"));
            AuthMode::Unsecure
        }
    }
}

fn read_agents(values: &mut Values) -> AgentArgs {
    AgentArgs {
        default_model_config_name: values.text("default-model-config-name"),
        proxy_url: values.parse("proxy-url", |text| {
            if text.is_empty() {
                Ok(None)
            } else {
                parse_http_url(text)
            }
        }),
        mcp_egress_plaintext: values.parse("mcp-egress-plaintext", parse_bool),
        image_registry: values.text("image-registry"),
        image_repository: values.text("image-repository"),
        image_tag: values.text("image-tag"),
        image_pull_policy: values.text("image-pull-policy"),
        image_pull_secret: values.text("image-pull-secret"),
        skills_init_image_registry: values.text("skills-init-image-registry"),
        skills_init_image_repository: values.text("skills-init-image-repository"),
        skills_init_image_tag: values.text("skills-init-image-tag"),
        default_service_account_name: values.text("default-service-account-name"),
        default_agent_pod_labels: values.parse("default-agent-pod-labels", parse_map),
        default_agent_bind_host: values.text("default-agent-bind-host"),
    }
}
