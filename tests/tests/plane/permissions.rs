//! A right that the server lacks is named once in its log, and in `/readyz` while it is missing; when it is granted the
//! server goes on by itself.

use k8s_openapi::api::apps::v1::Deployment;
use kagent_api::v1alpha2::Agent;
use kagent_tests::plane::{ClusterServer, isolated};
use kube::Api;

use crate::world::{INSTALLATION, SERVER, create, find_condition, mk_scout, read_rules, start_plane, wait_for};

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn a_missing_permission_is_named_and_things_work_once_it_is_granted() {
    isolated(async {
        let plane = start_plane().await;
        let client = plane.admin_client().await;
        let rules = read_rules();
        let kubeconfig = plane.kubeconfig_for(SERVER.namespace, SERVER.name).await;

        // Without the right to list Agents there is nothing to serve: not ready, and why.
        let lacking = rules.clone().without("list", "agents").expect("a rule");
        lacking.grant_cluster(&client, SERVER).await.expect("granted");
        let mut server = ClusterServer::spawn(1, &kubeconfig, &[]).expect("a server");
        let missing = "[!]permissions: missing: list agents of kagent.dev in the whole cluster\n";
        let pending = "[-]cluster failed: not read yet: agents, routes\n";
        server
            .wait_for_readyz(|status, body| status == 503 && body.contains(missing) && body.contains(pending))
            .await
            .expect("the permission is named");

        // Granted but for one: ready, and what cannot be done is still said.
        let lacking = rules.clone().without("patch", "deployments").expect("a rule");
        lacking.grant_cluster(&client, SERVER).await.expect("granted");
        server
            .wait_for_readyz(|status, body| status == 200 && body == "ok")
            .await
            .expect("ready");
        create::<Agent>(&client, INSTALLATION, mk_scout("/")).await;
        let missing = "[!]permissions: missing: patch deployments of apps in namespace kagent\n";
        server
            .wait_for_readyz(|status, body| status == 200 && body.contains(missing))
            .await
            .expect("the permission is named");
        let agents = Api::<Agent>::namespaced(client.clone(), INSTALLATION);
        let message = wait_for("a condition that says why", async || {
            let (_, message) = find_condition(&agents, "scout", "Accepted").await?;
            message.contains("cannot patch resource").then_some(message)
        })
        .await;
        assert!(message.contains("\"deployments\""), "{message}");
        // Long enough for a few more tries, which are silent.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let log = server.read_log();
        assert_eq!(count(&log, "permission is missing"), 2, "{log}");
        assert_eq!(count(&log, "cannot patch resource"), 0, "{log}");
        for part in [
            r#""verb":"list","resource":"agents","api_group":"kagent.dev","namespace":"(the whole cluster)""#,
            r#""verb":"patch","resource":"deployments","api_group":"apps","namespace":"kagent""#,
        ] {
            assert_eq!(count(&log, part), 1, "{part} is not once in\n{log}");
        }

        // All of it: the Agent's objects are made without a restart, and nothing is missing any more.
        rules.grant_cluster(&client, SERVER).await.expect("granted");
        let deployments = Api::<Deployment>::namespaced(client, INSTALLATION);
        wait_for("the Deployment", async || {
            deployments.get_opt("scout").await.expect("an answer")
        })
        .await;
        server
            .wait_for_readyz(|status, body| status == 200 && body == "ok")
            .await
            .expect("ready");
        wait_for("the condition", async || {
            let (status, _) = find_condition(&agents, "scout", "Accepted").await?;
            (status == "True").then_some(())
        })
        .await;
    });
}
