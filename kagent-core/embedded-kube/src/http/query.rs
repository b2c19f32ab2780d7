//! Query parameters of the API's verbs.

use std::time::Duration;

use http::{HeaderMap, header};
use serde_json::json;

use super::path::decode;
use crate::{
    core::{Core, FieldValidation, Target, WriteOptions},
    delete::{DeleteOptions, Propagation},
    form::Form,
    list::{ListOptions, too_large},
    selector::Selector,
    status::{ApiError, ApiResult, Cause},
    table::RowObject,
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

    /// What the rows of a table have beside their cells.
    pub(super) fn row_object(&self) -> ApiResult<RowObject> {
        match self.get("includeObject") {
            "" | "Metadata" => Ok(RowObject::Metadata),
            "None" => Ok(RowObject::None),
            "Object" => Ok(RowObject::Whole),
            other => Err(ApiError::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
            ))),
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
        Selector::parse(&target.resource, self.get("labelSelector"), &fields)
    }

    pub(super) fn list_options(&self, target: &Target) -> ApiResult<ListOptions> {
        let version_match = self.get("resourceVersionMatch");
        let version = self.get("resourceVersion");
        let mut causes = Vec::new();
        if !self.get("sendInitialEvents").is_empty() {
            causes.push(Cause::forbidden(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for list",
            ));
        }
        if !version_match.is_empty() {
            let mut forbid = |why: &str| causes.push(Cause::forbidden("resourceVersionMatch", why));
            if version.is_empty() {
                forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
            }
            if !self.get("continue").is_empty() {
                forbid("resourceVersionMatch is forbidden when continue is provided");
            }
            if !matches!(version_match, "Exact" | "NotOlderThan") {
                let supported = ["Exact", "NotOlderThan", ""].map(str::to_owned);
                causes.push(Cause::not_supported(
                    "resourceVersionMatch",
                    &json!(version_match),
                    &supported,
                ));
            }
            if version_match == "Exact" && version == "0" {
                causes.push(Cause::forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                ));
            }
        }
        if !causes.is_empty() {
            return Err(ApiError::invalid_options("ListOptions", &causes));
        }
        if !self.get("continue").is_empty() && !version.is_empty() && version != "0" {
            return Err(ApiError::bad_request(
                "specifying resource version is not allowed when using continue",
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

    pub(super) fn watch_options(&self, target: &Target, form: Form) -> ApiResult<WatchOptions> {
        let version_match = self.get("resourceVersionMatch");
        let mut causes = Vec::new();
        if self.get("sendInitialEvents").is_empty() {
            if !version_match.is_empty() {
                causes.push(Cause::forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                ));
            }
        } else if version_match != "NotOlderThan" {
            causes.push(Cause::forbidden(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
            if !version_match.is_empty() {
                let supported = ["NotOlderThan".to_owned()];
                causes.push(Cause::not_supported(
                    "resourceVersionMatch",
                    &json!(version_match),
                    &supported,
                ));
            }
        }
        if !causes.is_empty() {
            return Err(ApiError::invalid_options("ListOptions", &causes));
        }
        let seconds = self.number("timeoutSeconds")?;
        Ok(WatchOptions {
            selector: self.selector(target)?,
            resource_version: self.get("resourceVersion").to_owned(),
            bookmarks: self.flag("allowWatchBookmarks"),
            initial_events: match self.get("sendInitialEvents") {
                "" => None,
                _ => Some(self.flag("sendInitialEvents")),
            },
            timeout: (seconds > 0).then(|| Duration::from_secs(seconds.min(24 * 3600))),
            form,
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

    fn dry_run(&self, options: &str) -> ApiResult<bool> {
        match self.get("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                let cause = Cause::not_supported("dryRun", &json!([other]), &["All".to_owned()]);
                Err(ApiError::invalid_options(options, &[cause]))
            }
        }
    }

    /// `options` is what the API calls the parameters of the verb, such as `CreateOptions`.
    pub(super) fn write_options(&self, headers: &HeaderMap, options: &str) -> ApiResult<WriteOptions> {
        let validation = match self.get("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                let supported = ["", "Ignore", "Strict", "Warn"].map(str::to_owned);
                let cause = Cause::not_supported("fieldValidation", &json!(other), &supported);
                return Err(ApiError::invalid_options(options, &[cause]));
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
                let cause = Cause::too_long("fieldManager", "may not be more than 128 bytes");
                return Err(ApiError::invalid_options(options, &[cause]));
            }
            manager => manager,
        };
        Ok(WriteOptions {
            dry_run: self.dry_run(options)?,
            manager: manager.to_owned(),
            force: false,
            validation,
            duplicate_fields: Vec::new(),
            trusts_definition: false,
        })
    }

    pub(super) fn patch_options(&self, headers: &HeaderMap, applies: bool) -> ApiResult<WriteOptions> {
        if applies && self.get("fieldManager").is_empty() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(ApiError::invalid_options("PatchOptions", &[cause]));
        }
        if !applies && !self.get("force").is_empty() {
            let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
            return Err(ApiError::invalid_options("PatchOptions", &[cause]));
        }
        let mut options = self.write_options(headers, "PatchOptions")?;
        options.force = self.flag("force");
        Ok(options)
    }

    /// The parameters win over nothing in the body.
    pub(super) fn add_delete_options(&self, options: &mut DeleteOptions) -> ApiResult<()> {
        options.dry_run |= self.dry_run("DeleteOptions")?;
        if options.propagation.is_none() {
            options.propagation = match self.get("propagationPolicy") {
                "" => None,
                policy => Some(Propagation::parse(policy)?),
            };
        }
        Ok(())
    }
}
