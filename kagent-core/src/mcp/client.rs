//! The HTTP client for one tool server: its headers, its authorities, its limits.

use std::time::Duration;

use reqwest::{
    Certificate, Client,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};

use crate::{
    error::{Error, Result},
    translate::discovery::McpEndpoint,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 5;

/// A client that sends the endpoint's headers with every request, and to nobody but the endpoint's own origin.
///
/// # Errors
/// `Invalid` with what is wrong with the endpoint.
pub(super) fn build(endpoint: &McpEndpoint) -> Result<Client> {
    let mut builder = Client::builder()
        .default_headers(build_headers(endpoint)?)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(endpoint.timeout.min(super::LONGEST))
        .redirect(same_origin())
        .tls_danger_accept_invalid_certs(endpoint.skips_verification);
    if let Some(authorities) = &endpoint.authorities {
        let certificates = Certificate::from_pem_bundle(authorities)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| Error::invalid("the certificates of the authority are not PEM"))?;
        builder = match endpoint.only_authorities {
            true => builder.tls_certs_only(certificates),
            false => builder.tls_certs_merge(certificates),
        };
    }
    builder.build().map_err(|error| {
        Error::invalid(format!(
            "the TLS settings cannot be used: {}",
            crate::error::chain(&error)
        ))
    })
}

fn build_headers(endpoint: &McpEndpoint) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &endpoint.headers {
        let bad = || Error::invalid(format!("{name:?} or its value cannot be a header"));
        let key = HeaderName::try_from(name).map_err(|_| bad())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

/// Headers may be secrets that are meant for this server alone.
fn same_origin() -> Policy {
    Policy::custom(|attempt| {
        let same = attempt
            .previous()
            .first()
            .is_some_and(|first| first.origin() == attempt.url().origin());
        if !same {
            attempt.error("the server redirects to another origin")
        } else if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("the server redirects without end")
        } else {
            attempt.follow()
        }
    })
}
