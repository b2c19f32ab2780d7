//! `cargo xtask ci`: the stages that must pass before a change lands, cheapest first, each with its time.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::process::{self, say};

/// What an embedder may switch on alone; a feature adds modules and must build without the others.
const FEATURE_SETS: [&str; 7] = [
    "",
    "sqlite",
    "postgres",
    "kube",
    "http,sqlite",
    "test-util",
    "http,kube,postgres,runtime,sqlite,standalone,test-util",
];

/// Runs all stages; ends at the first that fails.
pub(crate) fn run() -> Result<()> {
    let started = Instant::now();
    let mut times = Vec::new();
    let mut stage = |name: &'static str, steps: &dyn Fn() -> Result<()>| -> Result<()> {
        say(&format!("== {name}"));
        let started = Instant::now();
        let outcome = steps();
        let took = started.elapsed();
        say(&format!(
            "== {name}: {} in {}",
            if outcome.is_ok() { "ok" } else { "FAILED" },
            format_time(took)
        ));
        times.push((name, took));
        outcome
    };

    stage("fmt", &|| cargo(&["fmt", "--all", "--check"]))?;
    stage("tidy", &crate::tidy::run)?;
    stage("clippy", &|| {
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ])
    })?;
    stage("features", &|| {
        FEATURE_SETS.iter().try_for_each(|features| {
            say(&format!("   kagent-core with [{features}]"));
            cargo(&[
                "check",
                "-q",
                "-p",
                "kagent-core",
                "--no-default-features",
                "--features",
                features,
            ])
        })
    })?;
    stage("fuzz", &crate::fuzz::check)?;
    stage("test", &|| xtask(&["test"]))?;
    stage("doc", &|| {
        process::run(
            process::cargo()
                .args(["doc", "--workspace", "--all-features", "--no-deps"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    })?;
    stage("crds", &|| crate::generate::run_generator("crds", true))?;
    stage("openapi", &|| crate::generate::run_generator("openapi", true))?;
    stage("quickstart", &|| xtask(&["quickstart", "--once"]))?;

    say("== all stages passed");
    for (name, took) in times {
        say(&format!("   {name:<12}{:>9}", format_time(took)));
    }
    say(&format!("   {:<12}{:>9}", "total", format_time(started.elapsed())));
    Ok(())
}

fn cargo(args: &[&str]) -> Result<()> {
    process::run(process::cargo().args(args))
}

/// A task as its own process, exactly as a person would start it.
fn xtask(args: &[&str]) -> Result<()> {
    process::run(process::cargo().arg("xtask").args(args))
}

fn format_time(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(format_time(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(format_time(Duration::from_secs(61)), "1 min 01 s");
    }
}
