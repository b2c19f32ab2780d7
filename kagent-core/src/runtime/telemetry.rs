//! Logs on standard error: JSON for machines, text on a terminal, with kagent's level names.

use std::{io::IsTerminal, str::FromStr};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// Text when standard error is a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// Lines for people.
    Text,
}

impl FromStr for LogFormat {
    type Err = String;

    /// `json`; `console` (kagent's name) or `text`; `auto`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "json" => Ok(Self::Json),
            "console" | "text" => Ok(Self::Text),
            _ => Err("must be one of auto, json, console, text".to_owned()),
        }
    }
}

/// The least severe level that is logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogLevel(LevelFilter);

impl Default for LogLevel {
    fn default() -> Self {
        Self(LevelFilter::INFO)
    }
}

impl FromStr for LogLevel {
    type Err = String;

    /// kagent's names: `debug`, `info`, `error`, `panic` or a whole number above 0, where a higher number tells more.
    /// `warn` and `trace` are ours. Nothing here is logged at `panic`, so it means `error`.
    fn from_str(text: &str) -> Result<Self, String> {
        let level = match text {
            "panic" | "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => match text.parse::<u32>() {
                Ok(1) => LevelFilter::DEBUG,
                Ok(2..) => LevelFilter::TRACE,
                _ => {
                    return Err(
                        "must be one of panic, error, warn, info, debug, trace, or a whole number above 0".to_owned(),
                    );
                }
            },
        };
        Ok(Self(level))
    }
}

/// What to log and how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TelemetryOptions {
    /// How lines look.
    pub format: LogFormat,
    /// The least severe level.
    pub level: LogLevel,
}

/// Libraries that tell more at `info` and `debug` than an operator wants to read.
const CHATTY: [&str; 8] = [
    "h2",
    "hyper",
    "hyper_util",
    "kube_client",
    "kube_runtime",
    "rustls",
    "sqlx",
    "tower",
];

/// What it logs by itself comes to our watches as errors, too, and is logged there, once where it repeats itself.
const SILENT: &str = "kube_runtime::watcher";

/// Installs the process-wide log. A second call changes nothing, which tests that start a server twice rely on.
pub fn init(options: &TelemetryOptions) {
    let json = match options.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let format = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(!json && std::io::stderr().is_terminal());
    let format = if json {
        format.json().flatten_event(true).with_span_list(false).boxed()
    } else {
        format.boxed()
    };
    // Fails only when a subscriber is installed already.
    let _ = tracing_subscriber::registry()
        .with(format.with_filter(filter(options.level.0)))
        .try_init();
}

fn filter(level: LevelFilter) -> Targets {
    let (chatty, silent) = if level >= LevelFilter::TRACE {
        (LevelFilter::DEBUG, LevelFilter::DEBUG)
    } else {
        (level.min(LevelFilter::WARN), LevelFilter::OFF)
    };
    Targets::new()
        .with_default(level)
        .with_targets(CHATTY.map(|target| (target, chatty)))
        .with_target(SILENT, silent)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_have_the_names_of_kagent() {
        for (text, level) in [
            ("panic", LevelFilter::ERROR),
            ("error", LevelFilter::ERROR),
            ("info", LevelFilter::INFO),
            ("debug", LevelFilter::DEBUG),
            ("1", LevelFilter::DEBUG),
            ("7", LevelFilter::TRACE),
        ] {
            assert_eq!(text.parse::<LogLevel>(), Ok(LogLevel(level)), "{text}");
        }
        for bad in ["", "0", "-1", "INFO", "verbose"] {
            assert!(bad.parse::<LogLevel>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn libraries_are_quiet_below_trace() {
        let targets = filter(LevelFilter::DEBUG);
        assert!(targets.would_enable("kagent_core::a2a", &Level::DEBUG));
        assert!(targets.would_enable("hyper::proto", &Level::WARN));
        assert!(!targets.would_enable("hyper::proto", &Level::DEBUG));
        assert!(!filter(LevelFilter::ERROR).would_enable("hyper::proto", &Level::WARN));
        assert!(targets.would_enable("kube_runtime::controller", &Level::WARN));
        assert!(!targets.would_enable("kube_runtime::watcher", &Level::ERROR));
    }
}
