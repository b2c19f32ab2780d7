//! A network of its own for a test in which Pods run: their addresses, those of Services, and the names of both exist
//! nowhere else. The test runs again, alone, in a process of its own inside of it.

use std::{
    any::type_name,
    env, fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use kagent_core::tasks::Tasks;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    runtime::Runtime,
    time::{Instant, sleep},
};
use url::Url;

use super::{
    component::{Component, SweptDir},
    programs::SERVICES,
};

/// Addresses of Pods; those of programs that a test starts itself are from its end, see [`outside_address`].
pub(super) const PODS: &str = "10.244.0.0/16";
/// Set inside; the directory that both sides share.
const INSIDE: &str = "KAGENT_TEST_NETWORK";
/// Written when the test has come to its end.
const PASSED: &str = "passed";
/// Servers on loopback outside that tests inside need, by the variables that hold their URLs.
const REACHABLE: [&str; 1] = ["KAGENT_TEST_POSTGRES_URL"];
const LIMIT: Duration = Duration::from_secs(900);
const PAUSE: Duration = Duration::from_millis(50);

/// Arguments: the shared directory, ranges of addresses until `--`, the program.
const SETUP: &str = r#"
set -e
dir=$1; shift
ip link set lo up
while [ "$1" != -- ]; do ip route add local "$1" dev lo; shift; done
shift
cp /etc/hosts "$dir/hosts"
mount --bind "$dir/hosts" /etc/hosts
exec "$@"
"#;

const HOW: &str = "a test with Pods needs a network of its own: `unshare` (util-linux), `ip` (iproute2), and either root or \
                   user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 where AppArmor forbids them)";

/// Runs a test in a network of its own: `#[test] fn name() { isolated(async { … }) }`.
///
/// The future must be an `async` block that stands in the test function itself, which is found by its name. What listens
/// on loopback outside cannot be reached from inside, but for the Postgres of `KAGENT_TEST_POSTGRES_URL`.
///
/// # Panics
/// When the test does, with its output; and when there can be no such network, with what it needs.
pub fn isolated<F: Future<Output = ()>>(test: F) {
    let runtime = Runtime::new().expect("a runtime starts");
    let (tasks, _ends) = Tasks::new();
    match env::var_os(INSIDE).map(PathBuf::from) {
        Some(dir) => runtime.block_on(async {
            open_doors(&dir, &tasks).await.expect("what is outside can be reached");
            test.await;
            fs::write(dir.join(PASSED), "").expect("the shared directory");
        }),
        None => {
            let outcome = runtime.block_on(run_again(type_name::<F>(), &tasks));
            outcome.unwrap_or_else(|error| panic!("{error:#}"));
        }
    }
    tasks.shutdown_token().cancel();
}

/// Whether this process has a network of its own.
pub(super) fn is_isolated() -> bool {
    env::var_os(INSIDE).is_some()
}

/// The file that names of Services are added to, inside.
pub(super) fn hosts_file() -> Option<PathBuf> {
    env::var_os(INSIDE).map(|dir| PathBuf::from(dir).join("hosts"))
}

/// An address that no Pod gets, for the `number`th program that a test starts itself; Pods reach it, and EndpointSlices
/// accept it. Exists only inside.
pub fn outside_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 244, 255, number)
}

/// From the name of a test's future to the name that the test runner knows.
fn find_test_name(future: &str) -> Option<&str> {
    let (_crate, path) = future.split_once("::")?;
    path.strip_suffix("::{{closure}}")
}

async fn run_again(future: &str, tasks: &Tasks) -> Result<()> {
    let name = find_test_name(future).with_context(|| format!("{future} is no async block of a test function"))?;
    let dir = SweptDir::new("kagent-network-")?;
    make_doors(dir.path(), tasks)?;

    let mut arguments: Vec<String> = Vec::new();
    if !rustix::process::geteuid().is_root() {
        arguments.push("--map-root-user".to_owned());
    }
    arguments.extend(["--net", "--mount", "sh", "-c", SETUP, "network"].map(str::to_owned));
    arguments.push(dir.path().display().to_string());
    arguments.extend([PODS, SERVICES, "--"].map(str::to_owned));
    arguments.push(env::current_exe()?.display().to_string());
    arguments.extend([name, "--exact", "--nocapture", "--test-threads=1"].map(str::to_owned));
    let inside = [(INSIDE, dir.path())];
    let mut test = Component::spawn_with("test", dir.path(), Path::new("unshare"), &arguments, &inside).context(HOW)?;

    let deadline = Instant::now() + LIMIT;
    while test.ended()?.is_none() {
        if Instant::now() > deadline {
            bail!("{name} does not end: {}", test.read_log());
        }
        sleep(PAUSE).await;
    }
    if dir.path().join(PASSED).is_file() {
        return Ok(());
    }
    let log = test.read_log();
    if log.contains("running 1 test") {
        bail!("{name} failed in its own network:\n{log}");
    }
    bail!("{HOW}:\n{log}")
}

/// Where the door to a server on loopback is, inside and outside.
fn door(dir: &Path, port: u16) -> PathBuf {
    dir.join(format!("{port}.sock"))
}

/// Ports of loopback that tests inside need.
fn find_ports() -> Vec<u16> {
    let urls = REACHABLE.iter().filter_map(|variable| env::var(variable).ok());
    let urls = urls.filter_map(|url| Url::parse(&url).ok());
    urls.filter(|url| url.host_str() == Some("127.0.0.1"))
        .filter_map(|url| url.port())
        .collect()
}

/// Outside: whoever comes through a door is led to the server.
fn make_doors(dir: &Path, tasks: &Tasks) -> Result<()> {
    for port in find_ports() {
        let listener = UnixListener::bind(door(dir, port))?;
        let connections = tasks.clone();
        tasks.spawn("door", async move {
            while let Ok((caller, _)) = listener.accept().await {
                connections.spawn("door", async move {
                    if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                        join(caller, server).await;
                    }
                });
            }
        });
    }
    Ok(())
}

/// Inside: the same ports, each leading through its door.
async fn open_doors(dir: &Path, tasks: &Tasks) -> Result<()> {
    for port in find_ports() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let path = door(dir, port);
        let connections = tasks.clone();
        tasks.spawn("door", async move {
            while let Ok((caller, _)) = listener.accept().await {
                let path = path.clone();
                connections.spawn("door", async move {
                    if let Ok(server) = UnixStream::connect(path).await {
                        join(caller, server).await;
                    }
                });
            }
        });
    }
    Ok(())
}

/// Copies both ways until one side ends.
pub(super) async fn join(mut one: impl AsyncRead + AsyncWrite + Unpin, mut other: impl AsyncRead + AsyncWrite + Unpin) {
    // A broken connection is what the two sides see of it themselves.
    let _ = copy_bidirectional(&mut one, &mut other).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_found_by_the_name_of_its_future() {
        let future = async {};
        let name = std::any::type_name_of_val(&future);
        assert_eq!(
            find_test_name(name),
            Some("plane::isolated::tests::a_test_is_found_by_the_name_of_its_future"),
            "{name}"
        );
    }
}
