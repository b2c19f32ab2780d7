//! From an Agent to an answer, on a real control plane, by the real server with the rights of its chart and no more.

use http::Method;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Pod, Secret, ServiceAccount},
    events::v1::Event,
};
use kagent_api::v1alpha2::{Agent, ModelConfig, ModelProviderConfig, RemoteMCPServer};
use kagent_tests::{
    adk::{mk_request, read_artifacts},
    model::{ModelServer, Reply},
    plane::{ClusterServer, Kubelet, isolated, outside_address, publish_service},
};
use kube::{Api, api::ListParams};
use serde_json::json;

use crate::world::{
    INSTALLATION, SERVER, create, create_namespace, mk_scout, read_rules, start_plane, wait_for, wait_until_ready,
};

const MAIN: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn an_agent_becomes_a_deployment_a_pod_and_an_answer() {
    isolated(async {
        let plane = start_plane().await;
        let kubelet = Kubelet::start(&plane).await;
        let client = plane.admin_client().await;
        read_rules().grant_cluster(&client, SERVER).await.expect("granted");
        let kubeconfig = plane.kubeconfig_for(SERVER.namespace, SERVER.name).await;
        let mut server = ClusterServer::spawn(1, &kubeconfig, &[]).expect("a server");
        publish_service(&client, INSTALLATION, "kagent-controller", &[server.address()])
            .await
            .expect("the server's Service");

        // A declarative agent, which kagent's own runtime runs, with a scripted model.
        let model = ModelServer::start(|_| Reply::Text(vec!["Hello", " from", " the model"]));
        let model = model.await.expect("a model");
        create::<Secret>(
            &client,
            INSTALLATION,
            json!({"metadata": {"name": "model-key"}, "stringData": {"OPENAI_API_KEY": "sk-scripted"}}),
        )
        .await;
        create::<ModelConfig>(
            &client,
            INSTALLATION,
            json!({
                "apiVersion": "kagent.dev/v1alpha2", "kind": "ModelConfig", "metadata": {"name": "model"},
                "spec": {
                    "provider": "OpenAI", "model": "scripted",
                    "apiKeySecret": "model-key", "apiKeySecretKey": "OPENAI_API_KEY",
                    "openAI": {"baseUrl": model.base_url()},
                },
            }),
        )
        .await;
        create::<Agent>(
            &client,
            INSTALLATION,
            json!({
                "apiVersion": "kagent.dev/v1alpha2", "kind": "Agent", "metadata": {"name": "helper"},
                "spec": {"type": "Declarative", "description": "Helps.", "declarative": {
                    "modelConfig": "model", "systemMessage": "You help.",
                }},
            }),
        )
        .await;
        create::<Agent>(&client, INSTALLATION, mk_scout(MAIN)).await;

        let agents = Api::<Agent>::namespaced(client.clone(), INSTALLATION);
        let pods = Api::<Pod>::namespaced(client.clone(), INSTALLATION);
        let explain = || server.read_log();
        wait_until_ready(&agents, "scout", explain).await;
        wait_until_ready(&agents, "helper", explain).await;

        // One Pod each, with an address of its own, of one ReplicaSet: nothing was rolled.
        let running = pods.list(&ListParams::default()).await.expect("pods").items;
        assert_eq!(running.len(), 2, "{running:?}");
        let sets = Api::<ReplicaSet>::namespaced(client.clone(), INSTALLATION);
        assert_eq!(sets.list(&ListParams::default()).await.expect("sets").items.len(), 2);

        let answer = server
            .ask_agent("kagent/helper", "0.3", &mk_request("message/send", "m-1", "Say hello."))
            .await
            .expect("an answer");
        assert_eq!(
            answer["result"]["status"]["state"],
            "completed",
            "{answer}\n{}",
            server.read_log()
        );
        assert_eq!(read_artifacts(&answer["result"]), "Hello from the model");
        ask_scout(&server, "kagent/scout").await;

        // What the Pod wrote through the server's own Service is there.
        let context = answer_context(&server).await;
        assert!(!context.is_empty());

        // With the rights of the chart nothing was refused.
        let ready = server.wait_for_readyz(|status, _| status == 200).await.expect("ready");
        assert_eq!(ready, "ok");
        let log = server.read_log();
        assert!(!log.contains("permission"), "{log}");
        assert!(!log.contains("forbidden"), "{log}");
        kubelet.stop().await;
    });
}

/// The example agent speaks A2A 1.0.
async fn ask_scout(server: &ClusterServer, agent: &str) {
    let message = json!({"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "What is in src"}]});
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}});
    let answer = server.ask_agent(agent, "1.0", &request).await.expect("an answer");
    let state = &answer["result"]["task"]["status"]["state"];
    assert_eq!(state, "TASK_STATE_COMPLETED", "{answer}\n{}", server.read_log());
}

/// Ids of the sessions that the runtime in the Pod has made.
async fn answer_context(server: &ClusterServer) -> Vec<String> {
    let (status, body) = server
        .get("/api/sessions?user_id=admin@kagent.dev")
        .await
        .expect("sessions");
    assert_eq!(status, 200, "{body}");
    let sessions = body["data"].as_array().cloned().unwrap_or_default();
    sessions
        .iter()
        .filter_map(|session| session["id"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn with_watch_namespaces_the_rights_of_those_namespaces_are_enough() {
    isolated(async {
        let plane = start_plane().await;
        let kubelet = Kubelet::start(&plane).await;
        let client = plane.admin_client().await;
        create_namespace(&client, "team").await;
        let rules = read_rules();
        rules
            .grant_namespaces(&client, SERVER, &["team"])
            .await
            .expect("granted");
        let kubeconfig = plane.kubeconfig_for(SERVER.namespace, SERVER.name).await;
        let mut server = ClusterServer::spawn(2, &kubeconfig, &["--watch-namespaces=team"]).expect("a server");
        assert_eq!(server.address().ip(), outside_address(2));
        create::<Agent>(&client, "team", mk_scout(MAIN)).await;
        let agents = Api::<Agent>::namespaced(client.clone(), "team");
        wait_until_ready(&agents, "scout", || server.read_log()).await;
        ask_scout(&server, "team/scout").await;
        let ready = server.wait_for_readyz(|status, _| status == 200).await.expect("ready");
        assert_eq!(ready, "ok");
        let log = server.read_log();
        assert!(!log.contains("permission"), "{log}");
        assert!(!log.contains("forbidden"), "{log}");

        // An Agent of a namespace that is not watched is not touched.
        create::<Agent>(&client, INSTALLATION, mk_scout(MAIN)).await;
        let deployments = Api::<Deployment>::namespaced(client, INSTALLATION);
        assert!(
            deployments
                .list(&ListParams::default())
                .await
                .expect("list")
                .items
                .is_empty()
        );
        kubelet.stop().await;
    });
}

#[test]
fn the_rights_are_enough_for_what_users_do_and_for_what_goes_wrong() {
    isolated(async {
        let plane = start_plane().await;
        let client = plane.admin_client().await;
        read_rules().grant_cluster(&client, SERVER).await.expect("granted");
        let kubeconfig = plane.kubeconfig_for(SERVER.namespace, SERVER.name).await;
        let mut server = ClusterServer::spawn(3, &kubeconfig, &[]).expect("a server");
        server.wait_for_readyz(|status, _| status == 200).await.expect("ready");

        // Statuses and Events of everything that cannot work.
        let broken = json!({
            "apiVersion": "kagent.dev/v1alpha2", "kind": "Agent", "metadata": {"name": "broken"},
            "spec": {"type": "Declarative", "declarative": {"modelConfig": "none", "systemMessage": "x"}},
        });
        create::<Agent>(&client, INSTALLATION, broken).await;
        let model = json!({
            "apiVersion": "kagent.dev/v1alpha2", "kind": "ModelConfig", "metadata": {"name": "keyless"},
            "spec": {"provider": "OpenAI", "model": "m", "apiKeySecret": "none", "apiKeySecretKey": "KEY"},
        });
        create::<ModelConfig>(&client, INSTALLATION, model).await;
        let tools = json!({
            "apiVersion": "kagent.dev/v1alpha2", "kind": "RemoteMCPServer", "metadata": {"name": "dead"},
            "spec": {"description": "Nobody is there.", "url": "http://127.0.0.1:9/mcp"},
        });
        create::<RemoteMCPServer>(&client, INSTALLATION, tools).await;
        let provider = json!({
            "apiVersion": "kagent.dev/v1alpha2", "kind": "ModelProviderConfig", "metadata": {"name": "dead"},
            "spec": {"type": "Ollama", "endpoint": "http://127.0.0.1:9"},
        });
        create::<ModelProviderConfig>(&client, INSTALLATION, provider).await;
        let events = Api::<Event>::namespaced(client.clone(), INSTALLATION);
        for kind in ["Agent", "ModelConfig", "RemoteMCPServer", "ModelProviderConfig"] {
            let what = format!("an Event about the {kind}");
            wait_for(&what, async || {
                let told = events.list(&ListParams::default()).await.expect("events").items;
                told.into_iter().find(|event| {
                    event
                        .regarding
                        .as_ref()
                        .is_some_and(|it| it.kind.as_deref() == Some(kind))
                })
            })
            .await;
        }

        // An Agent made, changed and deleted over REST, with what the change makes superfluous.
        let mut agent = mk_scout(MAIN);
        agent["metadata"]["namespace"] = json!(INSTALLATION);
        let (status, body) = server
            .send(Method::POST, "/api/agents", &agent)
            .await
            .expect("an answer");
        assert_eq!(status, 201, "{body}");
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), INSTALLATION);
        wait_for("a ServiceAccount", async || {
            accounts.get_opt("scout").await.expect("an answer")
        })
        .await;
        agent["spec"]["byo"]["deployment"]["serviceAccountName"] = json!("default");
        let (status, body) = server
            .send(Method::PUT, "/api/agents", &agent)
            .await
            .expect("an answer");
        assert_eq!(status, 200, "{body}");
        wait_for("its end", async || {
            accounts
                .get_opt("scout")
                .await
                .expect("an answer")
                .is_none()
                .then_some(())
        })
        .await;
        let path = "/api/agents/kagent/scout";
        let (status, body) = server.send(Method::DELETE, path, &json!({})).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        let (status, body) = server.get("/api/namespaces").await.expect("namespaces");
        assert_eq!(status, 200, "{body}");

        let ready = server.wait_for_readyz(|status, _| status == 200).await.expect("ready");
        assert_eq!(ready, "ok");
        let log = server.read_log();
        assert!(!log.contains("permission"), "{log}");
        assert!(!log.contains("forbidden"), "{log}");
    });
}
