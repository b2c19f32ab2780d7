//! Puts the parts together, in the order in which they start; read it top to bottom.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use kagent_core::{
    Error,
    a2a::{Relay, RelayConfig},
    auth::{AllowAll, Authenticator, trusted_proxy::TrustedProxy, unsecured::Unsecured},
    card::standard::StandardCards,
    clock::{Clock, SystemClock},
    cluster::{Cluster, WatchScope},
    controller,
    error::Result,
    http::{AppState, BuildInfo, Limits, service},
    registry::{informer, table::RouteTable},
    resolve::{DnsResolver, FixedResolver, HostResolver},
    runtime::{
        admin::{metrics_router, probes_router},
        health::Checks,
        metrics::{Metrics, count_request},
        serve::{ServeOptions, listen, serve},
    },
    standalone::{self, StandaloneConfig},
    store::{
        self, Store, StoreConfig,
        metered::{MeteredStore, StoreMetrics},
    },
    tasks::Tasks,
    translate::TranslateOptions,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    args::{Args, AuthMode, Database},
    election::{build_elector, register_leading, show_leadership},
};

/// Time for background work to end, beyond what agents get.
const TASKS_END: Duration = Duration::from_secs(5);
/// Scrapes and probes are short; what is open longer than this is cut.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// Runs the server until `stop` is cancelled or a part that it cannot do without ends.
///
/// # Errors
/// One line: why it could not start, or which part ended.
pub async fn run(args: Args, stop: CancellationToken) -> Result<()> {
    let (tasks, mut ends) = Tasks::new();
    let limit = TASKS_END
        + args
            .standalone
            .as_ref()
            .map_or(Duration::ZERO, |standalone| standalone.stop_timeout);
    let result = tokio::select! {
        result = serve_all(&args, &tasks, stop.clone()) => result,
        Some(name) = ends.next() => Err(Error::internal(format!("{name} ended unexpectedly"))),
    };
    if !tasks.shutdown(limit).await {
        tracing::warn!(limit_s = limit.as_secs(), "background work did not end in time");
    }
    if result.is_ok() {
        tracing::info!("stopped");
    }
    result
}

async fn serve_all(args: &Args, tasks: &Tasks, stop: CancellationToken) -> Result<()> {
    for note in &args.notes {
        tracing::warn!("{note}");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let checks = Checks::default();

    // 1. Listeners first: a port in use is said before anything is touched.
    let listener = if args.components.api {
        Some(listen("http-server-address", &args.http_server_address).await?)
    } else {
        None
    };
    let address = listener.as_ref().map(local_address).transpose()?;
    let server_url = address.map(url_of).transpose()?;
    let mut metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let a2a_metrics = kagent_core::a2a::metrics::Metrics::default();
    a2a_metrics.register(metrics.registry());
    let store_metrics = StoreMetrics::register(metrics.registry().sub_registry_with_prefix("kagent"));
    let leading = register_leading(&mut metrics);
    let metrics = Arc::new(metrics);
    let mut probes_address = String::from("none");
    if let Some(address) = &args.health_probe_address {
        let listener = listen("health-probe-bind-address", address).await?;
        probes_address = local_address(&listener)?.to_string();
        serve_admin(listener, probes_router(checks.clone()), tasks);
    }
    let mut metrics_address = String::from("none");
    if let Some(address) = &args.metrics_address {
        let listener = listen("metrics-bind-address", address).await?;
        metrics_address = local_address(&listener)?.to_string();
        serve_admin(listener, metrics_router(metrics.clone()), tasks);
    }
    let draining = checks.gate("serving", "the server is starting");

    // 2. Store.
    let store = open_store(args, clock.clone(), tasks).await?;
    let store = Arc::new(MeteredStore::new(store, store_metrics)) as Arc<dyn Store>;
    let checked = store.clone();
    checks.register("database", move || {
        let store = checked.clone();
        async move { store.check_health().await.map_err(|error| error.to_string()) }
    });

    // 3. Kubernetes API: of a cluster, or our own.
    let (client, resolver) = match &args.standalone {
        Some(standalone) => {
            let started = standalone::start(
                StandaloneConfig {
                    dir: standalone.dir.clone(),
                    state_dir: standalone.state_dir.clone(),
                    kube_address: standalone.kube_address,
                    server_url: show_url(server_url.as_ref()),
                    guard: own_program()?,
                    adk: standalone.adk.clone(),
                    environment: environment(),
                    default_namespace: args.kagent_namespace.clone(),
                    start_timeout: standalone.start_timeout,
                    grace: standalone.stop_timeout,
                    clock: clock.clone(),
                },
                tasks,
            )
            .await?;
            let loaded = started.loaded;
            checks.register("manifests", move || {
                std::future::ready(if *loaded.borrow() {
                    Ok(())
                } else {
                    Err("not all manifests have been looked at yet".to_owned())
                })
            });
            (started.client, Arc::new(started.hosts) as Arc<dyn HostResolver>)
        }
        None => (
            connect_kube(args).await?,
            Arc::new(DnsResolver) as Arc<dyn HostResolver>,
        ),
    };
    let resolver = match &args.a2a_debug_address {
        Some((host, port)) => Arc::new(FixedResolver::new(host, *port)),
        None => resolver,
    };

    // 4. What every replica sees of the cluster, and where agents are.
    let scope = WatchScope::from_namespaces(args.watch_namespaces.iter().cloned());
    let cluster = Cluster::start(client, scope, tasks);
    let sync = cluster.sync().clone();
    checks.register("cluster", move || {
        let pending = sync.pending();
        std::future::ready(if pending.is_empty() {
            Ok(())
        } else {
            Err(format!("not read yet: {}", pending.join(", ")))
        })
    });

    let permissions = cluster.permissions().clone();
    checks.register_warning("permissions", move || {
        let missing: Vec<_> = permissions.missing().iter().map(ToString::to_string).collect();
        std::future::ready(if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("missing: {}", missing.join("; ")))
        })
    });

    // 5. Writers, of which only the leader's work.
    let options = Arc::new(build_options(args, server_url.as_ref()));
    if args.components.controllers {
        let leader = build_elector(args, &cluster, &store, &clock, &stop, tasks)?;
        show_leadership(leading, &cluster, leader.clone(), tasks);
        controller::run(
            controller::Context {
                cluster: cluster.clone(),
                store: store.clone(),
                leader,
                options: options.clone(),
                clock: clock.clone(),
            },
            tasks,
        );
    }

    // 6. The API, of every replica that has it.
    let (Some(listener), Some(address), Some(server_url)) = (listener, address, server_url) else {
        draining.open();
        tracing::info!(
            probes = probes_address,
            metrics = metrics_address,
            version = env!("CARGO_PKG_VERSION"),
            "working, without an API"
        );
        stop.cancelled().await;
        return Ok(());
    };
    let routes = Arc::new(RouteTable::new());
    informer::start(&cluster, routes.clone(), tasks);
    let relay = Relay::new(RelayConfig {
        connect_timeout: args.a2a.connect_timeout,
        idle_timeout: args.a2a.idle_timeout,
        keep_alive: args.a2a.keep_alive,
        max_body: args.http_max_body,
        max_answer: args.a2a.max_answer,
        clock: clock.clone(),
        metrics: a2a_metrics,
        ..RelayConfig::new(resolver)
    });
    let stopping = stop.clone();
    tasks.spawn("a2a.connections", relay.upstream().clone().keep_tidy(stopping));
    let api = service(AppState {
        store,
        authenticator: build_authenticator(&args.auth),
        authorizer: Arc::new(AllowAll),
        cluster,
        options,
        routes,
        cards: Arc::new(StandardCards),
        relay,
        base_url: Arc::new(args.a2a_base_url.clone().unwrap_or(server_url)),
        proxies_hosts: args.standalone.is_some(),
        build: Arc::new(build_info()),
        limits: Limits {
            max_body: args.http_max_body,
            request_time: args.http_request_timeout,
        },
    });

    // 7. Serve until asked to stop, then let open requests end.
    draining.open();
    tracing::info!(
        %address,
        probes = probes_address,
        metrics = metrics_address,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    let stopping = stop.clone();
    tasks.spawn("draining", async move {
        stopping.cancelled().await;
        draining.close("the server is stopping");
    });
    match args.metrics_address {
        Some(_) => {
            let counted = axum::middleware::from_fn_with_state(metrics, count_request);
            let router = axum::Router::new().fallback_service(api).layer(counted);
            serve(listener, router, args.serve, stop, tasks.clone()).await;
        }
        None => serve(listener, api, args.serve, stop, tasks.clone()).await,
    }
    Ok(())
}

fn serve_admin(listener: TcpListener, router: axum::Router, tasks: &Tasks) {
    let options = ServeOptions {
        header_timeout: Duration::from_secs(10),
        drain_timeout: ADMIN_DRAIN,
    };
    let stop = tasks.shutdown_token().clone();
    tasks.spawn("admin", serve(listener, router, options, stop, tasks.clone()));
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|error| Error::internal("the listener has no address").with_source(error))
}

/// The URL under which this machine's own processes reach `address`.
fn url_of(address: SocketAddr) -> Result<Url> {
    let url = if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", address.port())
    } else {
        format!("http://{address}")
    };
    url.parse()
        .map_err(|error| Error::internal(format!("{url} is not a URL")).with_source(error))
}

/// Without the `/` at its end.
fn show_url(url: Option<&Url>) -> String {
    url.map_or("", Url::as_str).trim_end_matches('/').to_owned()
}

async fn open_store(args: &Args, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<Arc<dyn Store>> {
    let mut config = match &args.database {
        Database::Sqlite(path) => StoreConfig::new(format!("sqlite:{}", path.display())),
        Database::Postgres(url) => {
            let mut config = StoreConfig::new(String::new());
            config.url = SecretString::from(url.expose_secret());
            config
        }
    };
    config.max_connections = args.postgres_max_connections;
    store::connect(&config, clock, tasks).await
}

async fn connect_kube(args: &Args) -> Result<kube::Client> {
    let config = match &args.kubeconfig {
        Some(file) => {
            let kubeconfig = kube::config::Kubeconfig::read_from(file).map_err(|error| {
                Error::invalid(format!("cannot read the kubeconfig {}", file.display())).with_source(error)
            })?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
                .await
                .map_err(|error| {
                    Error::invalid(format!("cannot use the kubeconfig {}", file.display())).with_source(error)
                })?
        }
        None => kube::Config::infer().await.map_err(|error| {
            Error::invalid("there is no cluster to connect to: set KUBECONFIG, or use --standalone DIR")
                .with_source(error)
        })?,
    };
    kube::Client::try_from(config)
        .map_err(|error| Error::invalid("cannot use the connection to the cluster").with_source(error))
}

fn build_authenticator(mode: &AuthMode) -> Arc<dyn Authenticator> {
    match mode {
        AuthMode::Unsecure => Arc::new(Unsecured),
        AuthMode::TrustedProxy { user_id_claim } => Arc::new(TrustedProxy::new(user_id_claim)),
    }
}

fn build_options(args: &Args, server_url: Option<&Url>) -> TranslateOptions {
    let agents = &args.agents;
    // Without a cluster agents reach the server, and each other through it, on this machine.
    let own_url = args.standalone.as_ref().and(server_url).cloned();
    TranslateOptions {
        image_registry: agents.image_registry.clone(),
        image_repository: agents.image_repository.clone(),
        image_tag: agents.image_tag.clone(),
        image_pull_policy: agents.image_pull_policy.clone(),
        image_pull_secret: agents.image_pull_secret.clone(),
        skills_init_image_registry: agents.skills_init_image_registry.clone(),
        skills_init_image_repository: agents.skills_init_image_repository.clone(),
        skills_init_image_tag: agents.skills_init_image_tag.clone(),
        default_service_account_name: agents.default_service_account_name.clone(),
        default_agent_pod_labels: agents.default_agent_pod_labels.clone(),
        default_agent_bind_host: agents.default_agent_bind_host.clone(),
        mcp_egress_plaintext: agents.mcp_egress_plaintext,
        default_model_config_name: agents.default_model_config_name.clone(),
        controller_name: args.kagent_controller_name.clone(),
        controller_namespace: args.kagent_namespace.clone(),
        controller_url: own_url.as_ref().map(|url| show_url(Some(url))),
        proxy_url: own_url.or_else(|| agents.proxy_url.clone()),
        watch_namespaces: args.watch_namespaces.clone(),
        otel_env: args.otel.clone(),
    }
}

fn build_info() -> BuildInfo {
    BuildInfo {
        // The words of an unstamped build are those of the Go controller.
        version: option_env!("KAGENT_VERSION").unwrap_or("dev").to_owned(),
        git_commit: option_env!("KAGENT_GIT_COMMIT").unwrap_or("none").to_owned(),
        build_date: option_env!("KAGENT_BUILD_DATE").unwrap_or("unknown").to_owned(),
    }
}

/// This program, which guards agents as well.
fn own_program() -> Result<std::path::PathBuf> {
    std::env::current_exe().map_err(|error| Error::internal("cannot find this program's own file").with_source(error))
}

/// The environment, of which agents get a small part.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
