//! Start and end of the server: ready, signals, and starts that are refused with one clear line.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    process::{Command, Output},
    time::{Duration, Instant},
};

use crate::server::{Dirs, LIMIT, get};

#[test]
fn it_becomes_ready_and_ends_at_once_on_sigterm() {
    let dirs = Dirs::new();
    let mut server = dirs.start();
    let (status, body) = get(&server.probes, "/readyz?verbose");
    assert_eq!(status, 200);
    for check in ["database", "manifests", "cluster", "serving"] {
        assert!(body.contains(&format!("[+]{check} ok")), "{body}");
    }
    assert_eq!(get(&server.probes, "/healthz"), (200, "ok".to_owned()));
    assert_eq!(get(&server.api, "/health").0, 200);

    let began = Instant::now();
    server.signal("-TERM");
    let status = server.wait_for_end();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    // Nothing was connected, so nothing had to be waited for; the rest is a busy machine.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(server.lines("ERROR", ""), Vec::<String>::new());
}

#[test]
fn a_second_signal_ends_it_while_it_drains() {
    let dirs = Dirs::new();
    let mut server = dirs.start_with(|command| {
        command.arg("--shutdown-drain-timeout=1h");
    });
    // A request whose body never comes keeps the server draining.
    let mut open = std::net::TcpStream::connect(&server.api).expect("connection");
    open.write_all(b"POST /api/sessions HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n")
        .expect("request");
    std::thread::sleep(Duration::from_millis(500));
    server.signal("-TERM");
    server.wait_for_line("draining");
    server.signal("-INT");
    assert_eq!(server.wait_for_end().code(), Some(130));
}

/// Runs a start that must fail.
fn refuse(command: &mut Command) -> (i32, Vec<String>) {
    let began = Instant::now();
    let Output { status, stderr, .. } = command.output().expect("the server starts");
    assert!(began.elapsed() < LIMIT, "it did not end by itself");
    let text = String::from_utf8(stderr).expect("text");
    let errors = text.lines().filter(|line| line.contains("\"level\":\"ERROR\""));
    let messages = errors.map(|line| line.split("\"message\":\"").nth(1).unwrap_or(line).to_owned());
    (status.code().expect("code"), messages.collect())
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let dirs = Dirs::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("listener");
    let address = taken.local_addr().expect("address");
    let (code, errors) = refuse(dirs.command().arg(format!("--http-server-address={address}")));
    assert_eq!(code, 1);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let expected = format!("cannot listen on {address} (http-server-address): the port is in use\"");
    assert!(errors[0].starts_with(&expected), "{errors:?}");
    // Nothing was touched.
    assert!(!dirs.path("state").exists());
}

#[test]
fn a_locked_sqlite_file_is_one_clear_line() {
    let dirs = Dirs::new();
    let server = dirs.start();
    let database = dirs.path("state/kagent.db");
    let mut second = Dirs::new().command();
    second.arg("--sqlite-database-path").arg(&database);
    let (code, errors) = refuse(&mut second);
    assert_eq!(code, 1);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains(&*database.to_string_lossy()), "{errors:?}");
    assert_eq!(get(&server.api, "/health").0, 200);
}

#[test]
fn a_state_directory_in_use_is_one_clear_line() {
    let dirs = Dirs::new();
    let _server = dirs.start();
    let mut second = dirs.command();
    second.arg("--sqlite-database-path").arg(dirs.path("other.db"));
    let (code, errors) = refuse(&mut second);
    assert_eq!(code, 1);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("in use"), "{errors:?}");
}

#[test]
fn a_directory_that_cannot_be_read_is_one_clear_line() {
    let dirs = Dirs::new();
    fs::remove_dir(dirs.path("manifests")).expect("directory");
    let (code, errors) = refuse(&mut dirs.command());
    assert_eq!((code, errors.len()), (1, 1), "{errors:?}");
    assert!(errors[0].contains("it does not exist"), "{errors:?}");

    fs::write(dirs.path("manifests"), "a file").expect("file");
    let (code, errors) = refuse(&mut dirs.command());
    assert_eq!((code, errors.len()), (1, 1), "{errors:?}");
    assert!(errors[0].contains("it is not a directory"), "{errors:?}");
}

#[test]
fn bad_settings_are_all_said_before_anything_starts() {
    let dirs = Dirs::new();
    let output = dirs
        .command()
        .args(["--zap-log-level=loud", "--no-such-flag"])
        .env("A2A_IDLE_TIMEOUT", "forever")
        .output()
        .expect("the server starts");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).expect("text");
    for part in [
        "--zap-log-level=\"loud\"",
        "A2A_IDLE_TIMEOUT=\"forever\"",
        "--no-such-flag",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!dirs.path("state").exists());
}
