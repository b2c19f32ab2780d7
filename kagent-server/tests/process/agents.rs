//! Agents as processes: they answer, are replaced, restarted, told about, and gone when they should be.

use std::{fs, time::Duration};

use crate::server::{Dirs, Server, agent, answering, is_alive, stub_agent, wait};

#[test]
fn an_agent_answers_through_the_server_and_follows_its_manifest() {
    let dirs = Dirs::new();
    dirs.manifest("a.yaml", &answering("echo", "first"));
    let server = dirs.start();
    server.wait_for_answer("demo/echo", "\"answer\":\"first\"");
    server.wait_for_agents("\"deploymentReady\":true");

    dirs.manifest("a.yaml", &answering("echo", "second"));
    // The old process serves until the new one answers: no call in between fails.
    wait("the second answer", || {
        let answer = server.call("demo/echo");
        assert!(answer.contains("\"answer\":"), "{answer}");
        answer.contains("second").then_some(())
    });

    fs::remove_file(dirs.path("manifests/a.yaml")).expect("manifest");
    wait("the agent to be unknown", || {
        (!server.agents().contains("echo")).then_some(())
    });
    assert!(!server.call("demo/echo").contains("\"answer\":"));
}

/// Writes the ids of one process that the agent starts and of its own, then answers. `$$` stands for `$` in arguments.
fn noting(dirs: &Dirs, name: &str) -> String {
    let file = dirs.path(name);
    let file = file.display();
    agent(
        name,
        &format!(
            "sleep 1000 &\necho $! > {file}.new\necho $$$$ >> {file}.new\nmv {file}.new {file}\nexec {}",
            stub_agent()
        ),
    )
}

fn noted(dirs: &Dirs, name: &str) -> Vec<String> {
    wait("the agent's ids", || {
        let text = fs::read_to_string(dirs.path(name)).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    })
}

fn wait_until_gone(ids: &[String]) {
    wait("the agent's processes to be gone", || {
        (!ids.iter().any(|id| is_alive(id))).then_some(())
    });
}

#[test]
fn processes_are_gone_when_the_server_is_killed() {
    let dirs = Dirs::new();
    dirs.manifest("a.yaml", &noting(&dirs, "one"));
    let mut server = dirs.start();
    let ids = noted(&dirs, "one");
    server.wait_for_answer("demo/one", "\"answer\":");
    assert!(ids.len() == 2 && ids.iter().all(|id| is_alive(id)), "{ids:?}");
    server.signal("-KILL");
    server.wait_for_end();
    wait_until_gone(&ids);
}

#[test]
fn processes_are_gone_when_the_server_has_ended() {
    let dirs = Dirs::new();
    dirs.manifest("a.yaml", &noting(&dirs, "one"));
    let mut server = dirs.start();
    let ids = noted(&dirs, "one");
    server.wait_for_answer("demo/one", "\"answer\":");
    server.signal("-TERM");
    assert_eq!(server.wait_for_end().code(), Some(0));
    assert!(!ids.iter().any(|id| is_alive(id)), "{ids:?}");
    // Files of processes hold secrets.
    assert_eq!(fs::read_dir(dirs.path("state/run/demo")).map_or(0, Iterator::count), 0);
}

#[test]
fn a_process_that_dies_is_started_again() {
    let dirs = Dirs::new();
    dirs.manifest("a.yaml", &noting(&dirs, "one"));
    let server = dirs.start();
    let ids = noted(&dirs, "one");
    server.wait_for_answer("demo/one", "\"answer\":");
    fs::remove_file(dirs.path("one")).expect("ids");
    let killed = std::process::Command::new("kill").args(["-KILL", &ids[1]]).status();
    assert!(killed.expect("kill").success());
    let again = noted(&dirs, "one");
    assert_ne!(ids[1], again[1]);
    server.wait_for_answer("demo/one", "\"answer\":");
    wait_until_gone(&ids);
}

fn assert_told_once(server: &Server, name: &str, part: &str) {
    server.wait_for_agents(part);
    wait(part, || {
        let told = server.lines("WARN", name);
        (told.iter().filter(|line| line.contains(part)).count() == 1).then_some(())
    });
}

#[test]
fn agents_that_cannot_run_are_told_about_and_hurt_nobody() {
    let dirs = Dirs::new();
    dirs.manifest("good.yaml", &answering("good", "fine"));
    dirs.manifest("ends.yaml", &agent("ends", "echo no key is set >&2\nexit 3"));
    dirs.manifest("mute.yaml", &agent("mute", "sleep 1000\ntrue"));
    let missing = answering("missing", "x").replace("cmd: sh", "cmd: no-such-program");
    dirs.manifest("missing.yaml", &missing);
    dirs.manifest(
        "declarative.yaml",
        "apiVersion: kagent.dev/v1alpha2\nkind: ModelConfig\nmetadata: {name: model, namespace: demo}\nspec: {provider: \
         OpenAI, model: m, openAI: {baseUrl: \"http://127.0.0.1:1/v1\"}}\n---\napiVersion: kagent.dev/v1alpha2\nkind: \
         Agent\nmetadata: {name: declared, namespace: demo}\nspec: {type: Declarative, description: d, declarative: \
         {modelConfig: model, systemMessage: hello}}\n",
    );
    let server = dirs.start_with(|command| {
        command.args(["--standalone-start-timeout=2s", "--kagent-adk=/no/such/kagent-adk"]);
    });
    server.wait_for_answer("demo/good", "\"answer\":\"fine\"");
    assert_told_once(
        &server,
        "ends",
        "the agent exits at once (exit status: 3), its last line: ",
    );
    assert_told_once(&server, "mute", "it must listen on the port in the variable PORT");
    assert_told_once(&server, "missing", "program no-such-program is not found");
    assert_told_once(
        &server,
        "declared",
        "the agent runtime /no/such/kagent-adk (KAGENT_ADK) is not found",
    );
    // Restarts go on and are not told again.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(server.lines("WARN", "exits at once").len(), 1);
    assert!(server.call("demo/good").contains("\"answer\":\"fine\""));
    let log = fs::read_to_string(dirs.path("state/logs/demo.ends.log")).expect("the agent's log");
    assert!(log.contains("no key is set"), "{log}");
}

#[test]
fn references_and_files_reach_the_process() {
    let dirs = Dirs::new();
    let out = dirs.path("seen");
    let show = format!(
        "cat /creds/token > {0}.new\necho \"[$KEY][$KAGENT_URL][$POSTGRES_DATABASE_URL]\" >> {0}.new\nmv {0}.new {0}\n\
         exec {1}",
        out.display(),
        stub_agent()
    );
    let manifest = agent("one", &show)
        + "      env:\n      - name: KEY\n        valueFrom: {secretKeyRef: {name: keys, key: token}}\n      \
           volumes:\n      - {name: creds, secret: {secretName: keys}}\n      volumeMounts:\n      - {name: creds, \
           mountPath: /creds}\n";
    dirs.manifest("a.yaml", &manifest);
    dirs.manifest(
        "z.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: demo}\nstringData: {token: \"s3cret \"}\n",
    );
    let server = dirs.start_with(|command| {
        command
            .env("DATABASE_TYPE", "sqlite")
            .env("POSTGRES_DATABASE_URL", "postgres://user:hidden@localhost/db");
    });
    let seen = wait("the agent's own view", || fs::read_to_string(&out).ok());
    assert_eq!(seen, format!("s3cret [s3cret ][http://{}][]\n", server.api));
    assert!(!server.log().contains("hidden") && !server.log().contains("s3cret"));
}
