//! The API on a loopback port: kubeconfig, secret path, shutdown.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config,
    api::{PostParams, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::support::{config_map, config_maps, refusal, server};

async fn client_of(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a config");
    Client::try_from(config).expect("a client")
}

#[tokio::test]
async fn a_client_from_the_kubeconfig_sees_the_same_objects_and_watches() {
    let server = server();
    let serving = server
        .serve("127.0.0.1:0".parse().expect("an address"))
        .await
        .expect("serving");
    let outside: Api<ConfigMap> = Api::default_namespaced(client_of(&serving.kubeconfig()).await);
    config_maps(&server.client())
        .create(&PostParams::default(), &config_map("a", &[]))
        .await
        .expect("created");
    outside.get("a").await.expect("read over the network");
    let mut events = outside
        .watch(&WatchParams::default(), "0")
        .await
        .expect("watching")
        .boxed();
    assert!(events.next().await.expect("an event").is_ok());
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        server.shutdown().await.expect("stopped");
        while events.next().await.is_some() {}
    });
    ended.await.expect("watches end with the server");
}

#[tokio::test]
async fn without_the_secret_path_nothing_is_answered() {
    let server = server();
    let serving = server
        .serve("127.0.0.1:0".parse().expect("an address"))
        .await
        .expect("serving");
    let config = Config::new(format!("http://{}", serving.local_addr()).parse().expect("a url"));
    let client = Client::try_from(config).expect("a client");
    let status = refusal(Api::<ConfigMap>::default_namespaced(client).get("a").await);
    assert_eq!((status.code, status.reason.as_str()), (401, "Unauthorized"));
}

#[tokio::test]
async fn only_loopback_is_served() {
    let error = server()
        .serve("0.0.0.0:0".parse().expect("an address"))
        .await
        .expect_err("not loopback");
    assert!(error.to_string().contains("is not a loopback address"), "{error}");
}
