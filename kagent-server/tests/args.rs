//! Flags and environment: which wins, what is refused, what is hidden, and the committed help and documentation.
//! `UPDATE=1` rewrites the committed files.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path, time::Duration};

use kagent_server::args::{
    Args, AuthMode, Components, Database, ElectionLock, Flag, Refusal, SECTIONS, Support, command,
};

fn read(words: &[&str], environment: &[(&str, &str)]) -> Result<Args, Vec<String>> {
    let words = words.iter().map(Into::into).collect();
    let environment: BTreeMap<_, _> = environment
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Args::read(words, environment).map_err(|refusal| match refusal {
        Refusal::Problems(problems) => problems,
        Refusal::Text(text) => panic!("unexpected help: {text}"),
    })
}

fn refuse(words: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    read(words, environment).expect_err("refused")
}

#[test]
fn the_environment_wins_over_the_flag_and_the_flag_over_the_default() {
    let default = read(&[], &[]).expect("defaults");
    assert_eq!(default.http_server_address, ":8083");
    let flag = read(&["--http-server-address=:1"], &[]).expect("flag");
    assert_eq!(flag.http_server_address, ":1");
    let both = read(&["--http-server-address=:1"], &[("HTTP_SERVER_ADDRESS", ":2")]).expect("both");
    assert_eq!(both.http_server_address, ":2");
    let empty = read(&["--http-server-address", ":1"], &[("HTTP_SERVER_ADDRESS", "")]).expect("empty");
    assert_eq!(empty.http_server_address, ":1");
}

#[test]
fn flags_are_written_as_in_go() {
    for words in [
        &["--mcp-egress-plaintext"][..],
        &["-mcp-egress-plaintext"],
        &["-mcp-egress-plaintext=T"],
        &["--mcp-egress-plaintext=false", "--mcp-egress-plaintext=1"],
    ] {
        assert!(
            read(words, &[]).expect("valid").agents.mcp_egress_plaintext,
            "{words:?}"
        );
    }
    let args = read(&["-a2a-idle-timeout", "1h30m", "--image-tag", "-x"], &[]).expect("valid");
    assert_eq!(args.a2a.idle_timeout, Duration::from_secs(5400));
    assert_eq!(args.agents.image_tag, "-x");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let problems = refuse(
        &["--a2a-idle-timeout=5", "--bogus", "--auth-mode=magic", "--other=1"],
        &[("HTTP_MAX_BODY_BYTES", "lots"), ("WATCH_NAMESPACES", "a, B,c")],
    );
    let text = problems.join("\n");
    for part in [
        "--a2a-idle-timeout=\"5\" must be a duration",
        "--bogus",
        "--other",
        "auth-mode \"magic\" must be unsecure or trusted-proxy",
        "HTTP_MAX_BODY_BYTES=\"lots\" must be a whole number above 0",
        "WATCH_NAMESPACES=\"a, B,c\" names \"B\", which must be a DNS label",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(problems.len(), 6, "{problems:?}");
}

#[test]
fn secrets_are_in_no_message_and_no_debug_text() {
    let url = "postgres://user:hunter2@localhost/db";
    let args = read(&[], &[("POSTGRES_DATABASE_URL", url)]).expect("valid");
    assert!(matches!(args.database, Database::Postgres(_)));
    let text = format!("{args:?}");
    assert!(!text.contains("hunter2") && !text.contains("user:"), "{text}");
    let problems = refuse(&[], &[("POSTGRES_DATABASE_URL", "mysql://user:hunter2@localhost/db")]);
    assert!(!problems.join("\n").contains("hunter2"), "{problems:?}");
}

#[test]
fn the_url_in_a_file_wins_and_an_empty_file_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("file");
    let path = file.path().to_str().expect("path");
    let environment = [
        ("POSTGRES_DATABASE_URL_FILE", path),
        ("POSTGRES_DATABASE_URL", "postgres://other/db"),
    ];
    assert!(refuse(&[], &environment)[0].contains("is empty"));
    fs::write(path, "\n postgres://in-file/db \n").expect("file");
    let args = read(&[], &environment).expect("valid");
    match args.database {
        Database::Postgres(url) => {
            assert_eq!(secrecy::ExposeSecret::expose_secret(&url), "postgres://in-file/db");
        }
        Database::Sqlite(path) => panic!("{path:?}"),
    }
}

#[test]
fn the_database_is_sqlite_unless_a_postgres_url_is_given() {
    let sqlite = |args: Args| match args.database {
        Database::Sqlite(path) => path,
        Database::Postgres(_) => panic!("Postgres"),
    };
    assert_eq!(sqlite(read(&[], &[]).expect("valid")), Path::new("kagent.db"));
    let standalone = ["--standalone", "/m", "--standalone-state-dir", "/s"];
    assert_eq!(
        sqlite(read(&standalone, &[]).expect("valid")),
        Path::new("/s/kagent.db")
    );
    let both = ["--postgres-database-url=postgres://a/b", "--sqlite-database-path=x"];
    assert!(refuse(&both, &[])[0].contains("--database-type"));
    assert!(refuse(&["--database-type=postgres"], &[])[0].contains("needs --postgres-database-url"));
}

#[test]
fn standalone_mode_stays_on_the_machine_unless_told_otherwise() {
    let home = [("HOME", "/home/me")];
    let args = read(&["--standalone", "/etc/agents"], &home).expect("valid");
    assert_eq!(args.http_server_address, "127.0.0.1:8083");
    assert_eq!(args.health_probe_address.as_deref(), Some("127.0.0.1:8082"));
    assert_eq!(args.a2a_base_url, None);
    let state = args.standalone.expect("standalone").state_dir;
    assert_eq!(state, Path::new("/home/me/.local/state/kagent/etc%2Fagents"));
    let open = read(&["--standalone", "/m", "--http-server-address=0.0.0.0:8083"], &home).expect("valid");
    assert_eq!(open.http_server_address, "0.0.0.0:8083");
    assert!(refuse(&["--standalone", "/m"], &[])[0].contains("--standalone-state-dir is needed"));
}

#[test]
fn what_would_not_happen_is_refused_or_noted() {
    assert!(refuse(&["--metrics-bind-address=:9090"], &[])[0].contains("METRICS_SECURE=false"));
    assert!(read(&["--metrics-bind-address=:9090", "--metrics-secure=false"], &[]).is_ok());
    let args = read(&[], &[("OPENSHELL_TOKEN", "t0ken"), ("ENABLE_HTTP2", "true")]).expect("valid");
    assert_eq!(args.notes.len(), 2, "{:?}", args.notes);
    assert!(!args.notes.join("").contains("t0ken"));
}

const POSTGRES: &str = "--postgres-database-url=postgres://a/b";

#[test]
fn replicas_need_postgres() {
    for words in [
        &["--leader-elect"][..],
        &["--components=api"],
        &["--components=controllers"],
    ] {
        let refused = refuse(words, &[]);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(
            refused[0].contains("needs Postgres: an SQLite file belongs to one"),
            "{refused:?}"
        );
        let with_postgres = [words, &[POSTGRES]].concat();
        read(&with_postgres, &[]).expect("valid");
        let standalone = ["--standalone=/m", "--standalone-state-dir=/s"];
        let refused = refuse(&[&with_postgres[..], &standalone].concat(), &[]);
        assert!(refused[0].contains("--standalone"), "{refused:?}");
    }
    assert_eq!(read(&["--leader-elect=false"], &[]).expect("valid").election, None);
}

#[test]
fn the_election_has_the_defaults_of_client_go_and_its_durations_must_fit_together() {
    let args = read(&[POSTGRES], &[("LEADER_ELECT", "true")]).expect("valid");
    let election = args.election.expect("an election");
    assert_eq!(election.lock, ElectionLock::Leases);
    assert_eq!(election.times, kagent_core::leader::ElectionTimes::default());
    let args = read(
        &[POSTGRES, "--leader-elect", "--leader-elect-resource-lock=postgres"],
        &[
            ("LEADER_ELECT_LEASE_DURATION", "1m"),
            ("LEADER_ELECT_RETRY_PERIOD", "500ms"),
        ],
    );
    let election = args.expect("valid").election.expect("an election");
    assert_eq!(election.lock, ElectionLock::Postgres);
    assert_eq!(election.times.lease_duration, Duration::from_secs(60));
    assert_eq!(election.times.retry_period, Duration::from_millis(500));
    let refused = refuse(&[POSTGRES, "--leader-elect", "--leader-elect-renew-deadline=15s"], &[]);
    assert!(
        refused[0].contains("lease duration must be longer than the renew deadline"),
        "{refused:?}"
    );
    let refused = refuse(
        &[POSTGRES, "--leader-elect", "--leader-elect-resource-lock=endpoints"],
        &[],
    );
    assert!(refused[0].contains("must be leases or postgres"), "{refused:?}");
}

#[test]
fn components_are_both_unless_named() {
    let components = |words: &[&str]| read(&[words, &[POSTGRES]].concat(), &[]).expect("valid").components;
    let (api, controllers) = (true, true);
    assert_eq!(components(&[]), Components { api, controllers });
    assert_eq!(
        components(&["--components=controllers, api"]),
        Components { api, controllers }
    );
    assert_eq!(
        components(&["--components=api"]),
        Components {
            api,
            controllers: false
        }
    );
    assert_eq!(
        components(&["--components", "controllers"]),
        Components {
            api: false,
            controllers
        }
    );
    assert!(refuse(&[POSTGRES, "--components=ui"], &[])[0].contains("names \"ui\""));
    assert!(refuse(&[POSTGRES, "--components=,"], &[])[0].contains("must be api, controllers, or both"));
}

#[test]
fn the_environment_of_a_0_9_chart_is_understood() {
    let args = read(
        &[],
        &[
            ("A2A_BASE_URL", "http://kagent-controller.kagent.svc.cluster.local:8083"),
            ("AUTH_MODE", "trusted-proxy"),
            ("AUTH_USER_ID_CLAIM", "email"),
            ("DATABASE_VECTOR_ENABLED", "false"),
            ("DEFAULT_AGENT_POD_LABELS", "team=a,tier=b"),
            ("IMAGE_PULL_POLICY", "IfNotPresent"),
            ("KAGENT_NAMESPACE", "kagent"),
            ("LEADER_ELECT", "false"),
            ("OTEL_TRACING_ENABLED", "false"),
            (
                "POSTGRES_DATABASE_URL",
                "postgres://postgres:kagent@kagent-postgresql:5432/postgres",
            ),
            ("WATCH_NAMESPACES", ""),
            ("ZAP_LOG_LEVEL", "info"),
        ],
    )
    .expect("valid");
    assert_eq!(
        args.auth,
        AuthMode::TrustedProxy {
            user_id_claim: "email".to_owned()
        }
    );
    assert_eq!(args.agents.default_agent_pod_labels.len(), 2);
    assert_eq!(args.otel["OTEL_TRACING_ENABLED"], "false");
}

/// Compares with a committed file, or writes it with `UPDATE=1`.
fn compare(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        fs::write(&path, text).expect("file");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is stale: run again with UPDATE=1",
        path.display()
    );
}

#[test]
fn the_help_is_the_committed_one() {
    compare("tests/help.txt", &command().render_help().to_string());
}

#[test]
fn the_documentation_has_every_setting() {
    let mut text = String::from(
        "# Configuration of kagent-server\n\nWritten by `UPDATE=1 cargo test -p kagent-server --test args` from the table \
         that the server itself uses.\n\nEvery setting is a flag and an environment variable. A variable that is not \
         empty wins over the flag, the flag over the default, as in kagent 0.9. Durations (`300ms`, `1.5h`), booleans \
         (`true`, `1`, `t`) and maps (`k=v,k2=v2`) are written as in Go. Everything that is wrong is said at once, and the \
         exit code is 2. Secrets are never logged.\n\nExit codes: 0 stopped as asked, 1 failed (one line says why), 2 bad \
         settings, 128 + the signal's number after a second signal.\n",
    );
    for section in SECTIONS {
        let _ = write!(text, "\n## {}\n\n", section.title);
        text.push_str("| Flag | Environment | Default | Meaning |\n|---|---|---|---|\n");
        for flag in section.flags {
            let default = if flag.default.is_empty() {
                String::new()
            } else {
                format!("`{}`", flag.default)
            };
            let value = if flag.value.is_empty() {
                String::new()
            } else {
                format!(" {}", flag.value)
            };
            let _ = writeln!(
                text,
                "| `--{}{value}` | `{}` | {default} | {} |",
                flag.name,
                flag.variable(),
                meaning(flag)
            );
        }
    }
    compare("../docs/configuration.md", &text);
}

fn meaning(flag: &Flag) -> String {
    let note = match flag.support {
        Support::Yes => String::new(),
        Support::Ignored(why) => format!("No effect: {why}."),
    };
    let help = flag.help.replace('[', "(").replace(']', ")");
    match (help.is_empty(), note.is_empty()) {
        (true, _) => note,
        (false, true) => help,
        (false, false) => format!("{help}. {note}"),
    }
}
