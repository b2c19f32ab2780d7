//! Query parameters of the API's verbs.

use std::time::Duration;

use http::{HeaderMap, header};

use super::path::decode;
use crate::{
    core::{Core, FieldValidation, Target, WriteOptions},
    delete::{DeleteOptions, Propagation},
    list::{ListOptions, too_large},
    selector::Selector,
    status::{ApiError, ApiResult},
    watch::WatchOptions,
};

/// The parameters, decoded.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
                })
                .collect(),
        )
    }

    fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1" | "True")
    }

    fn number(&self, name: &str) -> ApiResult<u64> {
        match self.get(name) {
            "" => Ok(0),
            text => text
                .parse()
                .map_err(|_| ApiError::bad_request(format!("the parameter {name} is not a number: {text:?}"))),
        }
    }

    pub(super) fn is_watch(&self) -> bool {
        self.flag("watch")
    }

    /// The selectors, of a single object also its name.
    fn selector(&self, target: &Target) -> ApiResult<Selector> {
        let mut fields = self.get("fieldSelector").to_owned();
        if !target.name.is_empty() {
            if !fields.is_empty() {
                fields.push(',');
            }
            fields.push_str(&format!("metadata.name={}", target.name));
        }
        Selector::parse(&target.resource, &target.version, self.get("labelSelector"), &fields)
    }

    pub(super) fn list_options(&self, target: &Target) -> ApiResult<ListOptions> {
        let version_match = self.get("resourceVersionMatch");
        if !version_match.is_empty() && self.get("resourceVersion").is_empty() {
            return Err(ApiError::bad_request(
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            ));
        }
        Ok(ListOptions {
            selector: self.selector(target)?,
            limit: usize::try_from(self.number("limit")?).unwrap_or(usize::MAX),
            continue_token: self.get("continue").to_owned(),
            resource_version: self.get("resourceVersion").to_owned(),
            version_match: version_match.to_owned(),
        })
    }

    pub(super) fn watch_options(&self, target: &Target, metadata_only: bool) -> ApiResult<WatchOptions> {
        let seconds = self.number("timeoutSeconds")?;
        Ok(WatchOptions {
            selector: self.selector(target)?,
            resource_version: self.get("resourceVersion").to_owned(),
            version_match: self.get("resourceVersionMatch").to_owned(),
            bookmarks: self.flag("allowWatchBookmarks"),
            initial_events: match self.get("sendInitialEvents") {
                "" => None,
                _ => Some(self.flag("sendInitialEvents")),
            },
            timeout: (seconds > 0).then(|| Duration::from_secs(seconds.min(24 * 3600))),
            metadata_only,
        })
    }

    /// A read may ask for a revision that is not there yet.
    pub(super) fn check_get(&self, core: &Core) -> ApiResult<()> {
        let wanted = self.number("resourceVersion")?;
        let current = core.storage.revision();
        if wanted > current {
            return Err(too_large(wanted, current));
        }
        Ok(())
    }

    fn dry_run(&self) -> ApiResult<bool> {
        match self.get("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => Err(ApiError::bad_request(format!(
                "dryRun: Unsupported value: {other:?}: supported values: \"All\""
            ))),
        }
    }

    pub(super) fn write_options(&self, headers: &HeaderMap) -> ApiResult<WriteOptions> {
        let validation = match self.get("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                return Err(ApiError::bad_request(format!(
                    "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
                )));
            }
        };
        let manager = match self.get("fieldManager") {
            "" => {
                let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
                agent
                    .and_then(|agent| agent.split('/').next())
                    .filter(|name| !name.is_empty())
                    .unwrap_or("unknown")
            }
            manager if manager.len() > 128 => {
                return Err(ApiError::bad_request(
                    "fieldManager: Too long: may not be more than 128 bytes",
                ));
            }
            manager => manager,
        };
        Ok(WriteOptions {
            dry_run: self.dry_run()?,
            manager: manager.to_owned(),
            force: false,
            validation,
            trusts_definition: false,
        })
    }

    pub(super) fn patch_options(&self, headers: &HeaderMap, applies: bool) -> ApiResult<WriteOptions> {
        if applies && self.get("fieldManager").is_empty() {
            return Err(ApiError::new(
                422,
                "Invalid",
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
            ));
        }
        if !applies && !self.get("force").is_empty() {
            return Err(ApiError::new(
                422,
                "Invalid",
                "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
            ));
        }
        let mut options = self.write_options(headers)?;
        options.force = self.flag("force");
        Ok(options)
    }

    /// The parameters win over nothing in the body.
    pub(super) fn add_delete_options(&self, options: &mut DeleteOptions) -> ApiResult<()> {
        options.dry_run |= self.dry_run()?;
        if options.propagation.is_none() {
            options.propagation = match self.get("propagationPolicy") {
                "" => None,
                policy => Some(Propagation::parse(policy)?),
            };
        }
        Ok(())
    }
}
