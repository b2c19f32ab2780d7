//! `cargo xtask bench a2a`: the A2A hop through `kagent-server` beside a bare hyper reverse proxy to the same agent.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use http::Uri;
use kagent_bench::{
    agent,
    go_controller::{GoController, find_go_controller},
    load,
    process::Process,
    proxy,
    report::{Goal, Measure, build_table},
    server::{Server, build_manifest, find_server},
};
use tokio::net::TcpListener;

const BENCH: &str = "a2a";
const PROXY: &str = "bare hyper reverse proxy";
const GO: &str = "Go controller";
/// Rounds of a unary measure; the median counts.
const ROUNDS: usize = 5;
/// Starts of a server; the median counts.
const STARTS: usize = 7;
/// Time for a process to settle before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// Measures A2A through kagent-server and through a bare reverse proxy, in one run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// One JSON line per measure instead of a table.
    #[arg(long, global = true)]
    json: bool,
    /// Seconds of one unary round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Idle streams.
    #[arg(long, default_value_t = 2000)]
    streams: usize,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// The agent; listens on `PORT` or on a free port.
    #[command(hide = true)]
    Agent {
        /// Where to write the port.
        #[arg(long)]
        port_file: PathBuf,
        /// Port to listen on, 0 = a free one.
        #[arg(long, env = "PORT", default_value_t = 0)]
        port: u16,
    },
    /// The reference; prints its address.
    #[command(hide = true)]
    Proxy {
        /// The agent.
        #[arg(long)]
        to: Uri,
    },
    /// Unary load; prints what it saw.
    #[command(hide = true)]
    Unary {
        /// Where to.
        #[arg(long)]
        to: Uri,
        /// Connections.
        #[arg(long)]
        connections: usize,
        /// Milliseconds.
        #[arg(long)]
        millis: u64,
    },
    /// Opens streams, says so, and holds them until its input is closed.
    #[command(hide = true)]
    Streams {
        /// Where to.
        #[arg(long)]
        to: Uri,
        /// How many.
        #[arg(long)]
        count: usize,
    },
}

#[expect(clippy::print_stdout, reason = "a program's output")]
fn say(line: &str) {
    println!("{line}");
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let threads = if arguments.part.is_some() { 2 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    match arguments.part {
        None => measure(&arguments, &runtime),
        Some(part) => runtime.block_on(run_part(part)),
    }
}

async fn run_part(part: Part) -> Result<()> {
    match part {
        Part::Agent { port_file, port } => {
            let listener = TcpListener::bind(("127.0.0.1", port)).await?;
            std::fs::write(port_file, listener.local_addr()?.port().to_string())?;
            agent::serve(listener).await
        }
        Part::Proxy { to } => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            say(&listener.local_addr()?.to_string());
            proxy::serve(listener, to).await
        }
        Part::Unary {
            to,
            connections,
            millis,
        } => {
            let run = load::run_unary(&to, connections, Duration::from_millis(millis)).await?;
            say(&serde_json::to_string(&run)?);
            Ok(())
        }
        Part::Streams { to, count } => {
            let streams = load::open_streams(&to, count).await?;
            say(&streams.len().to_string());
            tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
            drop(streams);
            Ok(())
        }
    }
}

/// One side of a measure.
struct Side<'a> {
    process: &'a Process,
    url: Uri,
}

#[derive(Clone, Copy, Debug, Default)]
struct Unary {
    rps: f64,
    cpu_us: f64,
    p50_us: f64,
}

impl Side<'_> {
    fn unary(&self, connections: usize, time: Duration) -> Result<Unary> {
        let before = self.process.cpu()?;
        let mut load = Process::start_self(&[
            "unary",
            "--to",
            &self.url.to_string(),
            "--connections",
            &connections.to_string(),
            "--millis",
            &time.as_millis().to_string(),
        ])?;
        let run: load::UnaryRun = serde_json::from_str(&load.read_line()?).context("the load's figures")?;
        let cpu = self.process.cpu()? - before;
        Ok(Unary {
            rps: run.requests as f64 / run.seconds,
            cpu_us: cpu.as_secs_f64() * 1e6 / run.requests as f64,
            p50_us: run.p50_us,
        })
    }

    /// Bytes per idle stream.
    fn memory_per_stream(&self, count: usize) -> Result<f64> {
        std::thread::sleep(SETTLE);
        let before = self.process.memory()?;
        let mut streams =
            Process::start_self(&["streams", "--to", &self.url.to_string(), "--count", &count.to_string()])?;
        streams.read_line()?;
        std::thread::sleep(SETTLE);
        let after = self.process.memory()?;
        Ok(after.saturating_sub(before) as f64 / count as f64)
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Rounds on all sides in turn, so that a busy machine hurts all.
fn measure_unary(sides: &[Side<'_>], connections: usize, time: Duration) -> Result<Vec<Unary>> {
    let mut rounds = vec![Vec::new(); sides.len()];
    for side in sides {
        side.unary(connections, Duration::from_secs(1))?;
    }
    for _ in 0..ROUNDS {
        for (side, rounds) in sides.iter().zip(&mut rounds) {
            rounds.push(side.unary(connections, time)?);
        }
    }
    let medians = rounds.into_iter().map(|rounds| {
        let of = |figure: fn(&Unary) -> f64| median(rounds.iter().map(figure).collect());
        Unary {
            rps: of(|round| round.rps),
            cpu_us: of(|round| round.cpu_us),
            p50_us: of(|round| round.p50_us),
        }
    });
    Ok(medians.collect())
}

fn measure_start(program: &Path) -> Result<[Measure; 2]> {
    let mut starts = Vec::new();
    let mut memory = Vec::new();
    for round in 0..STARTS {
        let server = Server::start(program, None)?;
        starts.push(server.start_to_ready.as_secs_f64() * 1e3);
        if round < 3 {
            std::thread::sleep(SETTLE);
            memory.push(server.process().memory()? as f64 / f64::from(1 << 20));
        }
    }
    Ok([
        Measure::new(BENCH, "server.start_to_ready", "ms", median(starts)).with_goal(Goal::AtMost(150.0)),
        Measure::new(BENCH, "server.memory_idle", "MiB", median(memory)),
    ])
}

fn measure(arguments: &Arguments, runtime: &tokio::runtime::Runtime) -> Result<()> {
    let program = find_server()?;
    let mut measures = measure_start(&program)?.to_vec();
    let folder = tempfile::tempdir()?;
    let port_file = folder.path().join("port");
    let server = Server::start(&program, Some(&build_manifest("stub", &port_file)?))?;
    let port = server.wait_for_agent(&port_file)?;
    let mut bare = Process::start_self(&["proxy", "--to", &format!("http://127.0.0.1:{port}/")])?;
    let address = bare.read_line()?;
    let go = match find_go_controller() {
        Some(program) => Some(runtime.block_on(GoController::start(&program, port))?),
        None => None,
    };
    let mut sides = vec![
        Side {
            process: server.process(),
            url: server.agent_url("kagent", "stub")?,
        },
        Side {
            process: &bare,
            url: format!("http://{address}/").parse()?,
        },
    ];
    let mut names = vec![PROXY];
    if let Some(go) = &go {
        sides.push(Side {
            process: go.process(),
            url: go.agent_url()?,
        });
        names.push(GO);
    }
    let time = Duration::from_secs(arguments.seconds);
    for connections in [1, 32] {
        let medians = measure_unary(&sides, connections, time)
            .with_context(|| format!("{connections} connections; the server's log:\n{}", server.log()))?;
        let named = |measure: &str| format!("a2a.unary.{measure}{}", if connections == 1 { ".c1" } else { "" });
        let [ours, references @ ..] = &medians[..] else {
            continue;
        };
        for (&name, reference) in names.iter().zip(references) {
            let cpu = Measure::new(BENCH, named("cpu_per_request"), "us", ours.cpu_us).beside(name, reference.cpu_us);
            measures.extend([
                Measure::new(BENCH, named("rps"), "1/s", ours.rps).beside(name, reference.rps),
                if name == PROXY {
                    cpu.with_goal(Goal::RatioAtMost(1.3))
                } else {
                    cpu
                },
                Measure::new(BENCH, named("p50"), "us", ours.p50_us).beside(name, reference.p50_us),
            ]);
        }
    }
    let memory = sides
        .iter()
        .map(|side| Ok(side.memory_per_stream(arguments.streams)? / 1024.0))
        .collect::<Result<Vec<f64>>>()?;
    for (&name, &reference) in names.iter().zip(&memory[1..]) {
        let measure = Measure::new(BENCH, "a2a.stream.memory_per_idle", "KiB", memory[0]).beside(name, reference);
        measures.push(if name == PROXY {
            measure.with_goal(Goal::AtMost(24.0))
        } else {
            measure
        });
    }
    if arguments.json {
        for measure in &measures {
            say(&serde_json::to_string(measure)?);
        }
    } else {
        say(&build_table(&measures));
    }
    Ok(())
}
