//! `cargo xtask fuzz`: builds the targets of `fuzz/` with libFuzzer's instrumentation and runs each for a while.
//!
//! The pinned stable compiler does: our code has no `unsafe`, so that the sanitizers, which want a nightly one, have
//! little to find, and coverage feedback is a stable flag.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{self, say};

/// Coverage feedback for libFuzzer, as its documentation names the passes.
const INSTRUMENT: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 --cfg=fuzzing";

/// Arguments of the fuzzer.
#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// Targets; all of them when none is named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Run every input of the corpus once and look for no new ones
    #[arg(long, conflicts_with = "seconds")]
    seeds_only: bool,
}

/// Runs the targets one after another; an input that breaks one is kept under `fuzz/artifacts` and named.
pub(crate) fn run(args: &FuzzArgs) -> Result<()> {
    let dir = process::workspace_root().join("fuzz");
    let known = list_targets(&dir)?;
    if let Some(unknown) = args.targets.iter().find(|target| !known.contains(target)) {
        bail!("there is no fuzz target {unknown}; there are: {}", known.join(", "));
    }
    let targets = if args.targets.is_empty() { &known } else { &args.targets };
    let triple = host_triple()?;
    let mut build = process::cargo();
    build
        .current_dir(&dir)
        .env("RUSTFLAGS", INSTRUMENT)
        // Instrumented for this machine only, not the build scripts and macros that run in the compiler.
        .args(["build", "--release", "--locked", "--target", &triple]);
    for target in targets {
        build.args(["--bin", target]);
    }
    process::run(&mut build)?;
    for target in targets {
        say(&format!("-- fuzz {target}"));
        run_target(
            args,
            &dir,
            &dir.join("target").join(&triple).join("release").join(target),
            target,
        )?;
    }
    Ok(())
}

/// Checks that the targets build, without the instrumentation, on what the workspace has built already.
pub(crate) fn check() -> Result<()> {
    process::run(
        process::cargo()
            .current_dir(process::workspace_root().join("fuzz"))
            .env("CARGO_TARGET_DIR", process::target_dir())
            .args(["check", "-q", "--locked"]),
    )
    .context(
        "the fuzz targets do not build (where the lock file is what is wrong: \
         `cargo update --workspace --manifest-path fuzz/Cargo.toml`)",
    )
}

fn run_target(args: &FuzzArgs, dir: &Path, program: &Path, target: &str) -> Result<()> {
    let found = make_dir(dir.join("corpus").join(target))?;
    let artifacts = make_dir(dir.join("artifacts").join(target))?;
    let mut command = std::process::Command::new(program);
    command
        .arg("-timeout=10")
        .arg("-rss_limit_mb=2048")
        .arg("-print_final_stats=1")
        .arg("-verbosity=0")
        .arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(if args.seeds_only {
        "-runs=0".to_owned()
    } else {
        format!("-max_total_time={}", args.seconds)
    });
    // New inputs go to the first folder; the seeds are committed and only read.
    command.arg(found).arg(dir.join("seeds").join(target));
    process::run(&mut command).with_context(|| {
        format!(
            "fuzz target {target} failed: the input is in {}; run it again with that file as the only argument of {}",
            artifacts.display(),
            program.display()
        )
    })
}

fn make_dir(dir: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// The targets are the files; each has seeds.
fn list_targets(dir: &Path) -> Result<Vec<String>> {
    let folder = dir.join("fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if let Some(name) = path
            .file_stem()
            .filter(|_| path.extension().is_some_and(|it| it == "rs"))
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn host_triple() -> Result<String> {
    let version = process::read(
        std::process::Command::new("rustc")
            .arg("-vV")
            .current_dir(process::workspace_root()),
    )?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV does not name the host")
}
