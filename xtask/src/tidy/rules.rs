//! The rules as data: which module may import which, what stays out where, limits and names.

/// Modules that every module of kagent-core may import.
pub(super) const FOUNDATION: [&str; 7] = ["api", "clock", "error", "gocompat", "ident", "resolve", "tasks"];

/// A module of kagent-core and what it may import besides itself, [`FOUNDATION`] and the crate's re-exports.
pub(super) struct ModuleRule {
    /// `store`, or `store::sqlite` for a part with rules of its own; the longest match counts.
    pub(super) module: &'static str,
    /// Modules, or parts of them.
    pub(super) may_import: &'static [&'static str],
    /// Crates and paths that stay out, with the reason as the last part.
    pub(super) keep_out: &'static [(&'static str, &'static str)],
}

const PURE: &[(&str, &str)] = &[
    ("kube::Client", "this module is pure: same input, same bytes; no client"),
    ("kube::Api", "this module is pure: same input, same bytes; no client"),
    ("tokio", "this module is pure: no I/O, no time"),
    ("std::env", "this module is pure: no environment"),
    ("std::fs", "this module is pure: no I/O"),
    ("std::time::Instant", "this module is pure: no time"),
    ("std::time::SystemTime", "this module is pure: no time"),
    ("crate::clock", "this module is pure: no time, no randomness"),
    ("crate::resolve", "this module is pure: no I/O"),
];

const NO_HTTP: &[(&str, &str)] = &[
    ("axum", "no HTTP types below the `http` module"),
    ("utoipa", "no API document below the `http` module"),
];

const NO_ENGINE: &[(&str, &str)] = &[
    ("sqlx", "SQL stays in `store`; go through the trait"),
    (
        "crate::store::sqlite",
        "use the `Store` traits; only a shell chooses an engine",
    ),
    (
        "crate::store::postgres",
        "use the `Store` traits; only a shell chooses an engine",
    ),
];

const SERVICE_OUT: &[(&str, &str)] = &[
    ("axum", "a service has no HTTP type; that is the handler's part"),
    ("utoipa", "a service has no HTTP type; that is the handler's part"),
    ("sqlx", "SQL stays in `store`; go through the trait"),
    (
        "crate::store::sqlite",
        "use the `Store` traits; only a shell chooses an engine",
    ),
    (
        "crate::store::postgres",
        "use the `Store` traits; only a shell chooses an engine",
    ),
];

/// The import table. A new top-level module of kagent-core gets a row here, and one in ARCHITECTURE.md.
pub(super) const MODULES: &[ModuleRule] = &[
    rule("api", &[], &[]),
    rule("error", &[], &[]),
    rule("ident", &[], &[]),
    rule("clock", &[], &[]),
    rule("tasks", &[], &[]),
    rule("resolve", &[], &[]),
    rule("gocompat", &[], &[]),
    rule("card", &[], PURE),
    rule("translate", &[], PURE),
    rule("store", &[], NO_HTTP),
    rule("registry", &[], NO_ENGINE),
    rule("registry::informer", &["cluster", "registry", "translate"], NO_ENGINE),
    rule("leader", &["store"], NO_ENGINE),
    rule("transport", &[], NO_ENGINE),
    rule("auth", &[], NO_ENGINE),
    rule("cluster", &["translate"], NO_ENGINE),
    rule("mcp", &["translate"], NO_ENGINE),
    rule("providers", &[], NO_ENGINE),
    rule("a2a", &["auth", "registry", "transport"], NO_ENGINE),
    rule(
        "service",
        &[
            "a2a::translate",
            "auth",
            "card",
            "cluster",
            "registry",
            "store",
            "translate",
        ],
        SERVICE_OUT,
    ),
    rule(
        "controller",
        &["cluster", "leader", "mcp", "providers", "store", "translate"],
        NO_ENGINE,
    ),
    rule("web", &["auth"], NO_ENGINE),
    rule(
        "http",
        &[
            "a2a",
            "auth",
            "card",
            "cluster",
            "registry",
            "service",
            "store",
            "translate",
            "web",
        ],
        NO_ENGINE,
    ),
    rule("standalone", &["translate"], NO_ENGINE),
    rule("runtime", &[], NO_ENGINE),
];

const fn rule(
    module: &'static str,
    may_import: &'static [&'static str],
    keep_out: &'static [(&'static str, &'static str)],
) -> ModuleRule {
    ModuleRule {
        module,
        may_import,
        keep_out,
    }
}

/// Lines of a file without its tests: more is a warning.
pub(super) const SOFT_LINES: usize = 400;
/// Lines of a file with its tests: more is an error.
pub(super) const HARD_LINES: usize = 800;

/// Names that say nothing about what is inside.
pub(super) const DRAWER_NAMES: [&str; 8] = [
    "util", "utils", "common", "helper", "helpers", "misc", "shared", "stuff",
];

/// Files of `http/` that have no `service/` of the same name, because they are not about a resource.
pub(super) const HTTP_WITHOUT_SERVICE: [&str; 11] = [
    "a2a",
    "agent_body",
    "agent_views",
    "document",
    "entry",
    "mcp",
    "meta",
    "health",
    "proxy",
    "state",
    "views",
];

/// Crates that must not be in any build, with the reason.
pub(super) const DENIED_CRATES: [(&str, &str); 4] = [
    ("ring", "TLS is rustls with aws-lc-rs"),
    ("openssl", "TLS is rustls with aws-lc-rs"),
    ("openssl-sys", "TLS is rustls with aws-lc-rs"),
    ("native-tls", "TLS is rustls with aws-lc-rs"),
];

/// Crates whose types cross our interfaces, so there must be one version of each.
pub(super) const SINGLE_VERSION: [&str; 16] = [
    "axum",
    "bytes",
    "http",
    "http-body",
    "hyper",
    "hyper-util",
    "jiff",
    "k8s-openapi",
    "kube",
    "rustls",
    "serde",
    "serde_json",
    "sqlx-core",
    "tokio",
    "tower",
    "utoipa",
];

/// Crates that `kagent-api` must not bring: it is types only.
pub(super) const NOT_IN_API: [&str; 5] = ["hyper", "rustls", "sqlx", "tokio", "tower"];

/// Licences that may be in our binaries. An `OR` needs one of them, an `AND` all.
pub(super) const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];
