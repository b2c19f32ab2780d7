//! The small process between the server and each agent: it ends the agent with everything the agent started as soon as
//! the server is gone, however the server went.
//!
//! The server holds the guard's standard input. Its end is the order to stop, and `kill -9` of the server ends it too.
//! The guard runs the agent in a process group of its own, and the agent dies with the guard (parent-death signal).

use std::{
    convert::Infallible,
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// First argument that turns the program into a guard: `GUARD GRACE_MS PROGRAM [ARGUMENT…]`.
pub(super) const GUARD: &str = "__run-agent";
/// First argument that turns the program into the agent: `EXEC PARENT PROGRAM [ARGUMENT…]`.
const EXEC: &str = "__exec-agent";

/// Exit code when the agent's program cannot be started, as shells have it.
const EXIT_CANNOT_RUN: u8 = 127;

/// Runs as a guard when the arguments of the process say so; call this first in `main`.
///
/// `None` when the process is no guard.
pub fn run_if_guard() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let role = arguments.next()?;
    let number = arguments.next()?.to_str()?.parse::<u64>().ok()?;
    let program = arguments.next()?;
    let arguments: Vec<OsString> = arguments.collect();
    let result = match role.to_str()? {
        GUARD => guard(Duration::from_millis(number), &program, &arguments),
        EXEC => become_agent(number, &program, &arguments).map(|never| match never {}),
        _ => return None,
    };
    Some(result.unwrap_or_else(|error| {
        // This goes to the agent's log file, which is all that a guard has.
        let _ = writeln!(io::stderr(), "cannot run {}: {error}", program.display());
        ExitCode::from(EXIT_CANNOT_RUN)
    }))
}

enum Event {
    ServerGone,
    AgentEnded,
}

fn guard(grace: Duration, program: &OsStr, arguments: &[OsString]) -> io::Result<ExitCode> {
    let mut agent = Command::new(own_program())
        .arg0("kagent-agent")
        .arg(EXEC)
        .arg(std::process::id().to_string())
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()?;
    let group = pid_of(&agent)?;

    let (events, received) = mpsc::channel();
    let server_gone = events.clone();
    thread::spawn(move || {
        // The server never writes; both the end of the pipe and an error mean that nobody is there.
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1..)) {}
        let _ = server_gone.send(Event::ServerGone);
    });
    thread::spawn(move || {
        // Seen but not reaped: the group's number stays taken until the rest of the group is gone.
        let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(group), seen) {}
        let _ = events.send(Event::AgentEnded);
    });

    if matches!(received.recv(), Ok(Event::ServerGone)) {
        // An error means that the group is gone already.
        let _ = rustix::process::kill_process_group(group, Signal::TERM);
        // The only other event is the agent's end, or the time is over.
        let _ = received.recv_timeout(grace);
    }
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
    let status = agent.wait()?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn pid_of(child: &Child) -> io::Result<Pid> {
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the system gave an impossible process id"))
}

/// Asks to die with the guard and becomes the agent's program.
fn become_agent(parent: u64, program: &OsStr, arguments: &[OsString]) -> io::Result<Infallible> {
    die_with_parent()?;
    let alive = rustix::process::getppid().is_some_and(|pid| u64::try_from(pid.as_raw_pid()) == Ok(parent));
    if !alive {
        return Err(io::Error::other("the server is gone"));
    }
    Err(Command::new(program).args(arguments).exec())
}

#[cfg(target_os = "linux")]
fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Other systems have no such signal; the guard's own end of the pipe is what ends the agent there.
#[cfg(not(target_os = "linux"))]
fn die_with_parent() -> io::Result<()> {
    Ok(())
}

/// This program, also after its file was replaced by a newer one.
fn own_program() -> OsString {
    if cfg!(target_os = "linux") {
        "/proc/self/exe".into()
    } else {
        std::env::current_exe().map_or_else(|_| OsString::new(), Into::into)
    }
}
