//! `replay rest|a2a|rendered`: replays recorded answers against a server and prints each case as same, meant or different.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use kagent_tests::replay::{
    a2a,
    areas::Areas,
    meant::MeantList,
    rendered, rest,
    server::{Engine, Server},
};

/// Replays recorded answers of the Go controller against a server. Exit code 1 when something is different.
#[derive(Debug, Parser)]
struct Args {
    /// Kind of recordings
    #[arg(value_enum)]
    kind: Kind,
    /// Recordings of the same form [default: those of the repository]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Server program [default: $KAGENT_TEST_SERVER, else kagent-server beside this program]
    #[arg(long, value_name = "BINARY")]
    server: Option<PathBuf>,
    /// Areas, separated by commas; AREA/CASE narrows to cases that begin so [default: areas.toml]. Of rendered: cases
    #[arg(long, value_name = "AREA,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Only callers of this A2A version
    #[arg(long, value_name = "VERSION")]
    wire: Option<String>,
    /// Database of the server [default: both]
    #[arg(long, value_enum)]
    engine: Option<EngineArg>,
    /// Send the steps of all routes, also of those that are not served yet
    #[arg(long)]
    all_routes: bool,
    /// Do not read meant.toml
    #[arg(long)]
    no_meant: bool,
    /// Append what differs to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    write_differences: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Kind {
    Rest,
    A2a,
    Rendered,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum EngineArg {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing can be done where even standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was different.
async fn run(args: &Args) -> Result<bool> {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let areas = Areas::read(&recordings)?;
    let meant = match args.no_meant {
        true => MeantList::default(),
        false => MeantList::read(&recordings.join("meant.toml"))?,
    };
    match args.kind {
        Kind::A2a => replay_a2a(args, &recordings, areas, &meant).await,
        Kind::Rendered => replay_rendered(args, &recordings, &meant).await,
        Kind::Rest => replay_rest(args, &recordings, areas, &meant).await,
    }
}

async fn replay_a2a(args: &Args, recordings: &Path, areas: Areas, meant: &MeantList) -> Result<bool> {
    let (areas_asked, cases) = split_only(&args.only);
    let scope = a2a::Scope {
        areas: if areas_asked.is_empty() {
            areas.a2a.areas
        } else {
            areas_asked
        },
        wire: args.wire.clone().or(areas.a2a.wire),
        cases,
        program: args.server.clone(),
    };
    let dir = args.dir.clone().unwrap_or_else(|| recordings.join("a2a"));
    let report = a2a::replay(&dir, &scope, meant).await?;
    print(&report.to_text())?;
    Ok(report.list_different().is_empty())
}

async fn replay_rendered(args: &Args, recordings: &Path, meant: &MeantList) -> Result<bool> {
    let dir = args.dir.clone().unwrap_or_else(|| recordings.join("rendered"));
    let program = rendered::server::Program {
        path: find_server(args)?,
        on_postgres: args.engine == Some(EngineArg::Postgres),
    };
    let report = rendered::replay(&dir, &args.only, &program, meant).await?;
    print(&report.to_text())?;
    if let Some(path) = &args.write_differences {
        let mut file = std::fs::File::options().create(true).append(true).open(path)?;
        for line in report.list_as_json() {
            writeln!(file, "{line}")?;
        }
    }
    Ok(report.list_different().is_empty())
}

async fn replay_rest(args: &Args, recordings: &Path, areas: Areas, meant: &MeantList) -> Result<bool> {
    let (areas_asked, cases) = split_only(&args.only);
    let scope = rest::Scope {
        areas: if areas_asked.is_empty() {
            areas.rest.areas
        } else {
            areas_asked
        },
        cases,
        other_routes: if args.all_routes {
            Vec::new()
        } else {
            areas.rest.other_routes
        },
        poll_limit: rest::POLL_LIMIT,
    };
    let dir = args.dir.clone().unwrap_or_else(|| recordings.join("rest"));
    let program = find_server(args)?;
    let engines = match args.engine {
        None => vec![Engine::Sqlite, Engine::Postgres],
        Some(EngineArg::Sqlite) => vec![Engine::Sqlite],
        Some(EngineArg::Postgres) => vec![Engine::Postgres],
    };
    let mut is_good = true;
    for engine in engines {
        print(&format!("{engine:?}\n"))?;
        let start = async |mode: &str| Server::start(&program, mode, engine).await;
        let report = rest::replay(&dir, &scope, meant, start).await?;
        print(&report.to_text())?;
        is_good &= report.list_different().is_empty();
        if let Some(path) = &args.write_differences {
            let mut file = std::fs::File::options().create(true).append(true).open(path)?;
            for line in rest::list_as_json(&report) {
                writeln!(file, "{line}")?;
            }
        }
    }
    Ok(is_good)
}

fn find_server(args: &Args) -> Result<PathBuf> {
    let named = args
        .server
        .clone()
        .or_else(|| std::env::var_os("KAGENT_TEST_SERVER").map(PathBuf::from));
    let program = match named {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("kagent-server"),
    };
    if !program.exists() {
        bail!(
            "there is no server program at {}: build it, or name one with --server",
            program.display()
        );
    }
    std::path::absolute(&program).context("the path of the server program")
}

/// `AREA` and `AREA/CASE` of `--only`, as areas and beginnings of case names.
fn split_only(only: &[String]) -> (Vec<String>, Vec<String>) {
    let mut areas: Vec<String> = Vec::new();
    let mut cases = Vec::new();
    for word in only {
        let (area, case) = word.split_once('/').unwrap_or((word, ""));
        if !areas.iter().any(|known| known == area) {
            areas.push(area.to_owned());
        }
        if !case.is_empty() {
            cases.push(case.to_owned());
        }
    }
    (areas, cases)
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("write the report")
}
