//! Every setting of the server. kagent's own keep their names, defaults and meaning.

use super::flag::{Flag, Section};

const NO_WEBHOOKS: &str = "there are no webhooks";
const NO_SANDBOXES: &str = "SandboxAgents are not run by this server";
const NOT_YET_METRICS_TLS: &str = "metrics over HTTPS are not available yet";

/// All settings, in the order of the help.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Standalone mode (no cluster)",
        flags: &[
            Flag::new(
                "standalone",
                "DIR",
                "",
                "Run the manifests of this directory as local processes, without a cluster, and follow edits",
            ),
            Flag::new(
                "standalone-state-dir",
                "DIR",
                "",
                "Where standalone mode keeps objects, the database and agents' logs [default: a directory of its own per \
                 manifest directory under $XDG_STATE_HOME/kagent or ~/.local/state/kagent]",
            ),
            Flag::new(
                "standalone-kube-address",
                "ADDRESS",
                "127.0.0.1:0",
                "Loopback address on which kubectl reaches the Kubernetes API of standalone mode, with the file kubeconfig \
                 in the state directory; port 0 is a free one, 0 alone means nowhere",
            ),
            Flag::new(
                "standalone-start-timeout",
                "DURATION",
                "60s",
                "How long an agent may take until it answers, before that is shown as a problem",
            ),
            Flag::new(
                "standalone-stop-timeout",
                "DURATION",
                "5s",
                "Time that agents get to end after SIGTERM, before SIGKILL",
            ),
            Flag::new(
                "kagent-adk",
                "PATH",
                "",
                "The kagent-adk program that runs declarative agents [default: the one in PATH]",
            ),
        ],
    },
    Section {
        title: "Listeners",
        flags: &[
            Flag::new(
                "http-server-address",
                "ADDRESS",
                ":8083",
                "Address of the API and of A2A; :PORT means every address of the machine, in standalone mode loopback only",
            ),
            Flag::new(
                "health-probe-bind-address",
                "ADDRESS",
                ":8082",
                "Address of /healthz and /readyz, 0 for none; :PORT as above",
            ),
            Flag::new(
                "metrics-bind-address",
                "ADDRESS",
                "0",
                "Address of /metrics, 0 for none; :PORT as above",
            ),
            Flag::switch(
                "metrics-secure",
                "true",
                "Serve metrics over HTTPS; must be false where metrics are on, so far",
            ),
            Flag::new(
                "a2a-base-url",
                "URL",
                "http://127.0.0.1:8083",
                "Public address of this server, which agents' cards name [standalone: the address it listens on]",
            ),
        ],
    },
    Section {
        title: "Database",
        flags: &[
            Flag::new(
                "database-type",
                "TYPE",
                "",
                "sqlite or postgres [default: postgres where a Postgres URL is given, else sqlite]",
            ),
            Flag::new(
                "sqlite-database-path",
                "FILE",
                "",
                "SQLite file [default: ./kagent.db, in standalone mode kagent.db in the state directory]",
            ),
            Flag::new(
                "postgres-database-url",
                "URL",
                "",
                "Postgres URL; prefer the file, which shows in no process list",
            )
            .secret(),
            Flag::new(
                "postgres-database-url-file",
                "FILE",
                "",
                "File that holds the Postgres URL; wins over the URL",
            ),
            Flag::new(
                "postgres-max-connections",
                "NUMBER",
                "16",
                "Postgres connections of this replica at most",
            ),
            Flag::switch("database-vector-enabled", "true", "Vector search over memories")
                .ignored("memories are not served yet"),
        ],
    },
    Section {
        title: "Timeouts and limits (no request has a total timeout)",
        flags: &[
            Flag::new(
                "http-header-timeout",
                "DURATION",
                "60s",
                "Time for the head of a request, and how long an unused connection is kept",
            ),
            Flag::new(
                "http-request-timeout",
                "DURATION",
                "60s",
                "Longest time until a REST request is answered; A2A and streams have no such limit",
            ),
            Flag::new(
                "http-max-body-bytes",
                "NUMBER",
                "33554432",
                "Largest body of a REST or A2A request",
            ),
            Flag::new("a2a-connect-timeout", "DURATION", "10s", "Time to connect to an agent"),
            Flag::new(
                "a2a-idle-timeout",
                "DURATION",
                "30m",
                "How long an agent may be silent within an answer",
            ),
            Flag::new(
                "a2a-keep-alive",
                "DURATION",
                "15s",
                "How often a silent stream carries a comment to its caller",
            ),
            Flag::new(
                "a2a-max-answer-bytes",
                "NUMBER",
                "67108864",
                "Largest answer, and largest event of a stream",
            ),
            Flag::new(
                "shutdown-drain-timeout",
                "DURATION",
                "20s",
                "How long open requests may go on after SIGTERM; a second signal ends the server at once",
            ),
        ],
    },
    Section {
        title: "Identity",
        flags: &[
            Flag::new(
                "auth-mode",
                "MODE",
                "unsecure",
                "unsecure (callers name themselves) or trusted-proxy (a proxy in front has checked the token)",
            ),
            Flag::new(
                "auth-user-id-claim",
                "CLAIM",
                "sub",
                "Claim of the token that names the user",
            ),
        ],
    },
    Section {
        title: "Cluster",
        flags: &[
            Flag::new(
                "kubeconfig",
                "FILE",
                "",
                "Kubeconfig [default: in-cluster, else ~/.kube/config]",
            ),
            Flag::new(
                "watch-namespaces",
                "LIST",
                "",
                "Namespaces to watch, separated by commas [default: all]",
            ),
            Flag::new(
                "kagent-namespace",
                "NAMESPACE",
                "kagent",
                "Namespace this server is installed in",
            ),
            Flag::new(
                "kagent-controller-name",
                "NAME",
                "kagent-controller",
                "Name of this server's Service, under which agents reach it",
            ),
            Flag::new(
                "kagent-a2a-debug-addr",
                "ADDRESS",
                "",
                "Connect to this address instead of every agent; for debugging outside a cluster",
            ),
        ],
    },
    Section {
        title: "Replicas",
        flags: &[
            Flag::new(
                "components",
                "LIST",
                "api,controllers",
                "What this process does: api (REST, A2A and cards), controllers (reconcile), or both, separated by a comma; one \
                 alone needs Postgres",
            ),
            Flag::switch(
                "leader-elect",
                "false",
                "Elect one of several replicas to reconcile; needs Postgres. Every replica serves, whoever leads",
            ),
            Flag::new(
                "leader-elect-resource-lock",
                "LOCK",
                "leases",
                "Where the election is: leases (the Lease 0e9f6799.kagent.dev in the installation's namespace, which keeps a \
                 Go controller out as well) or postgres (a row of the database)",
            ),
            Flag::new(
                "leader-elect-lease-duration",
                "DURATION",
                "15s",
                "How long the others wait after the leader's last sign of life; whole seconds",
            ),
            Flag::new(
                "leader-elect-renew-deadline",
                "DURATION",
                "10s",
                "How long after its last sign of life a leader still leads; shorter than the lease",
            ),
            Flag::new(
                "leader-elect-retry-period",
                "DURATION",
                "2s",
                "How often the leader renews and the others ask, which they do up to a fifth less often",
            ),
        ],
    },
    Section {
        title: "Agents",
        flags: &[
            Flag::new(
                "default-model-config-name",
                "NAME",
                "default-model-config",
                "ModelConfig of agents that name none",
            ),
            Flag::new(
                "default-model-config-namespace",
                "NAMESPACE",
                "",
                "Namespace of that ModelConfig [default: the installation's]",
            )
            .ignored("the default ModelConfig is looked up in the agent's namespace, as kagent 0.9 does"),
            Flag::new(
                "proxy-url",
                "URL",
                "",
                "Gateway through which agents reach agents and tools in the cluster",
            ),
            Flag::switch(
                "mcp-egress-plaintext",
                "false",
                "Agents call tool servers by plain HTTP",
            ),
            Flag::new("image-registry", "HOST", "cr.kagent.dev", "Registry of the agent image"),
            Flag::new(
                "image-repository",
                "PATH",
                "kagent-dev/kagent/app",
                "Repository of the agent image",
            ),
            Flag::new("image-tag", "TAG", "0.9.12", "Tag of the agent image"),
            Flag::new(
                "image-pull-policy",
                "POLICY",
                "IfNotPresent",
                "Pull policy of agent images",
            ),
            Flag::new("image-pull-secret", "NAME", "", "Pull secret of declarative agents"),
            Flag::new(
                "skills-init-image-registry",
                "HOST",
                "cr.kagent.dev",
                "Registry of the skills image",
            ),
            Flag::new(
                "skills-init-image-repository",
                "PATH",
                "kagent-dev/kagent/skills-init",
                "Repository of the skills image",
            ),
            Flag::new("skills-init-image-tag", "TAG", "0.9.12", "Tag of the skills image"),
            Flag::new(
                "skills-init-image-pull-policy",
                "POLICY",
                "IfNotPresent",
                "Pull policy of the skills image",
            )
            .ignored("kagent 0.9 does not use it either"),
            Flag::new(
                "default-service-account-name",
                "NAME",
                "",
                "Service account of agents that name none",
            ),
            Flag::new(
                "default-agent-pod-labels",
                "MAP",
                "",
                "Labels of every agent's pod: k=v,k2=v2",
            ),
            Flag::new(
                "default-agent-bind-host",
                "HOST",
                "0.0.0.0",
                "What agents listen on; :: for dual stack",
            ),
        ],
    },
    Section {
        title: "Logs",
        flags: &[
            Flag::new(
                "zap-log-level",
                "LEVEL",
                "info",
                "panic, error, warn, info, debug, trace, or a number above 0; higher tells more",
            ),
            Flag::new(
                "zap-encoder",
                "FORMAT",
                "auto",
                "json, console, or auto: console on a terminal, else json",
            ),
            Flag::switch(
                "zap-devel",
                "false",
                "Same as --zap-encoder=console --zap-log-level=debug",
            ),
            Flag::new(
                "zap-stacktrace-level",
                "LEVEL",
                "error",
                "Level from which stack traces are written",
            )
            .ignored("there are no stack traces"),
            Flag::new("zap-time-encoding", "FORMAT", "rfc3339", "Format of timestamps")
                .ignored("timestamps are RFC 3339"),
        ],
    },
    Section {
        title: "Known to kagent, without effect here",
        flags: &[
            Flag::new("metrics-cert-path", "DIR", "", "Certificate of the metrics listener")
                .ignored(NOT_YET_METRICS_TLS),
            Flag::new("metrics-cert-name", "FILE", "tls.crt", "").ignored(NOT_YET_METRICS_TLS),
            Flag::new("metrics-cert-key", "FILE", "tls.key", "").ignored(NOT_YET_METRICS_TLS),
            Flag::new("webhook-cert-path", "DIR", "", "Certificate of webhooks").ignored(NO_WEBHOOKS),
            Flag::new("webhook-cert-name", "FILE", "tls.crt", "").ignored(NO_WEBHOOKS),
            Flag::new("webhook-cert-key", "FILE", "tls.key", "").ignored(NO_WEBHOOKS),
            Flag::switch("enable-http2", "false", "HTTP/2 for metrics and webhooks").ignored("HTTP/2 is always on"),
            Flag::new("app-image-digest", "DIGEST", "", "").ignored(NO_SANDBOXES),
            Flag::new("golang-adk-image-digest", "DIGEST", "", "").ignored(NO_SANDBOXES),
            Flag::new("golang-adk-full-image-digest", "DIGEST", "", "").ignored(NO_SANDBOXES),
            Flag::new("openshell-gateway-url", "URL", "", "").ignored(NO_SANDBOXES),
            Flag::new("openshell-token", "TOKEN", "", "")
                .secret()
                .ignored(NO_SANDBOXES),
            Flag::new("openshell-token-file", "FILE", "", "").ignored(NO_SANDBOXES),
            Flag::new("openshell-tls-ca-file", "FILE", "", "").ignored(NO_SANDBOXES),
            Flag::switch("openshell-insecure", "false", "").ignored(NO_SANDBOXES),
            Flag::new("openshell-dial-timeout", "DURATION", "10s", "").ignored(NO_SANDBOXES),
            Flag::new("openshell-call-timeout", "DURATION", "30s", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-ate-api-endpoint", "URL", "", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-ate-api-token-file", "FILE", "", "").ignored(NO_SANDBOXES),
            Flag::switch("substrate-ate-api-insecure", "false", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-atenet-router-url", "URL", "", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-dial-timeout", "DURATION", "10s", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-call-timeout", "DURATION", "30s", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-default-workerpool-namespace", "NAMESPACE", "", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-default-workerpool-name", "NAME", "", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-pause-image", "IMAGE", "", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-runsc-amd64-url", "URL", "", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-runsc-amd64-sha256", "DIGEST", "", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-runsc-arm64-url", "URL", "", "").ignored(NO_SANDBOXES),
            Flag::new("substrate-runsc-arm64-sha256", "DIGEST", "", "").ignored(NO_SANDBOXES),
        ],
    },
];
