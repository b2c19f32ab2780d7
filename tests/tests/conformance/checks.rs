//! Cases that are functions: what a script cannot say, such as a history that is cut or a client library's own behaviour.

use std::{pin::pin, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kagent_tests::conformance::{Case, Session};
use kube::{
    Api,
    api::{ListParams, PostParams, VersionMatch, WatchParams},
    core::{ObjectMeta, WatchEvent},
    runtime::watcher::{self, Event, watcher},
};
use tokio::time::timeout;

/// The server may be busy.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    vec![
        Case::check(
            "checks: kube's watcher follows, with a list and with a stream of initial events",
            |session| Box::pin(watchers_follow(session)),
        ),
        Case::check(
            "checks: of two writers at once one is told of the conflict",
            |session| Box::pin(one_of_two_writers_wins(session)),
        ),
        Case::check_alone("checks: what was before the history was cut is 410", |session| {
            Box::pin(a_cut_history_is_410(session))
        }),
    ]
}

fn config_maps(session: &Session<'_>) -> Api<ConfigMap> {
    Api::namespaced(session.target().client().clone(), session.namespace())
}

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

async fn watchers_follow(session: &Session<'_>) -> Result<()> {
    let api = config_maps(session);
    for (config, name) in [
        (watcher::Config::default(), "listed"),
        (watcher::Config::default().streaming_lists(), "streamed"),
    ] {
        let mut events = pin!(watcher(api.clone(), config));
        let ready = async {
            while let Some(event) = events.try_next().await? {
                if matches!(event, Event::InitDone) {
                    return Ok(());
                }
            }
            bail!("the watch has ended")
        };
        timeout(SEEN_WITHIN, ready)
            .await
            .context("the initial events do not end")??;
        api.create(&PostParams::default(), &config_map(name)).await?;
        let seen = async {
            while let Some(event) = events.try_next().await? {
                if let Event::Apply(object) = event
                    && object.metadata.name.as_deref() == Some(name)
                {
                    return Ok(());
                }
            }
            bail!("the watch has ended")
        };
        timeout(SEEN_WITHIN, seen)
            .await
            .context("the new object is not seen")??;
    }
    Ok(())
}

async fn one_of_two_writers_wins(session: &Session<'_>) -> Result<()> {
    let api = config_maps(session);
    let made = api.create(&PostParams::default(), &config_map("a")).await?;
    let write = |value: &str| {
        let mut object = made.clone();
        object.data = Some([("a".to_owned(), value.to_owned())].into());
        let api = api.clone();
        async move { api.replace("a", &PostParams::default(), &object).await }
    };
    let (one, two) = tokio::join!(write("1"), write("2"));
    match (one, two) {
        (Ok(_), Err(kube::Error::Api(status))) | (Err(kube::Error::Api(status)), Ok(_)) => {
            ensure!(status.code == 409 && status.reason == "Conflict", "{status:?}");
            Ok(())
        }
        other => bail!("one of two was expected to win: {other:?}"),
    }
}

async fn a_cut_history_is_410(session: &Session<'_>) -> Result<()> {
    let api = config_maps(session);
    api.create(&PostParams::default(), &config_map("a")).await?;
    session.target().cut_history(&api, "a").await?;
    // The real server answers younger versions from its memory, whatever etcd has forgotten.
    let first = ListParams::default().at("1").matching(VersionMatch::Exact);
    match api.list(&first).await {
        Err(kube::Error::Api(status)) if status.code == 410 && status.reason == "Expired" => {}
        other => bail!("410 was expected: {other:?}"),
    }
    let mut events = pin!(api.watch(&WatchParams::default().timeout(5), "1").await?);
    match events.try_next().await {
        Ok(Some(WatchEvent::Error(status))) if status.code == 410 => {}
        other => bail!("a watch that tells 410 was expected: {other:?}"),
    }
    // Now is as good as ever.
    ensure!(
        !api.list(&ListParams::default()).await?.items.is_empty(),
        "objects are gone"
    );
    Ok(())
}
